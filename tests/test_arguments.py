"""Argument lists drawn at random. Many more: `python benchmarks/arguments.py`."""

from __future__ import annotations

from argument_lists import attempt, lists, prepare


def test_whatever_the_arguments_it_ends_in_a_code_and_one_line(tmp_path, monkeypatch):
    prepare(tmp_path, monkeypatch)
    outcomes = [attempt(words) for words in lists(seed=1, count=1000)]
    assert not [(one, faults) for one in outcomes if (faults := one.faults())]
    codes = [one.code for one in outcomes]
    assert {code: codes.count(code) > 2 for code in (0, 1, 2)} == {0: True, 1: True, 2: True}

"""Foreign text in lines of ours."""

from __future__ import annotations

import pytest

from dsconv_cli.text import cut, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("layer1.conv", "layer1.conv"),
        ("漢 é ×", "漢 é ×"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\x9b31m", "\\x9b31m"),
        ("half\udc80", "half\\udc80"),
    ],
)
def test_nothing_breaks_the_line_or_commands_the_terminal(text, shown):
    assert printable(text) == shown


def test_both_ends_of_what_is_cut_remain():
    assert cut("abcdefghij", 10) == "abcdefghij"
    assert cut("abcdefghijk", 10) == "abcde…hijk"
    assert len(cut("x" * 1000, 81)) == 81


@pytest.mark.parametrize("argument", ["7" * 60_000, "'" + "a b " * 20_000 + "'", "x=" + "y " * 30_000, "\x00" * 20_000])
def test_what_was_wrong_and_what_would_be_right_survive_a_long_argument(argument):
    line = one_line(f"--k must be a positive integer, not {argument}; see 'dsconv compare --help'")
    assert len(line) <= 4000
    assert line.startswith("--k must be a positive integer, not")
    assert line.endswith("; see 'dsconv compare --help'")


def test_our_own_long_lines_are_left_alone():
    keys = ", ".join(f"section{n}.key" for n in range(100))
    assert one_line(f"unknown key 'x'; keys are {keys}") == f"unknown key 'x'; keys are {keys}"

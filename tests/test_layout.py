"""Layouts held against small golden files, numbers against hand-written texts.

The figures in the golden files are checked elsewhere; these tests hold where they stand. After a wanted change:
`DSCONV_UPDATE_GOLDEN=1 python -m pytest tests/test_layout.py`, and read the difference.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from dsconv_cli import ConvSpec
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.numbers import ascii_text, by, percent, scaled, seconds, significant, times
from dsconv_cli.report import View, render

GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = ConvSpec(64, 32)
BIG = ConvSpec(4096, 4096, h=4096, w=4096, bias=True, depth_multiplier=2, stride=(2, 1), dilation=(1, 2))


@pytest.mark.parametrize(
    ("name", "spec", "format_name", "view"),
    [
        ("table-80.txt", EXAMPLE, "table", View(width=80)),
        ("table-pipe.txt", EXAMPLE, "table", View()),
        ("table-ascii.txt", EXAMPLE, "table", View(width=80, unicode=False)),
        ("table-60.txt", EXAMPLE, "table", View(width=60)),
        ("table-30.txt", EXAMPLE, "table", View(width=30)),
        ("table-big-80.txt", BIG, "table", View(width=80)),
        ("table-explain.txt", EXAMPLE, "table", View(width=80, explain=True)),
        ("markdown.md", EXAMPLE, "markdown", View()),
    ],
)
def test_layout(name, spec, format_name, view):
    text = render(format_name, closed_forms(spec), view)
    if os.environ.get("DSCONV_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")
    assert not any(line != line.rstrip() for line in text.splitlines() if format_name == "table")


def test_pending_is_said():
    text = render("table", closed_forms(EXAMPLE), View(width=80, pending="thop"))
    assert "closed forms; thop is counting…" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1.00"), (999, "999"), (1000, "1.00 k"), (999_499, "999 k"), (999_500, "1.00 M"),
        (1_234_567, "1.23 M"), (57_802_752, "57.8 M"), (10**15, "1.00 P"), (10**33, "1,000 Q"),
    ],
)  # fmt: skip
def test_scaled(value, text):
    assert scaled(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.0, "1.00"),
        (7.8904, "7.89"),
        (90.46, "90.5"),
        (1280, "1,280"),
        (0.6338, "0.634"),
        (0.00123, "0.00123"),
    ],
)
def test_significant(value, text):
    assert significant(value) == text


def test_words_for_numbers():
    assert times(Fraction(576, 73)) == "7.89×"
    assert percent(Fraction(9, 64)) == "14.1%"
    assert by(1, 64, 56) == "1×64×56"
    assert scaled(1_277_952, "B") == "1.28 MB"
    assert (seconds(1.5), seconds(0.00123), seconds(4.56e-5), seconds(7e-9)) == (
        "1.50 s",
        "1.23 ms",
        "45.6 µs",
        "7.00 ns",
    )
    assert ascii_text("R·S ≪ min(K, C) → 7.89×") == "R*S << min(K, C) -> 7.89x"
    assert ascii_text("漢") == "?"

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
from dsconv_cli.report.compare import page, report
from dsconv_cli.report.formats import formats_of
from dsconv_cli.report.page import View

GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = ConvSpec(64, 32)
BIG = ConvSpec(4096, 4096, h=4096, w=4096, bias=True, depth_multiplier=2, stride=(2, 1), dilation=(1, 2))


@pytest.mark.parametrize(
    ("name", "spec", "view"),
    [
        ("table-80.txt", EXAMPLE, View(width=80)),
        ("table-pipe.txt", EXAMPLE, View()),
        ("table-ascii.txt", EXAMPLE, View(width=80, unicode=False)),
        ("table-60.txt", EXAMPLE, View(width=60)),
        ("table-30.txt", EXAMPLE, View(width=30)),
        ("table-big-80.txt", BIG, View(width=80)),
        ("table-explain.txt", EXAMPLE, View(width=80)),
        ("table-details-80.txt", EXAMPLE, View(width=80)),
        ("markdown.md", EXAMPLE, View()),
    ],
)
def test_layout(name, spec, view):
    form = formats_of("compare")["markdown" if name.endswith(".md") else "table"]
    text = form.content(report(closed_forms(spec), explain="explain" in name, details="details" in name), view)
    if os.environ.get("DSCONV_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")
    assert not any(line != line.rstrip() for line in text.splitlines() if name.endswith(".txt"))


def test_pending_is_said():
    lines = page(closed_forms(EXAMPLE), pending="thop").sections[1]
    assert "from formulas; thop is counting…" in [line.text for line in lines]


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

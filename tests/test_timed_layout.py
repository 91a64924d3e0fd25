"""How a timing is shown: layouts held against golden files, with figures that are made up.

After a wanted change: `DSCONV_UPDATE_GOLDEN=1 python -m pytest tests/test_timed_layout.py`, and read the difference.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import timing

from dsconv_cli import ConvSpec
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.report.compare import report
from dsconv_cli.report.formats import formats_of
from dsconv_cli.report.page import View
from dsconv_cli.report.timing import regime_line
from dsconv_cli.timing.result import PerOperator, Regime

GOLDEN = Path(__file__).parent / "golden"
UNRELIABLE = {"reliable": False, "warnings": ("the interval is ±9.0%, wider than ±5%; --budget 58 should do",)}
CALLS = {"fixed_s": PerOperator(40e-6, 50e-6, 6e-6)}


def result(**more):
    return replace(closed_forms(ConvSpec(64, 32, h=32, w=32)), time=timing(**more))


@pytest.mark.parametrize(
    ("name", "format_name", "view", "more"),
    [
        ("timed-80.txt", "table", View(width=80), CALLS),
        ("timed-details-120.txt", "table", View(width=120), CALLS),
        ("timed-ascii.txt", "table", View(width=80, unicode=False), UNRELIABLE),
        ("timed-40.txt", "table", View(width=40), {}),
        ("timed.md", "markdown", View(), UNRELIABLE),
    ],
)
def test_layout(name, format_name, view, more):
    text = formats_of("compare")[format_name].content(report(result(**more), details="details" in name), view)
    if os.environ.get("DSCONV_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if view.width and len(line) > view.width]


def test_the_regime_in_words():
    regime = Regime(
        "2.99.0", "Some GPU", 8, clock="CUDA events", notes=("cudnn.benchmark off",), batch=4,
        backends=PerOperator("Cudnn", "Cudnn", "Cudnn"),
    )  # fmt: skip
    line = regime_line(timing(regime=regime, device="cuda:0", threads=2, layout="channels last"))
    assert line == (
        "Measured on cuda:0 (Some GPU), 2 threads on 8 cores, float32, channels last, batch 4, CUDA events, "
        "torch 2.99.0, backend Cudnn, cudnn.benchmark off: 12 processes, 300 pairs, 5.0 s."
    )
    told_nothing = regime_line(timing(regime=Regime()))
    assert told_nothing.startswith("Measured on cpu, 1 thread, float32, channels first, batch 1: 12 processes")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_roofline_is_the_same_for_the_same_figures(kind):
    pytest.importorskip("matplotlib")
    roofline = formats_of("compare")["roofline"]
    once = roofline.content(report(result()), kind=kind)
    assert once == roofline.content(report(result()), kind=kind)
    assert once.startswith({"svg": b"<?xml", "png": b"\x89PNG"}[kind])

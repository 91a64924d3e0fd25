"""The roofline as a PNG."""

from __future__ import annotations

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.report import View
from dsconv_cli.report.roofline import draw_png


def render(comparison: Comparison, _: View) -> bytes:
    """The bytes of the picture."""
    return draw_png(comparison)

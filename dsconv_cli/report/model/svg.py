"""The table as a picture, for a README or slides."""

from __future__ import annotations

import io
from dataclasses import replace

from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.model import Shown
from dsconv_cli.report.model.table import natural_width, renderable
from dsconv_cli.report.svg import _template
from dsconv_cli.report.table import make_console


def render(result: ModelResult, shown: Shown) -> str:
    """An SVG of the table, whatever the terminal is like."""
    drawn = replace(shown, view=replace(shown.view, width=None, unicode=True, color=True))
    console = make_console(io.StringIO(), drawn.view, natural_width(result, drawn))
    console.record = True
    console.print(renderable(result, drawn))
    return console.export_svg(title=f"dsconv model {result.target}", code_format=_template(), unique_id="dsconv-model")

"""The table as a picture, for a README or slides."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.reading import command_of
from dsconv_cli.report import View
from dsconv_cli.report.table import make_console, natural_width, renderable

_OWN_FONT: Final = "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace"


def _template() -> str:
    """Rich's picture, without the font it fetches from the network and with columns kept in every viewer."""
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", _OWN_FONT)
    return template.replace("<svg ", '<svg xml:space="preserve" ', 1)


def render(comparison: Comparison, view: View) -> str:
    """An SVG of the table, whatever the terminal is like."""
    shown = replace(view, width=None, unicode=True, color=True)
    console = make_console(io.StringIO(), shown, natural_width(comparison, shown))
    console.record = True
    console.print(renderable(comparison, shown))
    return console.export_svg(title=command_of(comparison.spec), code_format=_template(), unique_id="dsconv")

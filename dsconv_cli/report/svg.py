"""A page as a picture of a terminal, for a README or slides."""

from __future__ import annotations

import io
import re
from typing import Final

from dsconv_cli.report import table
from dsconv_cli.report.page import Page, View

_OWN_FONT: Final = "Fira Code, Menlo, Consolas, DejaVu Sans Mono, monospace"
#: The border of the window, which is white in rich's own picture.
_BORDER: Final = "rgba(255,255,255,0.35)"
_BORDER_ON_LIGHT: Final = "rgba(0,0,0,0.25)"
#: What stands in one cell, or in one line of text: it has a place of its own in the picture.
_PIECE: Final = r"\S+( \S+)*"


def render(page: Page, *, light: bool = False) -> str:
    """An SVG of the page as the output of its command, whatever the terminal is like: dark, or `light`."""
    from rich.console import Console
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
    from rich.text import Text

    text = Text.from_ansi(table.render(page, View(color=True)).rstrip("\n"))
    text.highlight_regex(_PIECE, style="none")
    width = max(page.reading_width, *(line.cell_len for line in text.split()))
    console = Console(
        file=io.StringIO(), width=width, record=True, force_terminal=True, color_system="standard", legacy_windows=False
    )
    console.print(text, highlight=False)
    picture = console.export_svg(
        title=page.command,
        theme=DEFAULT_TERMINAL_THEME if light else SVG_EXPORT_THEME,
        code_format=_template(),
        unique_id="dsconv",
    )
    return picture.replace(_BORDER, _BORDER_ON_LIGHT) if light else picture


def _template() -> str:
    """Rich's picture, without the font it fetches from the network and with columns kept in every viewer."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", _OWN_FONT)
    return template.replace("<svg ", '<svg xml:space="preserve" ', 1)

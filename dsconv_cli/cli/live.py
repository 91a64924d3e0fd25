"""The table on a terminal: the closed forms at once, the measured figures when they are there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from rich.live import Live

from dsconv_cli.cli.report import terminal_width
from dsconv_cli.comparison import Comparison
from dsconv_cli.render import View
from dsconv_cli.render.table import make_console, renderable


def show_while(closed: Comparison, work: Callable[[], Comparison], counting: str, view: View) -> Comparison:
    """Show `closed`, do `work` (seconds, for it loads torch), then show its result in the same place."""
    names = "thop and torch" if counting == "both" else counting
    console = make_console(sys.stdout, view, view.width or terminal_width(), terminal=True)
    first = renderable(closed, replace(view, pending=names))
    with Live(first, console=console, auto_refresh=False, vertical_overflow="visible") as live:
        result = work()
        live.update(renderable(result, view))
    return result

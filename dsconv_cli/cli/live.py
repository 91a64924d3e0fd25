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

#: Shows a comparison that is not complete: who is still counting, and how far a measurement is.
Show = Callable[[Comparison, str, str], None]


def show_while(closed: Comparison, work: Callable[[Show], Comparison], counting: str, view: View) -> Comparison:
    """Show `closed`, do `work` (seconds, for it loads torch), then show its result in the same place.

    `work` is given a function by which it can show what it has on the way.
    """
    names = {"both": "thop and torch", "none": ""}.get(counting, counting)
    console = make_console(sys.stdout, view, view.width or terminal_width(), terminal=True)
    first = renderable(closed, replace(view, pending=names))
    with Live(first, console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def show(comparison: Comparison, pending: str, progress: str) -> None:
            live.update(renderable(comparison, replace(view, pending=pending, progress=progress)), refresh=True)

        result = work(show)
        live.update(renderable(result, view))
    return result

"""The table on a terminal: the closed forms at once, the measured figures when they are there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.live import Live

from dsconv_cli.cli.streams import terminal_width
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.report import View
from dsconv_cli.report.table import make_console, renderable

#: What a measurement adds to the table while it goes on.
_PROGRESS_LINES: Final = 2

#: Shows a comparison that is not complete: who is still counting, and how far a measurement is.
Show = Callable[[Comparison, str, str], None]


def show_while(closed: Comparison, work: Callable[[Show], Comparison], counting: str, view: View) -> Comparison:
    """Show `closed`, do `work` (seconds, for it loads torch), then show its result in the same place.

    `work` is given a function by which it can show what it has on the way.
    """
    names = {"both": "thop and torch", "none": ""}.get(counting, counting)
    console = make_console(sys.stdout, view, view.width or terminal_width(), terminal=True)
    # What does not fit the window cannot be drawn over. The derivation is the longest part, and stands in the end.
    draft = replace(view, explain=False)
    first = renderable(closed, replace(draft, pending=names))
    if len(console.render_lines(first)) + _PROGRESS_LINES >= shutil.get_terminal_size().lines:
        result = work(lambda *_: None)
        console.print(renderable(result, view))
        return result
    last = closed
    with Live(first, console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def show(comparison: Comparison, pending: str, progress: str) -> None:
            nonlocal last
            last = comparison
            live.update(renderable(comparison, replace(draft, pending=pending, progress=progress)), refresh=True)

        try:
            result = work(show)
        except BaseException:
            # The error's line follows; nobody is counting any more.
            live.update(renderable(last, draft))
            raise
        live.update(renderable(result, view))
    return result

"""The table on a terminal: the closed forms at once, the measured figures when they are there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Final

from dsconv_cli.cli.display import Display
from dsconv_cli.cli.streams import write_out
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.report.compare import page
from dsconv_cli.report.page import View
from dsconv_cli.report.table import render

#: What a measurement adds to the table while it goes on.
_PROGRESS_LINES: Final = 2

#: Shows a comparison that is not complete: who is still counting, and how far a measurement is.
Show = Callable[[Comparison, str, str], None]


def show_while(closed: Comparison, work: Callable[[Show], Comparison], counting: str, view: View) -> Comparison:
    """Show `closed`, do `work` (seconds, for it loads torch), and take away what was shown: the result follows.

    `work` is given a function by which it can show what it has on the way.
    """
    last = closed
    with Display(sys.stdout) as display:

        def show(comparison: Comparison, pending: str, progress: str) -> None:
            nonlocal last
            last = comparison
            text = render(page(comparison, pending=pending, progress=progress), view).rstrip("\n")
            # What does not fit the window cannot be drawn over.
            if text.count("\n") + 1 + _PROGRESS_LINES < shutil.get_terminal_size().lines:
                display.draw(text)

        show(closed, {"both": "thop and torch", "none": ""}.get(counting, counting), "")
        try:
            return work(show)
        except BaseException:
            # The closed forms stay; the error's line follows.
            display.wipe()
            write_out(render(page(last), view))
            raise

"""The table on a terminal: the closed forms at once, the measured figures when they are there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Final

from dsconv_cli.cli.streams import write_out
from dsconv_cli.comparison import Comparison
from dsconv_cli.report.compare import page
from dsconv_cli.report.page import View
from dsconv_cli.report.table import render

#: What a measurement adds to the table while it goes on.
_PROGRESS_LINES: Final = 2
#: One line up, and that line empty.
_UP: Final = "\x1b[1A\x1b[2K"

#: Shows a comparison that is not complete: who is still counting, and how far a measurement is.
Show = Callable[[Comparison, str, str], None]


def show_while(closed: Comparison, work: Callable[[Show], Comparison], counting: str, view: View) -> Comparison:
    """Show `closed`, do `work` (seconds, for it loads torch), and take away what was shown: the result follows.

    `work` is given a function by which it can show what it has on the way.
    """
    # The derivation is the longest part, and stands in the end.
    first = render(page(closed, pending={"both": "thop and torch", "none": ""}.get(counting, counting)), view)
    # What does not fit the window cannot be drawn over.
    if first.count("\n") + _PROGRESS_LINES >= shutil.get_terminal_size().lines:
        return work(lambda *_: None)
    last, drawn = closed, ""

    def draw(text: str) -> None:
        nonlocal drawn
        write_out(_UP * drawn.count("\n") + text)
        drawn = text

    def show(one: Comparison, pending: str, progress: str) -> None:
        nonlocal last
        last = one
        draw(render(page(one, pending=pending, progress=progress), view))

    draw(first)
    try:
        result = work(show)
    except BaseException:
        # The closed forms stay; the error's line follows.
        draw(render(page(last), view))
        raise
    draw("")
    return result

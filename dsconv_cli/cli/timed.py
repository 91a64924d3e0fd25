"""The line that shows how far a timing is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dsconv_cli.cli.streams import Streams, has_unicode, is_terminal
from dsconv_cli.numbers import ascii_text

if TYPE_CHECKING:
    from dsconv_cli.timing.timer import TimingProgress, Watcher

#: The line is not redrawn more often than this: a terminal that scrolls takes processor time from what is timed.
_REDRAW_S = 0.2


def progress_text(progress: TimingProgress) -> str:
    """How far a timing is, in one line."""
    said = f"timing: {progress.processes} processes, {progress.elapsed_s:.0f} of at most {progress.budget_s:g} s"
    return said if progress.half_width is None else f"{said}, ±{progress.half_width:.1%}"


@contextmanager
def progress_line(streams: Streams, prefix: str = "") -> Iterator[Watcher]:
    """A line on stderr that is redrawn, and erased at the end. Nothing where stderr is no terminal, or with --quiet."""
    shown = is_terminal(sys.stderr) and not streams.quiet
    last = 0.0

    def watch(progress: TimingProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if shown and now - last >= _REDRAW_S:
            last = now
            _draw(prefix + progress_text(progress))

    if shown:
        _draw(f"{prefix}timing: loading torch")
    try:
        yield watch
    finally:
        if shown:
            _draw("")


def _draw(text: str) -> None:
    """Put `text` where the cursor's line is, never longer than the line."""
    width = shutil.get_terminal_size().columns - 1
    line = (text if has_unicode(sys.stderr) else ascii_text(text))[:width]
    sys.stderr.write(f"\r{line:<{width}}\r{line}")
    sys.stderr.flush()

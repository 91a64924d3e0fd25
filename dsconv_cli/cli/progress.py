"""One line on stderr that says how far a long run is; nothing where stderr is no terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from dsconv_cli.cli.streams import is_terminal

#: Seconds between two updates; more often nobody can read it.
_EVERY: Final = 0.1
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """Counts layers, and tells the rate and the time left. A context manager, so that its line is wiped."""

    def __init__(self, total: int, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        # A table that appears at once is not to be interleaved with a line that is redrawn.
        self.shown = not quiet and is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._total = total
        self._clock = clock
        self._started = self._last = clock()
        self._done = 0
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def step(self, note: str = "", seconds_left: float | None = None) -> None:
        """One more layer is done. `seconds_left` is better known where there is a budget."""
        self._done += 1
        if not self.shown:
            return
        now = self._clock()
        if now - self._last >= _EVERY:
            self._last = now
            self.draw(note, seconds_left)

    def draw(self, note: str = "", seconds_left: float | None = None) -> None:
        """Write the line now."""
        if not self.shown:
            return
        text = progress_text(self._done, self._total, self._clock() - self._started, seconds_left)
        text = f"{text}  {note}" if note else text
        sys.stderr.write(f"{_CLEAR}{text[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()
        self._drawn = True

    def wipe(self) -> None:
        """Take the line away, so that others may write."""
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._drawn = False


def progress_text(done: int, total: int, elapsed: float, seconds_left: float | None = None) -> str:
    """`12,000 of 100,000 layers  12 %  31,234/s  0:28 left`."""
    parts = [f"{done:,} of {total:,} layers", f"{100 * done // max(total, 1)} %"]
    if done and elapsed > 0:
        rate = done / elapsed
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
        left = (total - done) / rate if seconds_left is None else seconds_left
    else:
        left = seconds_left  # type: ignore[assignment]
    if left is not None:
        parts.append(f"{clock_text(left)} left")
    return "  ".join(parts)


def clock_text(seconds: float) -> str:
    """75 → `1:15`, 4000 → `1:06:40`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

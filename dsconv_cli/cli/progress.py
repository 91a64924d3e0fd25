"""How far work is, in one line on stderr; nothing where that is no terminal, or with --quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dsconv_cli.cli.display import Display
from dsconv_cli.cli.streams import can_redraw, has_unicode, terminal_width
from dsconv_cli.numbers import ascii_text, times

if TYPE_CHECKING:
    from dsconv_cli.timing.timer import TimingProgress, Watcher


class ProgressLine(Display):
    """One line, cut to the terminal's width."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(sys.stderr if not quiet and can_redraw(sys.stderr) else None)

    def draw(self, text: str) -> None:
        """As `Display`."""
        super().draw((text if has_unicode(sys.stderr) else ascii_text(text))[: terminal_width(sys.stderr) - 1])


class LayersDone(ProgressLine):
    """How many layers of a sweep are done, how many a second, and the time left."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.restart(total)

    def restart(self, total: int) -> None:
        """Begin anew, with as many layers as there turned out to be."""
        self._total, self._done, self._started = total, 0, time.monotonic()

    def step(self, layers: int = 1) -> None:
        """So many more are done."""
        self._done += layers
        self.update(self.text)

    def doing(self, note: str, seconds_left: float) -> None:
        """What is being done. `seconds_left` is better known than the rate tells where there is a budget."""
        self.update(lambda: f"{self.text(seconds_left)}  {note}")

    def text(self, seconds_left: float | None = None) -> str:
        """How far it is."""
        return layers_text(self._done, self._total, time.monotonic() - self._started, seconds_left)


def layers_text(done: int, total: int, elapsed: float, seconds_left: float | None = None) -> str:
    """`12,000 of 100,000 layers  12%  31,234/s  0:28 left`."""
    parts = [f"{done:,} of {total:,} layers", f"{100 * done // max(total, 1)}%"]
    left = seconds_left
    if done and elapsed > 0:
        rate = done / elapsed
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
        left = (total - done) / rate if seconds_left is None else seconds_left
    if left is not None:
        parts.append(f"{clock_text(left)} left")
    return "  ".join(parts)


def clock_text(seconds: float) -> str:
    """75 → `1:15`, 4000 → `1:06:40`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def timing_text(progress: TimingProgress) -> str:
    """How far a timing is."""
    said = f"timing: {progress.processes} processes, {progress.elapsed_s:.0f} of at most {progress.budget_s:g} s"
    gain = progress.speedup
    return said if gain is None else f"{said}, {times(gain.value)} ±{gain.half_width:.1%}"


@contextmanager
def timing_lines(*, quiet: bool) -> Iterator[Callable[[str], Watcher]]:
    """A line that follows one timing after another, each with words before it."""
    with ProgressLine(quiet=quiet) as line:

        def watcher(prefix: str) -> Watcher:
            line.draw(f"{prefix}timing: loading")
            return lambda progress: line.update(lambda: prefix + timing_text(progress))

        yield watcher

"""What every command that measures time shares: its options as settings, and the line that shows how far it is."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dsconv_cli.cli.streams import Streams, has_unicode, is_terminal
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer import reading
from dsconv_cli.numbers import ascii_text

if TYPE_CHECKING:
    from dsconv_cli.timing.settings import TimingSettings
    from dsconv_cli.timing.timer import Timer, TimingProgress, Watcher

BUDGET: Final = "15"
DEVICE: Final = "cpu"
_UNSET: Final = {"device": DEVICE, "threads": None, "channels_last": False, "budget": BUDGET}

#: The line is not redrawn more often than this: a terminal that scrolls takes processor time from what is timed.
_REDRAW_S = 0.2


def settings(
    wanted: bool, *, device: str, threads: str | None, channels_last: bool, budget: str
) -> TimingSettings | None:
    """The options of the measurement as `TimingSettings`, or None where no time is `wanted`.

    Raises:
        DsconvError: an option that is not what it should be, or that means nothing without --time.
    """
    if not wanted:
        _refuse_without_time(device=device, threads=threads, channels_last=channels_last, budget=budget)
        return None
    from dsconv_cli.timing.settings import DEFAULT_THREADS, TimingSettings

    return TimingSettings(
        device=device,
        threads=DEFAULT_THREADS if threads is None else reading.integer(threads, "--threads"),
        channels_last=channels_last,
        budget_s=seconds(budget, "--budget"),
    )


def _refuse_without_time(**options: object) -> None:
    for name, value in options.items():
        if value != _UNSET[name]:
            raise DsconvError(f"{reading.option_label(name)} is about measured time; it goes with --time")


@contextmanager
def timer(settings: TimingSettings | None) -> Iterator[Timer | None]:
    """A timer whose processes end with the block, or None. What measures is loaded only if it is needed."""
    if settings is None:
        yield None
        return
    from dsconv_cli.timing.timer import Timer

    with Timer(settings) as one:
        yield one


def seconds(text: str, label: str) -> float:
    """A positive, finite number of seconds.

    Raises:
        DsconvError: the text is anything else.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise DsconvError(f"{label} must be a number of seconds above 0, not {text!r}")
    return value


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

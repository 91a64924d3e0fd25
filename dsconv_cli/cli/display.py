"""The last lines on a terminal, drawn anew in their place while work goes on; gone when anything else is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self, TextIO

from dsconv_cli import interrupts

#: Seconds between two updates: faster than this nobody reads, and drawing takes time from what is timed.
_EVERY_S: Final = 0.2

_drawn: Final[dict[Display, None]] = {}


class Display:
    """A context manager: leaving it takes the lines away, and so does a signal that ends the program."""

    def __init__(self, stream: TextIO | None) -> None:
        """On `stream`, which is a terminal, or nowhere."""
        self._stream = stream
        self._lines = 0
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def update(self, text: Callable[[], str]) -> None:
        """Draw, unless that was done a moment ago."""
        if self._stream is not None and time.monotonic() >= self._due:
            self.draw(text())

    def draw(self, text: str) -> None:
        """`text` in place of what is drawn. None of its lines may be wider than the terminal."""
        with interrupts.held:
            if self._put(f"{self._erasure()}{text}"):
                self._lines = text.count("\n") + 1
                self._due = time.monotonic() + _EVERY_S
                _drawn[self] = None
                interrupts.at_end(self._wipe_now)

    def wipe(self) -> None:
        """Take the lines away. The next update draws them again, below what was written meanwhile."""
        with interrupts.held:
            if self._lines:
                self._put(self._erasure())
                self._lines = 0
                self._due = 0.0
                del _drawn[self]
                interrupts.forget(self._wipe_now)

    def _erasure(self) -> str:
        """From the end of what is drawn to its beginning, and away with it."""
        up = f"\x1b[{self._lines - 1}A" if self._lines > 1 else ""
        return f"\r{up}\x1b[J" if self._lines else ""

    def _put(self, text: str) -> bool:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()
                return True
        return False

    def _wipe_now(self) -> None:
        assert self._stream is not None
        interrupts.write_now(self._stream.fileno(), self._erasure().encode())


def wipe_all() -> None:
    """Before a line goes to the same terminal."""
    for display in tuple(_drawn):
        display.wipe()

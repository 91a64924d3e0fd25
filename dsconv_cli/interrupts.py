"""Ctrl-C that is not lost.

C code that runs while torch is imported clears exceptions, a KeyboardInterrupt among them. The handler therefore
also takes a note, which `check` turns into the exception again once torch is there.
"""

from __future__ import annotations

import signal
from types import FrameType

_seen = False


def install() -> None:
    """Note every Ctrl-C from now on, unless whoever started this process has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def seen() -> bool:
    """Whether there was one, also if it was swallowed or turned into another error on its way."""
    return _seen


def check() -> None:
    """Raise KeyboardInterrupt if there was one, also if it was swallowed."""
    if _seen:
        raise KeyboardInterrupt


def _note(_number: int, _frame: FrameType | None) -> None:
    global _seen  # noqa: PLW0603
    _seen = True
    raise KeyboardInterrupt

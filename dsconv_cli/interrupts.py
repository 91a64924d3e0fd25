"""Ctrl-C, SIGTERM and SIGHUP end the program where they find it, and leave nothing behind.

No KeyboardInterrupt is raised. C code that runs while torch is imported swallows one, or aborts the process over it,
and one that comes while things are being cleared away leaves half of them. The handler itself undoes what must not
stay, says one line, and ends the process.

Python runs a handler between two steps of the main thread, which may be in C code for long. The system's own part
of the handler also writes to a pipe, and a thread that reads there does the same work if the main one does not.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130
#: Seconds that the main thread has to begin, and, when all is undone, to write what stdout still holds.
_GRACE_S: Final = 0.25
#: Seconds that undoing may take.
_MOST_S: Final = 2.0
#: Seconds that a terminal which takes nothing is waited for.
_PATIENCE_S: Final = 0.1
#: What can be written to takes this much at once.
_AT_ONCE: Final = 512


class _State:
    """What the handler finds; nothing can be handed to it."""

    undo: Final[dict[Callable[[], object], None]] = {}
    last_words: bytes = b"error: interrupted\n"
    flush: Callable[[], object] = staticmethod(bool)
    #: How many blocks must not be ended within, and the signal that waits for that.
    held: int = 0
    waiting: int = 0
    #: Whoever has the lock ends the process.
    lock: Final = _thread.allocate_lock()
    main: int = 0
    ender: int = 0
    undone: bool = False


def install() -> None:
    """Take charge of the three signals, but for those that whoever started this process has set to be ignored."""
    # What Python sets for each; Windows has no SIGHUP.
    usual: dict[int, object] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    usual[getattr(signal, "SIGHUP", signal.SIGTERM)] = signal.SIG_DFL
    charge = [number for number, handler in usual.items() if signal.getsignal(number) is handler]
    for number in charge:
        signal.signal(number, _handle)
    _State.main = _thread.get_ident()
    if charge and os.name == "posix":
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        _thread.start_new_thread(_watch, (reading, frozenset(charge)))


def at_end(undo: Callable[[], object]) -> None:
    """Call `undo` if a signal ends the program before `forget`. It must not wait for anything, nor raise."""
    _State.undo[undo] = None


def forget(undo: Callable[[], object]) -> None:
    """It has been done, or need not be."""
    _State.undo.pop(undo, None)


def say_at_end(line: str, flush: Callable[[], object]) -> None:
    """What Ctrl-C writes to stderr in the end, and how that which stdout still holds is written before."""
    _State.last_words = line.encode(errors="backslashreplace")
    _State.flush = staticmethod(flush)


class _Held:
    """No signal ends the program within: what is made there and how it is undone belong together. For moments only.

    An object and not a generator, for the rows of a sweep are written within, one by one.
    """

    def __enter__(self) -> None:
        _State.held += 1

    def __exit__(self, *_: object) -> None:
        _State.held -= 1
        if _State.waiting and not _State.held:
            _end(_State.waiting)


held: Final = _Held()


def write_now(descriptor: int, data: bytes) -> None:
    """Write what a terminal or reader takes at once; one that was stopped, or has gone, does not keep the program."""
    with suppress(OSError, ValueError):
        if os.name != "posix" or select.select((), (descriptor,), (), _PATIENCE_S)[1]:
            os.write(descriptor, data[:_AT_ONCE])


def _handle(number: int, _frame: FrameType | None) -> None:
    _State.waiting = _State.waiting or number
    if not _State.held:
        _end(_State.waiting)


def _watch(reading: int, charge: frozenset[int]) -> None:
    """Wait for the first signal, and see to it that the process ends."""
    number = 0
    while number not in charge:
        number = os.read(reading, 1)[0]
    time.sleep(_GRACE_S)
    if not _State.ender:
        _end(number)
    deadline = time.monotonic() + _MOST_S
    while not _State.undone and time.monotonic() < deadline:
        time.sleep(_GRACE_S / 10)
    time.sleep(_GRACE_S)
    _leave(number)


def _end(number: int) -> None:
    """Undo what must not stay behind, the newest first, and end the process."""
    me = _thread.get_ident()
    if not _State.lock.acquire(blocking=False):
        while _State.ender != me:
            time.sleep(1)  # the other thread is at it
        return  # a second signal: this thread is at it
    _State.ender = me
    for undo in reversed(tuple(_State.undo)):
        with suppress(Exception):
            undo()
    _State.undone = True
    if me == _State.main:
        # Rows that are finished are not lost. Should nobody take them, the other thread ends the process.
        with suppress(Exception):
            _State.flush()
    _leave(number)


def _leave(number: int) -> None:
    words, _State.last_words = _State.last_words, b""
    if number == signal.SIGINT:
        if os.isatty(2) and os.environ.get("TERM") != "dumb":
            # In place of the ^C that the terminal shows.
            words = b"\r\x1b[K" + words
        write_now(2, words)
        os._exit(INTERRUPTED)
    _die(number)


def _die(number: int) -> None:
    """By the signal itself, so that whoever waits for this process sees what it was."""
    try:
        signal.signal(number, signal.SIG_DFL)
    except ValueError:
        # Python lets only the main thread do that.
        import ctypes

        ctypes.pythonapi.PyOS_setsig(number, None)
    os.kill(os.getpid(), number)
    # Only the first process of a container is still here: the system keeps signals from it.
    time.sleep(_GRACE_S)
    os._exit(128 + number)

"""Stdout kept for results, whatever other people's code writes.

A network may print, write to descriptor 1, start a child that does, and go on in a thread or an exit handler when it
was thought to be over. So descriptor 1 itself is turned to stderr, for good, and results take a copy of what it was.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class _Kept:
    """The stream for results, and the `sys.stdout` and the descriptor that it stands for (None: it has none)."""

    results: TextIO
    before: TextIO
    descriptor: int | None


_kept: _Kept | None = None


def results() -> TextIO | None:
    """The stream that results go to; None where stdout was closed from the start."""
    return sys.stdout if _kept is None else _kept.results


def buffer() -> None:
    """Give stdout a buffer where Python was told to have none (`-u`, PYTHONUNBUFFERED).

    Without one it takes a write that a signal breaks off for whole, and drops the rest: half a row, half a table.
    """
    stream = sys.__stdout__
    if stream is None or stream is not sys.stdout or not isinstance(stream.buffer, io.RawIOBase):
        return
    encoding, errors = stream.encoding, stream.errors
    buffered: Any = io.BufferedWriter(stream.detach())
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(buffered, encoding, errors)  # type: ignore[misc]


def reserve() -> None:
    """Keep stdout for results from here on: all else that is said there arrives on stderr."""
    global _kept  # noqa: PLW0603
    before = sys.stdout
    if before is None or _kept is not None:
        return
    try:
        descriptor = before.fileno()
        copy = os.dup(descriptor)
    except (OSError, ValueError, AttributeError):
        # A stream without a file behind it, as in a notebook.
        _kept, sys.stdout = _Kept(before, before, None), sys.stderr
        return
    with suppress(OSError):
        before.flush()
    results = open(copy, "w", encoding=before.encoding, errors=before.errors)  # noqa: PTH123, SIM115  a descriptor
    _kept = _Kept(results, before, descriptor)
    _turn_to_stderr(descriptor)
    if hasattr(before, "reconfigure"):
        # In step with what others write to the descriptor, and never the reason why a network fails.
        before.reconfigure(line_buffering=True, errors="backslashreplace")


def release() -> None:
    """Undo `reserve`, for a process that goes on with something else."""
    global _kept
    if _kept is None:
        return
    kept, _kept = _kept, None
    sys.stdout = kept.before
    if kept.descriptor is None:
        return
    with suppress(OSError, ValueError):
        kept.before.flush()
    with suppress(OSError):
        kept.results.flush()
        os.dup2(kept.results.fileno(), kept.descriptor)
    with suppress(OSError):
        kept.results.close()
    if hasattr(kept.before, "reconfigure"):
        kept.before.reconfigure(line_buffering=kept.before.isatty(), errors=kept.results.errors)


def _turn_to_stderr(descriptor: int) -> None:
    try:
        os.dup2(sys.stderr.fileno(), descriptor)
    except (OSError, ValueError, AttributeError):
        # Stderr is closed: what is said is lost, as it would be there.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)

"""Counting many layers: in this process, or in several."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Final

from dsconv_cli.comparison.result import Comparison, profile
from dsconv_cli.counting.profilers import INSTEAD
from dsconv_cli.errors import CannotMeasureError, need

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

#: Layers that one process is handed at a time: 50 ms of counting against 1 ms of handing over.
_CHUNK: Final = 64
#: Chunks that wait for each process, so that none idles and results do not pile up.
_AHEAD: Final = 3


def count(layers: Iterable[Comparison], profiler: str, jobs: int = 1) -> Iterator[Comparison]:
    """`layers`, of which the closed forms are known, with what `profiler` counts, in the same order.

    Raises:
        CannotMeasureError: torch is missing, or a layer could not be counted; the message names it.
    """
    if profiler == "none":
        return iter(layers)
    need("torch", instead=INSTEAD)
    if jobs == 1:
        return (count_one(one, profiler) for one in layers)
    return _count_in_processes(layers, profiler, jobs)


def count_one(one: Comparison, profiler: str) -> Comparison:
    """One layer.

    Raises:
        CannotMeasureError: it could not be counted; the message names it.
    """
    try:
        return profile(one, profiler)
    except CannotMeasureError as error:
        raise CannotMeasureError(f"{one.label}: {error}") from error


def _count_chunk(chunk: list[Comparison], profiler: str) -> list[Comparison]:
    return [count_one(one, profiler) for one in chunk]


def _count_in_processes(layers: Iterable[Comparison], profiler: str, jobs: int) -> Iterator[Comparison]:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    rest = iter(layers)
    waiting: deque[Future[list[Comparison]]] = deque()
    # Spawned, for a process forked from one with threads of torch may stand still.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_prepare_worker)
    done = False
    try:
        while True:
            while len(waiting) < jobs * _AHEAD and (chunk := list(islice(rest, _CHUNK))):
                with _interrupts_held():
                    waiting.append(pool.submit(_count_chunk, chunk, profiler))
            if not waiting:
                done = True
                return
            # This process names the versions in the results, and so must know torch; the others load it meanwhile.
            import_module("torch")
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise CannotMeasureError("a counting process ended unexpectedly, perhaps for want of memory") from None
    finally:
        if not done:
            _end_workers(pool)
        pool.shutdown(wait=done, cancel_futures=True)


def _end_workers(pool: ProcessPoolExecutor) -> None:
    """At once: a run that is interrupted does not wait for what nobody will read.

    Python 3.14 has `terminate_workers` for this.
    """
    for process in list((pool._processes or {}).values()):  # noqa: SLF001
        process.terminate()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started here never hear of Ctrl-C, which would have each of them print where it was."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker() -> None:
    """Leave the interrupt to the parent, and go when it goes, even by SIGKILL."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, args=(os._exit,), daemon=True).start()


def _follow_parent(leave: Callable[[int], object]) -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        leave(1)

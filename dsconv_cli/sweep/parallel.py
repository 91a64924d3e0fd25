"""Counting many layers: in this process, or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from typing import ClassVar, Final, cast

from dsconv_cli.comparison.result import Comparison, profile
from dsconv_cli.counting.profilers import INSTEAD
from dsconv_cli.errors import CannotMeasureError, DsconvError, need

#: Processes of 200 MB each.
MOST_JOBS: Final = 1000
#: Fewer layers than this are counted before further processes have loaded torch.
PAYS_FROM: Final = 2000
#: Layers that one process is handed at a time: 50 ms of counting against 1 ms of handing over.
_CHUNK: Final = 64
#: Chunks that wait for each process, so that none idles and results do not pile up.
_AHEAD: Final = 3


def count(layers: Iterable[Comparison], profiler: str, jobs: int = 1) -> Iterator[Comparison]:
    """`layers`, of which the closed forms are known, with what `profiler` counts, in the same order."""
    if profiler == "none":
        return iter(layers)
    need("torch", instead=INSTEAD)
    rest = iter(layers)
    first = [] if jobs == 1 else list(islice(rest, PAYS_FROM))
    if len(first) < PAYS_FROM:
        return (count_one(one, profiler) for one in chain(first, rest))
    return _count_in_processes(chain(first, rest), profiler, jobs)


def count_one(one: Comparison, profiler: str) -> Comparison:
    """One layer, which an error names."""
    try:
        return profile(one, profiler)
    except CannotMeasureError as error:
        raise CannotMeasureError(f"{one.label}: {error}") from error


@dataclass(frozen=True, slots=True)
class CountLayers:
    """Asks a process what `profiler` counts in each of `layers`."""

    fresh: ClassVar[bool] = False
    layers: tuple[Comparison, ...]
    profiler: str

    def run(self) -> tuple[Comparison, ...]:
        """Count them."""
        return tuple(count_one(one, self.profiler) for one in self.layers)


def _count_in_processes(layers: Iterable[Comparison], profiler: str, jobs: int) -> Iterator[Comparison]:
    from dsconv_cli.timing.processes import JobProcess

    rest = iter(layers)
    processes: deque[JobProcess] = deque()
    waiting: deque[JobProcess] = deque()
    with ExitStack() as stack:
        while True:
            while len(waiting) < jobs * _AHEAD and (chunk := tuple(islice(rest, _CHUNK))):
                if len(processes) < jobs:
                    processes.appendleft(JobProcess(fork=False))
                    stack.callback(processes[0].kill)
                # In turn, so that the answers come in the order of the layers.
                processes[0].send(CountLayers(chunk, profiler))
                waiting.append(processes[0])
                processes.rotate(-1)
            if not waiting:
                return
            # This process names the versions in the results, and so must know torch; the others load it meanwhile.
            import_module("torch")
            answer = waiting.popleft().answer()
            if isinstance(answer, DsconvError):
                raise answer
            yield from cast("tuple[Comparison, ...]", answer)

"""A sweep that several machines share: what each is sent, and the rows that come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count, islice
from typing import Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.sweep.cluster import Cluster, Job
from dsconv_cli.sweep.machines import Answer, Request
from dsconv_cli.sweep.pacing import LEAST_SHARE, Timed, shuffled
from dsconv_cli.sweep.results import comparison_of
from dsconv_cli.timing.result import Times

#: Layers that a machine counts at a time.
_TOGETHER: Final = 64


class Budget:
    """Seconds of all machines together, divided over the layers that are left."""

    def __init__(self, total_s: float, layers: int) -> None:
        self._left_s, self._waiting = total_s, layers
        self._fair_s = total_s / max(layers, 1)
        self._given: dict[int, float] = {}

    def share(self, place: int) -> float:
        """Seconds for the layer of that number, which is begun now: perhaps once more."""
        if place in self._given:
            return self._given[place]
        share = max(self._left_s / max(self._waiting, 1), LEAST_SHARE * self._fair_s)
        self._left_s -= share
        self._waiting -= 1
        self._given[place] = share
        return share

    def spent(self, place: int, seconds: float) -> None:
        """A layer is done: what it left of its share, or took beyond it, is the others'."""
        self._left_s += self._given[place] - seconds


def timed_rows(
    cluster: Cluster,
    layers: Sequence[Comparison],
    request: Request,
    total_s: float,
    failed: Callable[[Comparison], None],
) -> Iterator[Timed]:
    """The layers with their times, as they are done.

    Args:
        cluster: who measures.
        layers: in the order of the sweep.
        request: what is to be known of each; its layers and budget are set here.
        total_s: seconds of all machines together.
        failed: hears of layers that runtimes could not time.
    """
    assert request.timing is not None
    timing, budget = request.timing, Budget(total_s, len(layers))
    jobs = (Job(place, (layers[place],)) for place in shuffled(len(layers)))

    def asked(job: Job) -> Request:
        budget_s = budget.share(job.place)
        return _about(job, replace(request, timing=replace(timing, budget_s=budget_s, share=budget_s / total_s)))

    def answered(job: Job, answer: Answer) -> None:
        budget.spent(job.place, answer.seconds)
        for layer, failures in zip(job.layers, answer.failures, strict=True):
            if failures:
                failed(replace(layer, times=Times({}, failures)))

    for job, rows in _rows(cluster, jobs, asked, answered):
        yield Timed(job.place, rows[0])


def counted_rows(cluster: Cluster, layers: Iterable[Comparison], profiler: str) -> Iterator[Comparison]:
    """The layers with what was counted of them, in their order."""
    early: list[tuple[int, list[Comparison]]] = []
    following = 0
    for job, rows in _rows(cluster, _chunks(layers), lambda job: _about(job, Request((), profiler))):
        heappush(early, (job.place, rows))
        while early and early[0][0] == following:
            yield from heappop(early)[1]
            following += 1


def _chunks(layers: Iterable[Comparison]) -> Iterator[Job]:
    rest = iter(layers)
    for number in count():
        some = tuple(islice(rest, _TOGETHER))
        if not some:
            return
        yield Job(number, some)


def _rows(
    cluster: Cluster,
    jobs: Iterable[Job],
    asked: Callable[[Job], Request],
    answered: Callable[[Job, Answer], None] = lambda _, __: None,
) -> Iterator[tuple[Job, list[Comparison]]]:
    for job, documents in cluster.answers(jobs, asked, answered):
        yield job, list(map(comparison_of, documents))


def _about(job: Job, request: Request) -> Request:
    return replace(request, layers=tuple((one.spec, one.name) for one in job.layers))

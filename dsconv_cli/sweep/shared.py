"""A sweep that several machines share: what each is sent, and the rows that come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.sweep.cluster import Cluster, Job
from dsconv_cli.sweep.machines import Answer, Request
from dsconv_cli.sweep.pacing import LEAST_SHARE, shuffled
from dsconv_cli.sweep.results import comparison_of

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
    cluster: Cluster, layers: Sequence[Comparison], request: Request, total_s: float
) -> Iterator[tuple[int, Comparison]]:
    """The layers with their times after their places, as they are done.

    Args:
        cluster: who measures.
        layers: in the order of the sweep.
        request: what is to be known of each; its layers and budget are set here.
        total_s: seconds of all machines together.
    """
    assert request.timing is not None
    timing, budget = request.timing, Budget(total_s, len(layers))
    jobs = (Job(place, (layers[place],)) for place in shuffled(len(layers)))

    def asked(job: Job) -> Request:
        budget_s = budget.share(job.place)
        return _about(job, replace(request, timing=replace(timing, budget_s=budget_s, share=budget_s / total_s)))

    for job, answer in cluster.answers(jobs, asked):
        # Where nobody lived to answer, nobody knows what it took.
        if answer.seconds:
            budget.spent(job.place, answer.seconds)
        (document,), (failures,) = answer.documents, answer.failures
        one = comparison_of(document)
        # Why runtimes failed stands in no document.
        yield job.place, (one if one.times is None else replace(one, times=one.times._replace(failures=failures)))


def counted_rows(cluster: Cluster, layers: Iterable[Comparison], profiler: str) -> Iterator[Comparison]:
    """The layers with what was counted of them, in their order."""
    rest = iter(layers)
    jobs = map(Job, count(), iter(lambda: tuple(islice(rest, _TOGETHER)), ()))
    early: dict[int, Answer] = {}
    following = 0
    for job, answer in cluster.answers(jobs, lambda job: _about(job, Request((), profiler))):
        early[job.place] = answer
        while following in early:
            yield from map(comparison_of, early.pop(following).documents)
            following += 1


def _about(job: Job, request: Request) -> Request:
    return replace(request, layers=tuple((one.spec, one.name) for one in job.layers))

"""Measured time of a network: each eligible layer as `compare` times it, then the whole, before and after.

Needs no torch: what measures is in other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final, Self

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.result import ModelResult, NetworkTime, Recipe
from dsconv_cli.timing.processes import Laboratory, ProcessLaboratory
from dsconv_cli.timing.result import Timing
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.stopping import OverBudgetError
from dsconv_cli.timing.timer import Timer, Watcher
from dsconv_cli.timing.verdict import Findings, findings, typical_s
from dsconv_cli.timing.worker.answers import Conditions, Sample
from dsconv_cli.timing.worker.sampling import Schedule

#: Of the budget, the network takes as much as so many layers: every process has to build it first.
NETWORK_SHARES: Final = 4

#: Gives, for what is about to be timed, a context in which its progress is shown.
Show = Callable[[str], AbstractContextManager[Watcher]]


@dataclass(frozen=True, slots=True)
class MeasureNetwork:
    """Asks how long a whole network takes as it is ("ordinary"), and with `replaced` (name, layer) replaced."""

    fresh: ClassVar[bool] = True
    conditions: Conditions
    schedule: Schedule
    recipe: Recipe
    replaced: tuple[tuple[str, ConvSpec], ...]

    def run(self) -> Sample:
        """Measure it."""
        from dsconv_cli.model.workload import measure_network

        return measure_network(self)


class NetworkTimer:
    """Times networks. A context manager: leaving it, also by Ctrl-C, ends every process."""

    def __init__(self, settings: TimingSettings, *, laboratory: Laboratory | None = None) -> None:
        """`settings.budget_s` is for everything together."""
        self._settings = settings
        self._laboratory: Laboratory = ProcessLaboratory() if laboratory is None else laboratory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._laboratory.close()

    def time(self, result: ModelResult, recipe: Recipe, show: Show) -> ModelResult:
        """`result` with the times of its eligible layers, the same shape once, and of the whole network.

        What cannot be timed in its share of the budget stays without a time, and a note says so.
        """
        specs = list(dict.fromkeys(layer.spec for layer in result.eligible if layer.spec is not None))
        share = self._settings.budget_s / (len(specs) + NETWORK_SHARES)
        timings, notes = self._layers(specs, share, show)
        layers = tuple(
            replace(layer, time=timings.get(layer.spec)) if layer.eligible and layer.spec is not None else layer
            for layer in result.layers
        )
        timed = replace(result, layers=layers, notes=(*result.notes, *notes))
        return self._network(timed, recipe, NETWORK_SHARES * share, show)

    def _layers(self, specs: list[ConvSpec], budget_s: float, show: Show) -> tuple[dict[ConvSpec, Timing], list[str]]:
        timer = self._timer(budget_s)
        timings: dict[ConvSpec, Timing] = {}
        failed: list[CannotMeasureError] = []
        for number, spec in enumerate(specs, 1):
            with show(f"shape {number} of {len(specs)}, ") as watch:
                try:
                    timings[spec] = timer.time(spec, watch)
                except CannotMeasureError as error:
                    failed.append(error)
        if not failed:
            return timings, []
        told = self._advice(failed[0], budget_s)
        return timings, [f"{len(failed)} of {len(specs)} shapes were not timed in {budget_s:.3g} s each: {told}"]

    def _network(self, result: ModelResult, recipe: Recipe, budget_s: float, show: Show) -> ModelResult:
        chosen = tuple((layer.name, layer.spec) for layer in result.replaced if layer.spec is not None)
        if not chosen:
            return result
        job = partial(MeasureNetwork, recipe=recipe, replaced=chosen)
        dtype = chosen[0][1].dtype
        try:
            with show("the network, ") as watch:
                samples, around = self._timer(budget_s).time_pair(job, dtype, watch)
        except CannotMeasureError as error:
            note = f"the whole network was not timed in {budget_s:.3g} s: {self._advice(error, budget_s)}"
            return replace(result, notes=(*result.notes, note))
        # What a longer budget would do is told in terms of the whole budget, of which this is a share.
        found = findings(samples, around._replace(budget_s=self._settings.budget_s))
        return replace(result, time=_network_time(samples, found, self._settings, dtype))

    def _advice(self, error: CannotMeasureError, share_s: float) -> CannotMeasureError:
        """An error about a share of the budget, with its advice in terms of the whole."""
        return error.as_share_of(self._settings.budget_s / share_s) if isinstance(error, OverBudgetError) else error

    def _timer(self, budget_s: float) -> Timer:
        return Timer(replace(self._settings, budget_s=budget_s), laboratory=self._laboratory)


def _network_time(samples: Sequence[Sample], found: Findings, settings: TimingSettings, dtype: str) -> NetworkTime:
    return NetworkTime(
        before_s=typical_s(samples, "ordinary"),
        after_s=typical_s(samples, "separable"),
        speedup=found.speedup,
        fastest=found.fastest,
        verdict=found.verdict,
        reliable=found.reliable,
        warnings=tuple(caution.text for caution in found.cautions),
        device=settings.device,
        threads=settings.threads,
        layout=settings.layout,
        dtype=dtype,
        processes=found.processes,
        pairs=found.pairs,
    )

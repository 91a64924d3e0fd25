"""Measured time of a network: each eligible layer as `compare` times it, then the whole, before and after.

On each runtime that is asked for: layers on all, the whole on those that take a network of torch's or an ONNX file.
Needs no torch: what measures is in other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import ClassVar, Final, Self

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.result import Layer, ModelResult, NetworkTime, Recipe
from dsconv_cli.model.save_kinds import is_graph
from dsconv_cli.timing.jobs import Job, MeasureGraphs
from dsconv_cli.timing.processes import Laboratory, ProcessLaboratory, TimeoutExceededError
from dsconv_cli.timing.result import Executed, Timing
from dsconv_cli.timing.runtimes import DEFAULT, RUNTIMES
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.statistics import median
from dsconv_cli.timing.timer import Timer, Watcher
from dsconv_cli.timing.verdict import Findings, findings, typical_s
from dsconv_cli.timing.worker.answers import Conditions, Graph, Sample
from dsconv_cli.timing.worker.sampling import Schedule

#: Of the budget, the network takes as much as so many layers: every process has to build it first.
NETWORK_SHARES: Final = 4
#: Seconds that compiling or converting a network takes, about. They are in no budget.
_BUILDS_S: Final = 12.0
#: Torch has written a network by then, or never will.
_PATIENCE_S: Final = 600.0

#: Gives, for what is about to be timed, what shows its progress.
Show = Callable[[str], Watcher]
#: What is measured, once it is known under which conditions and for how long.
Make = Callable[[Conditions, Schedule], Job[Sample]]


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


@dataclass(frozen=True, slots=True)
class ExportNetwork:
    """Asks for a network as it is ("ordinary") and with layers replaced ("separable"), as ONNX files."""

    fresh: ClassVar[bool] = True
    recipe: Recipe
    replaced: tuple[tuple[str, ConvSpec], ...]

    def run(self) -> Mapping[str, Graph]:
        """Write them."""
        if is_graph(self.recipe.target):
            from dsconv_cli.model.graph.exporting import export_graph

            return export_graph(self)
        from dsconv_cli.model.exporting import export_network

        return export_network(self)


class NetworkTimer:
    """Times networks. A context manager: leaving it, also by Ctrl-C, ends every process."""

    def __init__(
        self, settings: TimingSettings, runtimes: Sequence[str] = (), *, laboratory: Laboratory | None = None
    ) -> None:
        """`settings.budget_s` is for everything together; `runtimes` are those that are asked for by name."""
        self._settings = settings
        self._asked = tuple(runtimes)
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
        runtimes = self._asked or (DEFAULT,)
        share = self._settings.budget_s / (len(specs) + NETWORK_SHARES) / len(runtimes)
        chosen = tuple((layer.name, layer.spec) for layer in result.replaced if layer.spec is not None)
        graphs = cache(lambda: self._graphs(recipe, chosen))
        timings: dict[str, dict[ConvSpec, Timing]] = {}
        networks: dict[str, NetworkTime | None] = {}
        notes = []
        for name in runtimes:
            where = "" if len(runtimes) == 1 else f"{name}, "
            timings[name], failed = self._layers(name, specs, share, _after(where, show))
            networks[name] = None
            if chosen:
                make = partial(_job, name, recipe, chosen, graphs)
                dtype, budget_s = chosen[0][1].dtype, NETWORK_SHARES * share
                networks[name], told = self._whole(name, make, dtype, budget_s, _after(where, show))
                failed += told
            notes += [where + note for note in failed]
        first = runtimes[0]
        return replace(
            result,
            layers=tuple(self._timed(layer, timings) for layer in result.layers),
            notes=(*result.notes, *notes),
            time=networks[first],
            times={name: networks[name] for name in self._asked},
        )

    def _timed(self, layer: Layer, timings: Mapping[str, Mapping[ConvSpec, Timing]]) -> Layer:
        if not layer.eligible or layer.spec is None:
            return layer
        each = {name: found.get(layer.spec) for name, found in timings.items()}
        return replace(layer, time=next(iter(each.values())), times={name: each[name] for name in self._asked})

    def _layers(
        self, name: str, specs: list[ConvSpec], budget_s: float, show: Show
    ) -> tuple[dict[ConvSpec, Timing], list[str]]:
        timer = self._timer(name, budget_s)
        timings: dict[ConvSpec, Timing] = {}
        failed: list[CannotMeasureError] = []
        for number, spec in enumerate(specs, 1):
            try:
                timings[spec] = timer.time(spec, show(f"shape {number} of {len(specs)}, "))
            except CannotMeasureError as error:
                failed.append(error)
        if not failed:
            return timings, []
        return timings, [f"{len(failed)} of {len(specs)} shapes were not timed in {budget_s:.3g} s each: {failed[0]}"]

    def _whole(
        self, name: str, job: Callable[[], Make], dtype: str, budget_s: float, show: Show
    ) -> tuple[NetworkTime | None, list[str]]:
        """The time of the network, or why there is none."""
        watch = show("the network, ")
        try:
            make = job()
        except CannotMeasureError as error:
            return None, [f"the whole network is not timed: {error}"]
        try:
            return self._network(name, make, dtype, budget_s, watch), []
        except CannotMeasureError as error:
            return None, [f"the whole network was not timed in {budget_s:.3g} s: {error}"]

    def _network(self, name: str, make: Make, dtype: str, budget_s: float, watch: Watcher) -> NetworkTime:
        timer = self._timer(name, budget_s)
        samples, around = timer.time_pair(make, dtype, watch, 0.0 if name == DEFAULT else _BUILDS_S)
        return _network_time(samples, findings(samples, around), timer.settings, dtype)

    def _graphs(self, recipe: Recipe, chosen: tuple[tuple[str, ConvSpec], ...]) -> Mapping[str, Graph]:
        try:
            return self._laboratory.run(ExportNetwork(recipe, chosen), _PATIENCE_S)
        except TimeoutExceededError:
            raise CannotMeasureError(f"torch did not write it as ONNX in {_PATIENCE_S:.0f} s") from None

    def _timer(self, name: str, budget_s: float) -> Timer:
        return Timer(self._settings.on(name).part(budget_s / self._settings.budget_s), laboratory=self._laboratory)


def _after(words: str, show: Show) -> Show:
    """`show` of what begins with `words`."""
    return lambda what: show(words + what)


def _job(
    name: str,
    recipe: Recipe,
    chosen: tuple[tuple[str, ConvSpec], ...],
    graphs: Callable[[], Mapping[str, Graph]],
) -> Make:
    """What times the whole network on a runtime.

    Raises:
        CannotMeasureError: it runs no whole networks here, or not this one.
    """
    runtime = RUNTIMES[name]
    if is_graph(recipe.target) and runtime.graph is None:
        raise CannotMeasureError(f"{runtime.title} runs no .onnx file here")
    if runtime.module is not None:
        return partial(MeasureNetwork, recipe=recipe, replaced=chosen)
    if runtime.graph is None:
        raise CannotMeasureError(f"{runtime.title} is given single layers here")
    return partial(MeasureGraphs, graphs=graphs())


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
        runtime=Executed(
            settings.runtime,
            RUNTIMES[settings.runtime].version(),
            built_s=median([one.built_s for one in samples]),
        ),
    )

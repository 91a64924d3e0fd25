"""Measured time of a network: each eligible layer as `compare` times it, then the whole, before and after.

On each runtime that is asked for: layers on all, the whole on those that take a network of torch's or an ONNX file.
Needs no torch: what measures is in other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import ClassVar, Final

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.result import Layer, ModelResult, Recipe
from dsconv_cli.model.save_kinds import is_graph
from dsconv_cli.timing.jobs import MeasureGraphs
from dsconv_cli.timing.processes import TimeoutExceededError
from dsconv_cli.timing.result import PairTime, Timing
from dsconv_cli.timing.runtimes import DEFAULT, RUNTIMES
from dsconv_cli.timing.timer import Make, Timer, Watcher
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
            from dsconv_cli.model.graph.saving import export_graph

            return export_graph(self)
        from dsconv_cli.model.workload import export_network

        return export_network(self)


def time_network(timer: Timer, asked: tuple[str, ...], result: ModelResult, recipe: Recipe, show: Show) -> ModelResult:
    """`result` with the times of its eligible layers, the same shape once, and of the whole network.

    The budget of `timer` is for everything together; `asked` are the runtimes that are asked for by name. What cannot
    be timed in its share of the budget stays without a time, and a note says so.
    """
    specs = list(dict.fromkeys(layer.spec for layer in result.eligible if layer.spec is not None))
    runtimes = asked or (DEFAULT,)
    share = 1 / (len(specs) + NETWORK_SHARES) / len(runtimes)
    chosen = tuple((layer.name, layer.spec) for layer in result.replaced if layer.spec is not None)
    graphs = cache(lambda: _graphs(timer, recipe, chosen))
    timings: dict[str, dict[ConvSpec, Timing]] = {}
    networks: dict[str, PairTime | None] = {}
    notes = []
    for name in runtimes:
        where = "" if len(runtimes) == 1 else f"{name}, "
        timings[name], failed = _layers(timer.on(name, share), specs, _after(where, show))
        networks[name] = None
        if chosen:
            make = partial(_job, name, recipe, chosen, graphs)
            whole = timer.on(name, NETWORK_SHARES * share)
            networks[name], told = _whole(whole, make, chosen[0][1].dtype, _after(where, show))
            failed += told
        notes += [where + note for note in failed]
    return replace(
        result,
        layers=tuple(_timed(layer, timings, asked) for layer in result.layers),
        notes=(*result.notes, *notes),
        time=networks[runtimes[0]],
        times={name: networks[name] for name in asked},
    )


def _timed(layer: Layer, timings: Mapping[str, Mapping[ConvSpec, Timing]], asked: tuple[str, ...]) -> Layer:
    if not layer.eligible or layer.spec is None:
        return layer
    each = {name: found.get(layer.spec) for name, found in timings.items()}
    return replace(layer, time=next(iter(each.values())), times={name: each[name] for name in asked})


def _layers(timer: Timer, specs: list[ConvSpec], show: Show) -> tuple[dict[ConvSpec, Timing], list[str]]:
    timings: dict[ConvSpec, Timing] = {}
    failed: list[CannotMeasureError] = []
    for number, spec in enumerate(specs, 1):
        try:
            timings[spec] = timer.time(spec, show(f"shape {number} of {len(specs)}, "))
        except CannotMeasureError as error:
            failed.append(error)
    if not failed:
        return timings, []
    each = f"{timer.settings.budget_s:.3g} s each"
    return timings, [f"{len(failed)} of {len(specs)} shapes were not timed in {each}: {failed[0]}"]


def _whole(timer: Timer, job: Callable[[], Make], dtype: str, show: Show) -> tuple[PairTime | None, list[str]]:
    """The time of the network, or why there is none."""
    watch = show("the network, ")
    try:
        make = job()
    except CannotMeasureError as error:
        return None, [f"the whole network is not timed: {error}"]
    try:
        built_s = 0.0 if timer.settings.runtime == DEFAULT else _BUILDS_S
        return timer.time_pair(make, dtype, watch, built_s), []
    except CannotMeasureError as error:
        return None, [f"the whole network was not timed in {timer.settings.budget_s:.3g} s: {error}"]


def _graphs(timer: Timer, recipe: Recipe, chosen: tuple[tuple[str, ConvSpec], ...]) -> Mapping[str, Graph]:
    try:
        return timer.laboratory.run(ExportNetwork(recipe, chosen), _PATIENCE_S)
    except TimeoutExceededError:
        raise CannotMeasureError(f"torch did not write it as ONNX in {_PATIENCE_S:.0f} s") from None


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

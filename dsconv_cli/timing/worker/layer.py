"""One process's measurement on one runtime: of a layer both forms, the halves, and what explains their times.

Of a network, which is a graph, both forms.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

import torch

from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line
from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.forms import FORMS, ConvLayer, ordinary, separable
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import PerOperator
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.runtimes.chain import Array, Chain, chain_of
from dsconv_cli.timing.runtimes.protocol import Built, Ran
from dsconv_cli.timing.worker.answers import Conditions, Graph, Prepared, Sample
from dsconv_cli.timing.worker.devices import Device, Work
from dsconv_cli.timing.worker.process import first_calls, ready, runner, sample_watched, usage
from dsconv_cli.timing.worker.reference import refuse_wrong, refuse_wrong_form, rounding
from dsconv_cli.timing.worker.sampling import Rounds, Schedule, warm_up

#: The channels of the operator whose time is all call and hardly any arithmetic: one vector register, with AVX-512.
_FIXED_CHANNELS: Final = 16
_FIXED_ROUNDS: Final = 25
#: Calls in a block of it; on another device so many that waiting for it, once a block, costs nothing beside them.
_FIXED_CALLS: Final = 5
_FIXED_CALLS_ELSEWHERE: Final = 100
_COPY_BLOCK_S: Final = 0.5e-3


def measure_layer(conditions: Conditions, schedule: Schedule, spec: ConvSpec, *, itself: bool = False) -> Sample:
    """Both forms of `spec` and the halves of the pair, seconds a layer.

    Or two ordinary convolutions, whose true ratio is 1, the second in the separable form's place: the first and
    `itself`.

    Raises:
        CannotMeasureError: the runtime cannot run the layer.
    """
    started = time.perf_counter()
    with running(conditions) as device:
        rows = rows_of(spec, conditions)
        if itself:
            rows = dict.fromkeys(FORMS, rows["ordinary"])
        works = {name: row.build(conditions).call for name, row in rows.items()}
        first_calls(device, works)
        sample = sample_watched(device, works, conditions, schedule, time.perf_counter() - started)
        sample = replace(sample, rounds=_each(sample.rounds, rows))
        if itself:
            return sample
        return replace(
            sample,
            pages=_pages(works, rows) if device.on_cpu else None,
            copy_bytes=_copy_rate(cost(spec).traffic.depthwise, device, conditions),
        )


def measure_graphs(conditions: Conditions, schedule: Schedule, graphs: Mapping[str, Graph]) -> Sample:
    """A whole network, "ordinary" as it is and "separable" with layers replaced, seconds a pass; outputs are checked.

    Raises:
        CannotMeasureError: the runtime cannot run one of them, or computes something else than torch.
    """
    runtime = RUNTIMES[conditions.runtime]
    assert runtime.graph is not None
    with running(conditions, "the network") as device:
        started = time.perf_counter()
        built = {name: runtime.graph(graph, conditions) for name, graph in graphs.items()}
        built_s = time.perf_counter() - started
        for name, one in built.items():
            one.call()
            refuse_wrong(runtime.title, "network", one.output(), graphs[name].outputs, rounding)
        works = {name: one.call for name, one in built.items()}
        return sample_watched(device, works, conditions, schedule, built_s)


def prepare(conditions: Conditions, spec: ConvSpec) -> Prepared:
    """What is to be known before anything is timed: that the outputs are right, what runs, and what a call costs.

    Raises:
        CannotMeasureError: the runtime cannot run the layer, or computes something else.
    """
    runtime = RUNTIMES[conditions.runtime]
    # With the start of the device, 0.4 s for CUDA, and, for the first row, the import of the runtime.
    started = time.perf_counter()
    with running(conditions) as device:
        rows = rows_of(spec, conditions)
        built = {name: row.build(conditions) for name, row in rows.items()}
        first_calls(device, {name: one.call for name, one in built.items()})
        built_s = time.perf_counter() - started
        for name, one in built.items():
            one.call()
            refuse_wrong_form(runtime.title, name, rows[name].chain, one.output(), conditions.dtype)
        ran = PerOperator(*(built[name].ran() for name in PerOperator._fields))
        return Prepared(
            version=runtime.version(),
            backends=PerOperator(*(", ".join(one.kernels) or None for one in ran)),
            precision=" ".join(dict.fromkeys(one.precision for one in ran)),
            built_s=built_s,
            fixed_s=_fixed(spec, conditions, device, ran),
        )


@contextmanager
def running(conditions: Conditions, what: str = "this layer") -> Iterator[Device]:
    """A process that is ready; whatever else goes wrong in it is the runtime's, which could not run `what`."""
    title = RUNTIMES[conditions.runtime].title
    try:
        with ready(conditions) as device:
            yield device
    except DsconvError:
        raise
    except Exception as error:
        raise CannotMeasureError(f"{title} could not run {what} on {conditions.device}: {first_line(error)}") from error


class Row(NamedTuple):
    """A chain and how many layers it stands for: a call's time is divided by that."""

    chain: Chain
    layers: int

    def build(self, conditions: Conditions) -> Built[Array]:
        """As the runtime has it."""
        return RUNTIMES[conditions.runtime].build(self.chain, conditions)


def rows_of(spec: ConvSpec, conditions: Conditions) -> dict[str, Row]:
    """What is timed, by name, each on memory of its own that is in use before the clock starts."""
    pair = separable(spec)
    what = {"ordinary": ordinary(spec), "separable": pair, "depthwise": pair[:1], "pointwise": pair[1:]}
    return {name: row_of(layers, conditions, seed) for seed, (name, layers) in enumerate(what.items())}


def row_of(layers: tuple[ConvLayer, ...], conditions: Conditions, seed: int = 0) -> Row:
    """As many in a row as is asked for. A half whose output is no input for it (M > 1) is timed alone."""
    first, last = layers[0], layers[-1]
    follows = (first.in_channels, first.input_size) == (last.out_channels, last.output_size)
    count = conditions.chain if follows else 1
    return Row(chain_of(layers * count, quantised=conditions.quantised, seed=seed), count)


def _each(rounds: Rounds, rows: Mapping[str, Row]) -> Rounds:
    """Seconds a layer from seconds a call."""
    return Rounds(
        {name: tuple(value / rows[name].layers for value in values) for name, values in rounds.per_call.items()},
        {name: value / rows[name].layers for name, value in rounds.fastest.items()},
    )


def operators_of(spec: ConvSpec) -> tuple[ConvLayer, ...]:
    """The three convolutions: ordinary, depthwise, pointwise."""
    return (*ordinary(spec), *separable(spec))


def _fixed(spec: ConvSpec, conditions: Conditions, device: Device, ran: Sequence[Ran]) -> PerOperator[float] | None:
    """What a call of each operator costs when it has next to nothing to compute; None where that cannot be had.

    Of several layers in a row each costs less than a call, and how much less is not known.
    """
    if conditions.chain > 1:
        return None
    found = []
    calls = _FIXED_CALLS if device.on_cpu else _FIXED_CALLS_ELSEWHERE
    for layer, whole in zip(operators_of(spec), ran, strict=True):
        small = smallest(layer, conditions, whole.family)
        if small is None:
            return None
        run = runner(device, small.call)
        warm_up(run, Schedule(warm_s=0.002), time.perf_counter)
        found.append(min(run(calls).own / calls for _ in range(_FIXED_ROUNDS)))
    return PerOperator(*found)


def smallest(layer: ConvLayer, conditions: Conditions, family: str) -> Built[Array] | None:
    """The same kind of operator with one output pixel and few channels, of the same family; None if there is none.

    Torch picks another backend for very small inputs, but not for more than one image. What a call of another
    backend costs says nothing about this one.
    """
    channels = min(_FIXED_CHANNELS, layer.in_channels)
    outputs = min(_FIXED_CHANNELS, layer.out_channels)
    height, width = (d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    small = layer._replace(
        in_channels=channels,
        out_channels=channels if layer.groups > 1 else outputs,
        groups=channels if layer.groups > 1 else 1,
        padding=(0, 0),
        padding_end=(0, 0),
        batch=1,
        input_size=(height, width),
        output_size=(1, 1),
    )
    for batch in (1, 2):
        built = row_of((small._replace(batch=batch),), conditions).build(conditions)
        if built.ran().family == family:
            return built
    return None


def _copy_rate(moved: int, device: Device, conditions: Conditions) -> float:
    """Bytes per second of a copy that reads and writes `moved` bytes together."""
    size = max(1, moved // 2)
    source = torch.full((size,), 1, dtype=torch.uint8, device=conditions.device)
    target = torch.full_like(source, 2)
    run = runner(device, lambda: target.copy_(source))
    took = warm_up(run, Schedule(warm_s=0.001), time.perf_counter)
    calls = max(1, int(_COPY_BLOCK_S / max(took, 1e-9)))
    return 2 * size * calls / min(run(calls).own for _ in range(5))


def _pages(works: Mapping[str, Work], rows: Mapping[str, Row]) -> PerOperator[float] | None:
    """Page faults of one call of each operator, once everything is warm."""
    found = []
    for name in PerOperator._fields:
        before = usage()
        works[name]()
        after = usage()
        if before is None or after is None:
            return None
        found.append((after.faults - before.faults) / rows[name].layers)
    return PerOperator(*found)

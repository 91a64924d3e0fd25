"""The keys of a network's result and of its layers: its JSON document, and a row of CSV for each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from dsconv_cli import environment
from dsconv_cli.comparison import keys as comparison
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import (
    ABOVE_ZERO,
    ANY_SHAPE,
    FROM_ZERO,
    POSITIVE,
    RATIO,
    SCHEMA_VERSION,
    SHAPES,
    SHARE,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Each,
    Key,
    Keys,
    Null,
    Section,
    Type,
    constant,
    lifted,
    one_of,
    optional,
)
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.model.result import AUTO, BeforeAfter, InputShape, Layer, ModelResult, Selection
from dsconv_cli.timing.keys import CONDITIONS, FASTEST, INTERVAL, VERDICT, fastest
from dsconv_cli.timing.result import PairTime, Times
from dsconv_cli.timing.runtimes import RUNTIMES


class LayerOf(NamedTuple):
    """A layer beside the network that it is a part of."""

    network: ModelResult
    layer: Layer

    @property
    def compared(self) -> Comparison:
        """The layer as `compare` has it."""
        spec, closed = self.layer.spec, self.layer.cost
        assert spec is not None
        assert closed is not None
        return Comparison(spec, closed, time=self.layer.time, times=Times(self.layer.times, {}))


def layers_of(one: ModelResult) -> tuple[LayerOf, ...]:
    """The layers in the order of the network."""
    return tuple(LayerOf(one, layer) for layer in one.layers)


#: What a layer has that `compare` could take, by the same keys as there.
_COMPARED: Final = ("spec", *METRICS, "time")

#: The same on each runtime that is asked for by name.
_RUNTIMES: Final = comparison.RUNTIMES


@cache
def layer_keys_of(runtimes: tuple[str, ...] = ()) -> Keys[LayerOf]:
    """The keys of a layer in a run that times these runtimes."""
    beside = comparison.keys_of(runtimes)
    compared: tuple[Key[LayerOf], ...] = lifted(beside.under(*_COMPARED, _RUNTIMES), lambda one: one.compared)
    return Keys(
        (*_LAYER, *compared, *(() if runtimes else (Null(_RUNTIMES),))),
        (*_LAYER_SECTIONS, *_layer_sections(runtimes)),
        _LAYER_SAYS,
    )


def _layer_sections(runtimes: tuple[str, ...]) -> Iterator[Section[LayerOf]]:
    sections = comparison.keys_of(runtimes).sections
    for name in ("spec", *METRICS):
        yield Section(name, sections[name].says, lambda one: one.layer.spec is not None)
    yield Section("time", sections["time"].says, lambda one: one.layer.time is not None)
    for runtime in runtimes:
        name = f"{_RUNTIMES}.{runtime}"
        yield Section(name, sections[name].says, _layer_timed_on(runtime))
    inner = (one for one in sections.values() if one.name.startswith(("time.", f"{_RUNTIMES}.")) and one.there is None)
    yield from (Section(one.name, one.says) for one in inner)


def _layer_timed_on(runtime: str) -> Callable[[LayerOf], bool]:
    return lambda one: one.layer.times.get(runtime) is not None


_LAYER: Final[tuple[Key[LayerOf], ...]] = (
    Key("name", TEXT, lambda one: one.layer.name, says="The module's name; empty for the network itself."),
    Key("type", TEXT, lambda one: one.layer.type),
    Key("operator", one_of("convolution", "linear", "matmul"), lambda one: one.layer.operator),
    Key("calls", WHOLE, lambda one: one.layer.calls, says="How often the forward pass called it."),
    *optional(
        (
            Key("weight", ANY_SHAPE, lambda one: one.layer.weight),
            Key("input", ANY_SHAPE, lambda one: one.layer.inputs),
            Key("output", ANY_SHAPE, lambda one: one.layer.outputs),
        )
    ),
    Key("counted.params", WHOLE, lambda one: one.layer.params),
    Key("counted.params_share", SHARE, lambda one: _share(one.layer.params, one.network.params.before)),
    Key("counted.macs", WHOLE, lambda one: one.layer.macs),
    Key("counted.macs_share", SHARE, lambda one: _share(one.layer.macs, one.network.macs.before)),
    Key("counted.weight_bytes", WHOLE, lambda one: one.layer.weight_bytes, "bytes"),
    Key("counted.activation_bytes", WHOLE, lambda one: one.layer.activation_bytes, "bytes"),
    Key("eligible", TRUTH, lambda one: one.layer.eligible),
    Key("reason", TEXT, lambda one: one.layer.reason, says="Why a convolution is not eligible.", nullable=True),
    Key("replaced", TRUTH, lambda one: one.layer.replaced),
    Key("kept", TEXT, lambda one: one.layer.kept, says="Why an eligible layer is not replaced.", nullable=True),
    Key(
        "fidelity",
        SHARE,
        lambda one: one.layer.fidelity,
        says="Of the best separable pair with the depth multiplier of spec: 1 - |W - W'|^2 / |W|^2, W the weights; "
        "null where nobody asked or there are none.",
        nullable=True,
    ),
    Key(
        "output_fidelity",
        SHARE,
        lambda one: one.layer.output_fidelity,
        says="The same of the layer's outputs, on what it sees when the network is run on its inputs; with --refit.",
        nullable=True,
    ),
)

_LAYER_SECTIONS: Final[tuple[Section[LayerOf], ...]] = (
    Section(
        "counted",
        "By torch's counter, over all calls; parameters that an earlier layer has counted are left out.",
    ),
)

_LAYER_SAYS: Final = (
    "A layer. spec and what follows it is null where no separable form exists; params, macs and the like are from "
    "formulas, over all calls, spec and time those of the first."
)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


#: M, or that each layer has its own.
MULTIPLIER: Final = Type({"oneOf": [POSITIVE.schema, {"const": AUTO}]})

_TOTAL: Final[tuple[Key[BeforeAfter], ...]] = (
    Key("before", WHOLE, lambda one: one.before),
    Key("after", WHOLE, lambda one: one.after),
    Key("ratio", RATIO, lambda one: float(one.ratio), "before / after"),
)


_TIME: Final[tuple[Key[PairTime], ...]] = (
    Key("before.median_s", ABOVE_ZERO, lambda one: one.ordinary_s, "seconds of one forward pass"),
    Key("after.median_s", ABOVE_ZERO, lambda one: one.separable_s, "seconds of one forward pass"),
    *lifted(INTERVAL, lambda one: one.speedup, "speedup."),
    *lifted(fastest("before_s", "after_s"), lambda one: one.fastest, "fastest."),
    Key("verdict", VERDICT, lambda one: one.verdict),
    Key("reliable", TRUTH, lambda one: one.reliable),
    Key("warnings", TEXTS, lambda one: one.warnings),
    *CONDITIONS,
    Key("runtime.name", TEXT, lambda one: one.runtime.name, says="What executed the network."),
    Key("runtime.version", TEXT, lambda one: one.runtime.version),
    Key("runtime.build_s", FROM_ZERO, lambda one: one.runtime.built_s, "seconds", "Until both could be called"),
)


def _time_on(name: str) -> Callable[[ModelResult], Any]:
    return lambda one: one.times[name]


def _timed_on(name: str) -> Callable[[ModelResult], bool]:
    return lambda one: one.times.get(name) is not None


_SELECTION: Final[tuple[Key[Selection], ...]] = (
    Key("keep", TEXTS, lambda one: one.keep),
    Key("only", TEXTS, lambda one: one.only),
    Key("min_ratio", FROM_ZERO, lambda one: one.min_ratio, nullable=True),
    Key("depth_multiplier", MULTIPLIER, lambda one: one.depth_multiplier),
    Key("min_fidelity", SHARE, lambda one: one.min_fidelity, nullable=True),
    Key("target_macs", WHOLE, lambda one: one.target_macs, nullable=True),
    Key("target_params", WHOLE, lambda one: one.target_params, nullable=True),
)


def selection_section(one: Selection) -> dict[str, Any]:
    """The section `model.selection` of a document, which is known before the network is run."""
    return Keys(_SELECTION).document(one)


_INPUT: Final[Keys[InputShape]] = Keys(
    (
        Key("name", TEXT, lambda one: one.name, nullable=True),
        Key("shape", ANY_SHAPE, lambda one: one.shape),
        Key("dtype", TEXT, lambda one: one.dtype),
    )
)

TOTAL_RUNTIMES: Final = "totals.runtimes"


@cache
def keys_of(runtimes: tuple[str, ...] = ()) -> Keys[ModelResult]:
    """Every key of a network's result, in a run that times these runtimes."""
    return Keys(
        (
            Key("schema_version", constant(SCHEMA_VERSION), lambda _: SCHEMA_VERSION),
            Key("command", constant("model"), lambda _: "model"),
            Key("model.target", TEXT, lambda one: one.target),
            Key("model.type", TEXT, lambda one: one.type),
            Key(
                "model.device",
                TEXT,
                lambda one: one.device,
                says="Where the forward pass was counted: meta (shapes only, nothing computed) or cpu.",
            ),
            Key(
                "model.not_on_meta",
                TEXT,
                lambda one: one.not_on_meta,
                says="Why not on the meta device.",
                nullable=True,
            ),
            Key("model.output", SHAPES, lambda one: one.outputs),
            *lifted(_SELECTION, lambda one: one.selection, "model.selection."),
            Key("model.notes", TEXTS, lambda one: one.notes),
            Each("input", _INPUT, lambda one: one.inputs),
            Each("layers", layer_keys_of(runtimes), layers_of),
            *lifted(_TOTAL, lambda one: one.params, "totals.params."),
            Key("totals.params.other", WHOLE, lambda one: one.other_params, says="Parameters in no counted layer."),
            *lifted(_TOTAL, lambda one: one.macs, "totals.macs."),
            *lifted(_TOTAL, lambda one: one.weight_bytes, "totals.weight_bytes."),
            *lifted(_TOTAL, lambda one: one.activation_bytes, "totals.activation_bytes."),
            Key(
                "totals.after_counted",
                TRUTH,
                lambda one: one.after_counted,
                says="Whether the network was run with those layers replaced and counted as the formulas say; "
                "otherwise the totals after are from formulas.",
            ),
            Key(
                "totals.uncounted",
                TEXTS,
                lambda one: one.uncounted,
                says="Operators that compute with a weight and are in no total, because no formula is known.",
            ),
            Key("totals.layers.counted", WHOLE, lambda one: len(one.layers)),
            Key("totals.layers.convolutions", WHOLE, lambda one: len(one.convolutions)),
            Key("totals.layers.eligible", WHOLE, lambda one: len(one.eligible)),
            Key("totals.layers.replaced", WHOLE, lambda one: len(one.replaced)),
            *lifted(_TIME, "time", "totals.time."),
            *(key for name in runtimes for key in lifted(_TIME, _time_on(name), f"{TOTAL_RUNTIMES}.{name}.")),
            *(() if runtimes else (Null(TOTAL_RUNTIMES),)),
            *lifted(environment.KEYS, "environment", "environment."),
        ),
        (
            Section("totals", "The whole network as it is and with the layers replaced that are marked so."),
            Section("totals.weight_bytes", "Bytes of all parameters, each at its own dtype."),
            Section(
                "totals.activation_bytes",
                "Bytes of the input and the output of the largest layer; what the network keeps beside comes on top.",
            ),
            Section(
                "totals.time", "One forward pass of the whole network.", lambda one: one.time is not None, "--time"
            ),
            Section("totals.time.fastest", FASTEST),
            *(
                Section(f"{TOTAL_RUNTIMES}.{name}", "As `totals.time`.", _timed_on(name), f"--runtime {name}")
                for name in runtimes
            ),
            *(Section(f"{TOTAL_RUNTIMES}.{name}.fastest", FASTEST) for name in runtimes),
            *(one.of("environment.") for one in environment.SECTIONS),
        ),
        "What dsconv model prints.",
        others={
            f"{TOTAL_RUNTIMES}.{name}.{key.name}": f"--runtime {name}"
            for name in RUNTIMES
            if name not in runtimes
            for key in _TIME
        },
        within="totals",
    )


#: Where no runtimes stand side by side.
KEYS: Final = keys_of()

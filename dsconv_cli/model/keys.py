"""The keys of a network's result and of its layers: its JSON document, and a row of CSV for each layer."""

from __future__ import annotations

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
    Section,
    constant,
    lifted,
    one_of,
    optional,
)
from dsconv_cli.model.result import BeforeAfter, InputShape, Layer, ModelResult, NetworkTime, Selection
from dsconv_cli.timing.keys import CONDITIONS, FASTEST, INTERVAL, VERDICT, fastest


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
        return Comparison(spec, closed, time=self.layer.time)


def layers_of(one: ModelResult) -> tuple[LayerOf, ...]:
    """The layers in the order of the network."""
    return tuple(LayerOf(one, layer) for layer in one.layers)


def _has_spec(one: LayerOf) -> bool:
    return one.layer.spec is not None


def _is_timed(one: LayerOf) -> bool:
    return one.layer.time is not None


#: What a layer has that `compare` could take, by the same keys as there.
_COMPARED: Final = ("spec", "params", "macs", "traffic", "time")

LAYER_KEYS: Final[Keys[LayerOf]] = Keys(
    (
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
        Key("eligible", TRUTH, lambda one: one.layer.eligible),
        Key("reason", TEXT, lambda one: one.layer.reason, says="Why a convolution is not eligible.", nullable=True),
        Key("replaced", TRUTH, lambda one: one.layer.replaced),
        Key("kept", TEXT, lambda one: one.layer.kept, says="Why an eligible layer is not replaced.", nullable=True),
        *lifted(comparison.KEYS.under(*_COMPARED), lambda one: one.compared),
    ),
    (
        Section(
            "counted",
            "By torch's counter, over all calls; parameters that an earlier layer has counted are left out.",
        ),
        *(
            Section(name, comparison.KEYS.sections[name].says, _is_timed if name == "time" else _has_spec)
            for name in _COMPARED
        ),
        *(Section(one.name, one.says) for one in comparison.TIME_SECTIONS if one.name != "time"),
    ),
    "A layer. spec and what follows it is null where no separable form exists; params, macs and traffic are the closed "
    "forms over all calls, spec and time those of the first.",
)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


_TOTAL: Final[tuple[Key[BeforeAfter], ...]] = (
    Key("before", WHOLE, lambda one: one.before),
    Key("after", WHOLE, lambda one: one.after),
    Key("ratio", RATIO, lambda one: float(one.ratio), "before / after"),
)


_TIME: Final[tuple[Key[NetworkTime], ...]] = (
    Key("before.median_s", ABOVE_ZERO, lambda one: one.before_s, "seconds of one forward pass"),
    Key("after.median_s", ABOVE_ZERO, lambda one: one.after_s, "seconds of one forward pass"),
    *lifted(INTERVAL, lambda one: one.speedup, "speedup."),
    *lifted(fastest("before_s", "after_s"), lambda one: one.fastest, "fastest."),
    Key("verdict", VERDICT, lambda one: one.verdict),
    Key("reliable", TRUTH, lambda one: one.reliable),
    Key("warnings", TEXTS, lambda one: one.warnings),
    *CONDITIONS,
)


def _network_time(one: ModelResult) -> NetworkTime:
    assert one.time is not None
    return one.time


_SELECTION: Final[tuple[Key[Selection], ...]] = (
    Key("keep", TEXTS, lambda one: one.keep),
    Key("only", TEXTS, lambda one: one.only),
    Key("min_ratio", FROM_ZERO, lambda one: one.min_ratio, nullable=True),
    Key("depth_multiplier", POSITIVE, lambda one: one.depth_multiplier),
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

KEYS: Final[Keys[ModelResult]] = Keys(
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
        Key("model.not_on_meta", TEXT, lambda one: one.not_on_meta, says="Why not on the meta device.", nullable=True),
        Key("model.output", SHAPES, lambda one: one.outputs),
        *lifted(_SELECTION, lambda one: one.selection, "model.selection."),
        Key("model.notes", TEXTS, lambda one: one.notes),
        Each("input", _INPUT, lambda one: one.inputs),
        Each("layers", LAYER_KEYS, layers_of),
        *lifted(_TOTAL, lambda one: one.params, "totals.params."),
        Key("totals.params.other", WHOLE, lambda one: one.other_params, says="Parameters in no counted layer."),
        *lifted(_TOTAL, lambda one: one.macs, "totals.macs."),
        Key(
            "totals.after_counted",
            TRUTH,
            lambda one: one.after_counted,
            says="Whether the network was run with those layers replaced and counted as the closed forms say; "
            "otherwise the totals after are the closed forms'.",
        ),
        Key(
            "totals.uncounted",
            TEXTS,
            lambda one: one.uncounted,
            says="Operators that compute with a weight and are in no total, for no formula is known.",
        ),
        Key("totals.layers.counted", WHOLE, lambda one: len(one.layers)),
        Key("totals.layers.convolutions", WHOLE, lambda one: len(one.convolutions)),
        Key("totals.layers.eligible", WHOLE, lambda one: len(one.eligible)),
        Key("totals.layers.replaced", WHOLE, lambda one: len(one.replaced)),
        *lifted(_TIME, _network_time, "totals.time."),
        *lifted(environment.KEYS, "environment", "environment."),
    ),
    (
        Section("totals", "The whole network as it is and with the layers replaced that are marked so."),
        Section("totals.time", "One forward pass of the whole network.", lambda one: one.time is not None, "--time"),
        Section("totals.time.fastest", FASTEST),
        *(one.of("environment.") for one in environment.SECTIONS),
    ),
    "What dsconv model prints.",
)

"""The keys of one layer's measured time: a section of a comparison, and of each layer of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from dsconv_cli.keys import (
    ABOVE_ZERO,
    FROM_ZERO,
    POSITIVE,
    SHARE,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Key,
    Section,
    Value,
    lifted,
    one_of,
)
from dsconv_cli.layer.cost import Cost
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.reasons import Operators, explain_time, operators
from dsconv_cli.timing.verdicts import Verdict

if TYPE_CHECKING:
    from dsconv_cli.timing.result import Fastest, Interval, Peaks, Timing

VERDICT: Final = one_of(*get_args(Verdict))


class TimedLayer(NamedTuple):
    """A timing beside the counts that it is explained by."""

    spec: ConvSpec
    cost: Cost
    timing: Timing

    @property
    def operators(self) -> Operators:
        """Work and time, side by side."""
        return operators(self.cost, self.timing)


def _median(name: str) -> Key[TimedLayer]:
    return Key(f"{name}.median_s", ABOVE_ZERO, f"timing.{name}_s", "seconds of one forward pass")


def _rates(name: str) -> tuple[Key[TimedLayer], ...]:
    """What is known of an operator that is timed alone."""
    return (
        _median(name),
        Key(f"{name}.flops_per_s", ABOVE_ZERO, f"operators.{name}.flop_rate", "FLOPs per second"),
        Key(f"{name}.bytes_per_s", ABOVE_ZERO, f"operators.{name}.byte_rate", "bytes of traffic per second"),
        Key(
            f"{name}.call_s",
            FROM_ZERO,
            lambda one: getattr(one.timing.fixed_s, name, None),
            "seconds",
            "Call overhead: what a call costs however little it computes",
            nullable=True,
        ),
        Key(
            f"{name}.backend",
            TEXT,
            f"timing.regime.backends.{name}",
            says="What ran, in the runtime's own words.",
            nullable=True,
        ),
    )


#: An estimate with its interval.
INTERVAL: Final[tuple[Key[Interval], ...]] = (
    Key("value", ABOVE_ZERO, lambda one: one.value),
    Key("low", ABOVE_ZERO, lambda one: one.low),
    Key("high", ABOVE_ZERO, lambda one: one.high),
    Key("level", ABOVE_ZERO, lambda one: one.level),
)


def fastest(ordinary: str = "ordinary_s", separable: str = "separable_s") -> tuple[Key[Fastest], ...]:
    """The keys of the fastest times, by the names that the two forms have where they are."""
    return (
        Key(ordinary, ABOVE_ZERO, lambda one: one.ordinary_s, "seconds of one forward pass"),
        Key(separable, ABOVE_ZERO, lambda one: one.separable_s, "seconds of one forward pass"),
        *lifted(INTERVAL, lambda one: one.speedup, "speedup."),
    )


#: What every section of fastest times says of itself.
FASTEST: Final = (
    "Not what is usual but what is possible: the fastest parts of blocks of calls, in the third of the processes, at "
    "least five, that were disturbed least. Repeats better than the typical time, and flatters the shorter form."
)

PEAKS: Final[tuple[Key[Peaks], ...]] = (
    Key("matmul_flops_per_s", ABOVE_ZERO, lambda one: one.matmul_flops, "FLOPs per second", "A large matrix product"),
    Key("copy_bytes_per_s", ABOVE_ZERO, "copy_bytes", "bytes per second", "A large copy, read plus written"),
    Key("conv_flops_per_s", ABOVE_ZERO, lambda one: one.conv_flops, "FLOPs per second", "A reference convolution"),
)


#: What a time holds for and rests on, a layer's or a whole network's.
CONDITIONS: Final[tuple[Key[Any], ...]] = (
    Key("device", TEXT, lambda one: one.device),
    Key("threads", POSITIVE, lambda one: one.threads),
    Key("layout", TEXT, lambda one: one.layout),
    Key("dtype", TEXT, lambda one: one.dtype),
    Key("samples.processes", POSITIVE, lambda one: one.processes),
    Key("samples.pairs", POSITIVE, lambda one: one.pairs),
)


def _peak(key: Key[Peaks]) -> Key[TimedLayer]:
    def get(one: TimedLayer) -> Value:
        return None if one.timing.peaks is None else key.getter(one.timing.peaks)

    return Key(f"peaks.{key.name}", key.type, get, key.unit, key.says, nullable=True)


KEYS: Final[tuple[Key[TimedLayer], ...]] = (
    *_rates("ordinary"),
    _median("separable"),
    *_rates("depthwise"),
    *_rates("pointwise"),
    *lifted(INTERVAL, lambda one: one.timing.speedup, "speedup."),
    *lifted(fastest(), lambda one: one.timing.fastest, "fastest."),
    Key("verdict", VERDICT, lambda one: one.timing.verdict),
    Key("reliable", TRUTH, lambda one: one.timing.reliable),
    Key("warnings", TEXTS, lambda one: one.timing.warnings, says="Why it is not reliable."),
    *lifted(CONDITIONS, lambda one: one.timing),
    Key("samples.disturbed", SHARE, lambda one: one.timing.disturbed),
    Key("seconds", FROM_ZERO, lambda one: one.timing.seconds, "seconds", "Wall time of the measurement"),
    Key("depthwise_share.macs", SHARE, "operators.depthwise_mac_share"),
    Key("depthwise_share.time", SHARE, "operators.depthwise_time_share"),
    *(_peak(key) for key in PEAKS),
    Key("regime.torch", TEXT, lambda one: one.timing.regime.torch),
    Key(
        "regime.device_name",
        TEXT,
        lambda one: one.timing.regime.device_name or None,
        says="What a device other than the CPU calls itself.",
        nullable=True,
    ),
    Key(
        "regime.clock",
        TEXT,
        lambda one: one.timing.regime.clock,
        says="What was read: wall clock, or CUDA events; for the fastest times of one thread its own processor time.",
    ),
    Key("regime.cores", WHOLE, lambda one: one.timing.regime.cores),
    Key("regime.batch", POSITIVE, lambda one: one.spec.batch),
    Key(
        "regime.notes",
        TEXTS,
        lambda one: one.timing.regime.notes,
        says="Settings of the device's libraries that choose kernels, such as cudnn.benchmark.",
    ),
    Key("runtime.name", TEXT, lambda one: one.timing.runtime.name, says="What executed the layer"),
    Key("runtime.version", TEXT, lambda one: one.timing.runtime.version),
    Key(
        "runtime.precision",
        TEXT,
        lambda one: one.timing.runtime.precision or None,
        says="Of its arithmetic, in its own words.",
        nullable=True,
    ),
    Key("runtime.chain", POSITIVE, lambda one: one.timing.runtime.chain, "layers in a row; times are for one of them"),
    Key(
        "runtime.build_s",
        FROM_ZERO,
        lambda one: one.timing.runtime.built_s,
        "seconds",
        "Until both forms and the halves could be called; in none of the times and not in the budget",
    ),
    Key(
        "explanation",
        TEXTS,
        lambda one: explain_time(one.cost, one.timing),
        says="Why time does not follow MACs, in words that the figures support.",
    ),
)

SECTIONS: Final[tuple[Section[TimedLayer], ...]] = (
    *(Section(name, "One forward pass of this operator alone.") for name in Operators._fields),
    Section("separable", "One forward pass of the pair."),
    Section(
        "speedup",
        "Ordinary / separable, typical: the mean, over all processes, of the ratios of their medians; with an interval "
        "for what another measurement on this machine finds.",
    ),
    Section("fastest", FASTEST),
    Section("depthwise_share", "Depthwise's part of the separable form's MACs, and of the time of the two halves."),
    Section("runtime", "What executed the layer."),
    Section("peaks", "What this machine reaches under the same conditions."),
)

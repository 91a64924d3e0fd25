"""A comparison of the two forms of one layer, and the one table of keys by which everything reads it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli.counting.result import INSTEAD, MAX_COUNT, PROFILER_CHOICES, FormCounts, Measured
from dsconv_cli.environment import Environment, environment
from dsconv_cli.errors import CannotMeasureError, DsconvError, loading
from dsconv_cli.layer.cost import FLOPS_PER_MAC, Approximation, Cost, Counts, Intensity, approximate, cost
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import BOUNDS, Timing
from dsconv_cli.timing.settings import TimingSettings

SCHEMA_VERSION: Final = 1

#: What a key can hold. A tuple is one value of several parts, such as a shape.
Value = None | bool | int | float | str | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything known about a layer and its replacement."""

    spec: ConvSpec
    cost: Cost
    measured: Measured | None = None
    time: Timing | None = None
    device: str = "cpu"

    @property
    def approximation(self) -> Approximation:
        """R×S, how far off it is for this layer, and whether its assumptions hold."""
        return approximate(self.spec, self.cost)

    @property
    def intensity(self) -> Intensity:
        """FLOPs per byte of traffic."""
        return self.cost.intensity

    @property
    def recorded(self) -> Mapping[str, Value] | None:
        """Values at keys, where they are not this process's to find out: of a comparison read back from a file."""
        return None

    @property
    def environment(self) -> Environment:
        """The machine and the versions in use."""
        counters = () if self.measured is None else self.measured.counters
        if self.time is None:
            return environment(counters=counters, device=self.device)
        return environment(counters=counters, device=self.time.device, torch_version=self.time.regime.torch)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, schema version 1."""
        return document(self)

    def get(self, key: str) -> Value:
        """The value at a dotted key, such as `macs.ratio`. See `find_key` for errors."""
        return read(self, find_key(key))


def compare(spec: ConvSpec, *, profiler: str = "thop", time: TimingSettings | None = None) -> Comparison:
    """Compare both forms of `spec` without printing anything.

    Args:
        spec: the layer.
        profiler: "thop", "torch", "both", or "none" for the closed forms alone, without importing torch.
        time: how both forms are timed as well; None: they are not.

    Raises:
        DsconvError: an unknown profiler, or a device that is not there.
        CannotMeasureError: a profiler cannot hold the layer, or disagrees with the closed forms; it cannot be timed.
    """
    one = profile(closed_forms(spec), profiler)
    if time is None:
        return one
    from dsconv_cli.timing.timer import time_layer

    return replace(one, time=time_layer(spec, time))


def closed_forms(spec: ConvSpec) -> Comparison:
    """The comparison by arithmetic alone."""
    return Comparison(spec, cost(spec))


def profile(comparison: Comparison, profiler: str) -> Comparison:
    """`comparison` with what `profiler` counts; unchanged for "none"."""
    if profiler not in PROFILER_CHOICES:
        raise DsconvError(f"profiler must be one of {', '.join(PROFILER_CHOICES)}, not {profiler!r}")
    if profiler == "none":
        return comparison
    refuse_uncountable(comparison, profiler)
    with loading("torch", instead=INSTEAD):
        from dsconv_cli.counting.profilers import measure

    return replace(comparison, measured=measure(comparison.spec, comparison.cost, profiler))


def refuse_uncountable(comparison: Comparison, profiler: str) -> None:
    """Refuse a layer that no program can hold, which needs none of them to know.

    Raises:
        CannotMeasureError: a count or a tensor's size is above `MAX_COUNT`.
    """
    if profiler == "none":
        return
    spec, closed = comparison.spec, comparison.cost
    shapes = (spec.input_shape, spec.intermediate_shape, spec.output_shape)
    for form in ("ordinary", "separable"):
        largest = max(getattr(closed.macs, form), getattr(closed.params, form), *map(math.prod, shapes))
        if largest > MAX_COUNT:
            names = "neither thop nor torch can" if profiler == "both" else f"{profiler} cannot"
            raise CannotMeasureError(
                f"{names} hold this layer: the {form} form needs a count of {largest:.3g}, "
                f"above 2^63 - 1 = {MAX_COUNT:.3g}; {INSTEAD}"
            )


Getter = Callable[[Comparison], Value]


def _counts(metric: str) -> dict[str, Getter]:
    def part(name: str) -> Getter:
        return lambda one: getattr(getattr(one.cost, metric), name)

    def ratio(one: Comparison) -> float:
        counts: Counts = getattr(one.cost, metric)
        return counts.ordinary / counts.separable

    return {
        **{f"{metric}.{name}": part(name) for name in ("ordinary", "depthwise", "pointwise", "separable")},
        f"{metric}.ratio": ratio,
    }


def _measured(metric: str) -> dict[str, Getter]:
    def counts(one: Comparison) -> FormCounts:
        return getattr(one.measured, metric)  # type: ignore[no-any-return]

    return {
        f"measured.{metric}.ordinary": lambda one: counts(one).ordinary,
        f"measured.{metric}.separable": lambda one: counts(one).separable,
        f"measured.{metric}.ratio": lambda one: float(counts(one).ratio),
    }


def _intensity(operator: str) -> Getter:
    """The nearest double to the exact quotient: dividing two integers rounds once."""

    def per_byte(one: Comparison) -> float:
        moved: int = getattr(one.cost.traffic, operator)
        return FLOPS_PER_MAC * getattr(one.cost.macs, operator) / moved  # type: ignore[no-any-return]

    return per_byte


def _error_of_approximation(metric: str) -> Getter:
    """`cost.Approximation`'s error as the nearest double, from R·S ÷ (ordinary ÷ separable) - 1 in integers."""

    def error(one: Comparison) -> float:
        counts: Counts = getattr(one.cost, metric)
        return (one.spec.r * one.spec.s * counts.separable - counts.ordinary) / counts.ordinary

    return error


def _timed(*names: str) -> Getter:
    """What lies there in a `Timing`; None where a part on the way was not measured."""

    def get(one: Comparison) -> Value:
        found: Any = one.time
        for name in names:
            found = getattr(found, name, None)
        return found  # type: ignore[no-any-return]

    return get


def _per_operator(name: str) -> dict[str, Getter]:
    """What is known of one of the three operators that are timed alone."""

    def work(attribute: str) -> Getter:
        def get(one: Comparison) -> float:
            from dsconv_cli.timing.reasons import operators

            assert one.time is not None
            return getattr(getattr(operators(one.cost, one.time), name), attribute)  # type: ignore[no-any-return]

        return get

    def part(field: str) -> Getter:
        return lambda one: getattr(getattr(one.time, field), name, None)

    return {
        f"time.{name}.median_s": _timed(f"{name}_s"),
        f"time.{name}.flops_per_s": work("flop_rate"),
        f"time.{name}.bytes_per_s": work("byte_rate"),
        f"time.{name}.call_s": part("fixed_s"),
        f"time.{name}.backend": lambda one: getattr(one.time.regime.backends, name),
    }


def _share(name: str) -> Getter:
    def get(one: Comparison) -> float:
        from dsconv_cli.timing.reasons import operators

        assert one.time is not None
        return getattr(operators(one.cost, one.time), name)  # type: ignore[no-any-return]

    return get


def _peak(name: str) -> Getter:
    return lambda one: getattr(one.time.peaks, name, None)  # type: ignore[union-attr]


def _explanation(one: Comparison) -> tuple[str, ...]:
    from dsconv_cli.timing.reasons import explain_time

    assert one.time is not None
    return explain_time(one.cost, one.time)


#: Every key of schema version 1, in its order. JSON nests them at the dots, CSV has them as columns, `--get` and
#: the gates look them up. A new metric is one more entry.
KEYS: Final[Mapping[str, Getter]] = MappingProxyType(
    {
        "schema_version": lambda _: SCHEMA_VERSION,
        "command": lambda _: "compare",
        "spec.k": lambda one: one.spec.k,
        "spec.c": lambda one: one.spec.c,
        "spec.r": lambda one: one.spec.r,
        "spec.s": lambda one: one.spec.s,
        "spec.h": lambda one: one.spec.h,
        "spec.w": lambda one: one.spec.w,
        "spec.batch": lambda one: one.spec.batch,
        "spec.stride": lambda one: one.spec.stride,
        "spec.padding": lambda one: one.spec.padding,
        "spec.padding_end": lambda one: one.spec.padding_end,
        "spec.dilation": lambda one: one.spec.dilation,
        "spec.depth_multiplier": lambda one: one.spec.depth_multiplier,
        "spec.bias.ordinary": lambda one: one.spec.bias.ordinary,
        "spec.bias.depthwise": lambda one: one.spec.bias.depthwise,
        "spec.bias.pointwise": lambda one: one.spec.bias.pointwise,
        "spec.dtype": lambda one: one.spec.dtype,
        "shapes.input": lambda one: one.spec.input_shape,
        "shapes.intermediate": lambda one: one.spec.intermediate_shape,
        "shapes.output": lambda one: one.spec.output_shape,
        **_counts("params"),
        **_counts("macs"),
        **_counts("traffic"),
        **{f"intensity.{name}": _intensity(name) for name in Intensity._fields},
        "approximation.ratio": lambda one: one.spec.r * one.spec.s,
        "approximation.params_error": _error_of_approximation("params"),
        "approximation.macs_error": _error_of_approximation("macs"),
        "approximation.holds": lambda one: one.approximation.holds,
        "measured.profiler": lambda one: one.measured.profiler,  # type: ignore[union-attr]
        **_measured("params"),
        **_measured("macs"),
        "measured.agrees": lambda one: one.measured.agrees,  # type: ignore[union-attr]
        "measured.exact": lambda one: one.measured.exact,  # type: ignore[union-attr]
        **_per_operator("ordinary"),
        "time.separable.median_s": _timed("separable_s"),
        **_per_operator("depthwise"),
        **_per_operator("pointwise"),
        **{f"time.speedup.{name}": _timed("speedup", name) for name in BOUNDS},
        "time.fastest.ordinary_s": _timed("fastest", "ordinary_s"),
        "time.fastest.separable_s": _timed("fastest", "separable_s"),
        **{f"time.fastest.speedup.{name}": _timed("fastest", "speedup", name) for name in BOUNDS},
        "time.verdict": _timed("verdict"),
        "time.reliable": _timed("reliable"),
        "time.warnings": _timed("warnings"),
        "time.device": _timed("device"),
        "time.threads": _timed("threads"),
        "time.layout": _timed("layout"),
        "time.dtype": _timed("dtype"),
        "time.samples.processes": _timed("processes"),
        "time.samples.pairs": _timed("pairs"),
        "time.samples.disturbed": _timed("disturbed"),
        "time.seconds": _timed("seconds"),
        "time.depthwise_share.macs": _share("depthwise_mac_share"),
        "time.depthwise_share.time": _share("depthwise_time_share"),
        "time.peaks.matmul_flops_per_s": _peak("matmul_flops"),
        "time.peaks.copy_bytes_per_s": _peak("copy_bytes"),
        "time.peaks.conv_flops_per_s": _peak("conv_flops"),
        "time.regime.torch": lambda one: one.time.regime.torch,  # type: ignore[union-attr]
        "time.regime.clock": lambda one: one.time.regime.clock,  # type: ignore[union-attr]
        "time.regime.cores": lambda one: one.time.regime.cores,  # type: ignore[union-attr]
        "time.regime.batch": lambda one: one.spec.batch,
        "time.regime.notes": lambda one: one.time.regime.notes,  # type: ignore[union-attr]
        "time.explanation": _explanation,
        "environment.versions.dsconv": lambda one: one.environment.versions["dsconv"],
        "environment.versions.python": lambda one: one.environment.versions["python"],
        "environment.versions.torch": lambda one: one.environment.versions["torch"],
        "environment.versions.profiler": lambda one: one.environment.versions["profiler"],
        "environment.platform": lambda one: one.environment.platform,
        "environment.cpu": lambda one: one.environment.cpu,
        "environment.device": lambda one: one.environment.device,
    }
)

#: The keys of those sections that hold no number, which is known before anything is measured.
NO_NUMBERS: Final = frozenset(
    {
        *("measured.profiler", "measured.agrees", "measured.exact"),
        *("time.verdict", "time.reliable", "time.warnings", "time.device", "time.layout", "time.dtype"),
        *("time.regime.torch", "time.regime.clock", "time.regime.notes", "time.explanation"),
    }
)

#: Sections that are null as a whole when they were not asked for.
OPTIONAL_SECTIONS: Final = ("measured", "time")


def read(comparison: Comparison, key: str) -> Value:
    """The value at a key of `KEYS`; None where its section was not measured."""
    section = key.partition(".")[0]
    if section in OPTIONAL_SECTIONS and getattr(comparison, section) is None:
        return None
    recorded = comparison.recorded
    return KEYS[key](comparison) if recorded is None or key not in recorded else recorded[key]


def find_key(key: str, keys: Mapping[str, Any] = KEYS) -> str:
    """The key of `keys` that the user's `key` means: itself, or its `.value`.

    Raises:
        DsconvError: there is none; the message lists them all, the nearest first.
    """
    for candidate in (key, f"{key}.value"):
        if candidate in keys:
            return candidate
    raise DsconvError(f"unknown key {key!r}; keys are {', '.join(nearest(key, keys))}")


def nearest(word: str, known: Mapping[str, Any]) -> list[str]:
    """All of `known`, the most similar to `word` first."""
    from difflib import SequenceMatcher

    return sorted(known, key=lambda name: -SequenceMatcher(None, word, name).ratio())


def flat(comparison: Comparison) -> Iterator[tuple[str, Value]]:
    """Every key with its value, in the order of the schema."""
    return ((key, read(comparison, key)) for key in KEYS)


def values(comparison: Comparison, keys: Sequence[str]) -> list[Value]:
    """The values at `keys`, each a key of `KEYS`. For many layers, where `read` would look each key up anew."""
    if comparison.recorded is not None:
        return [read(comparison, key) for key in keys]
    missing = tuple(section for section in OPTIONAL_SECTIONS if getattr(comparison, section) is None)
    return [None if getter is None else getter(comparison) for getter in _getters(tuple(keys), missing)]


@cache
def _getters(keys: tuple[str, ...], missing: tuple[str, ...]) -> tuple[Getter | None, ...]:
    """The getter of each key; None where its section was not measured."""
    return tuple(None if key.partition(".")[0] in missing else KEYS[key] for key in keys)


def document(comparison: Comparison) -> dict[str, Any]:
    """The keys nested at their dots, ready for JSON. Sections that were not asked for are None."""
    nested: dict[str, Any] = {}
    for key, value in flat(comparison):
        section = key.partition(".")[0]
        if section in OPTIONAL_SECTIONS and getattr(comparison, section) is None:
            nested[section] = None
        else:
            put(nested, key, value)
    return nested


def put(nested: dict[str, Any], key: str, value: Value) -> None:
    """Set what `key` names in a document that is nested at its dots, ready for JSON."""
    *outer, last = key.split(".")
    for part in outer:
        nested = nested.setdefault(part, {})
    nested[last] = list(value) if isinstance(value, tuple) else value

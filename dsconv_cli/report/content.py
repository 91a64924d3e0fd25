"""What a comparison says, in words and cells, before any layout: shared by the table, Markdown and the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.cost import MUCH_LESS, Counts
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.numbers import by, exact, percent, scaled, significant, times
from dsconv_cli.report.timed_content import time_rows

OPERATORS: Final = ("ordinary", "separable", "depthwise", "pointwise")

UNITS_NOTE: Final = (
    "1 MAC = 2 FLOPs; bias additions are not counted. "
    "Traffic: each operator reads its input and weights once and writes its output once."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: a cell for each of `OPERATORS`, exact and scaled; the ratio and R×S where it has one."""

    label: str
    short_label: str
    exact: tuple[str, ...]
    scaled: tuple[str, ...]
    ratio: Fraction | None
    approximation: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the table. A new one is an entry in `METRICS`."""

    label: str
    short_label: str
    counts: Callable[[Comparison], Counts]
    unit: str = ""
    approximated: bool = False

    def row(self, one: Comparison) -> Row:
        """This metric of `one`. Bytes are always scaled: their last digits help nobody."""
        counts = self.counts(one)
        values = [counts[name] for name in OPERATORS]
        short = tuple(scaled(value, self.unit) for value in values)
        approximation = f"{one.approximation.ratio}×" if self.approximated else ""
        return Row(
            self.label,
            self.short_label,
            short if self.unit else tuple(map(exact, values)),
            short,
            counts.ratio,
            approximation,
        )


METRICS: Final = (
    Metric("parameters", "parameters", lambda one: one.cost.params, approximated=True),
    Metric("MACs", "MACs", lambda one: one.cost.macs, approximated=True),
    Metric("memory traffic", "traffic", lambda one: one.cost.traffic, unit="B"),
)


def rows(one: Comparison) -> tuple[Row, ...]:
    """The rows of the table: the metrics, and intensity, which is a quotient of two of them."""
    intensity = tuple(significant(one.cost.intensity[name]) for name in OPERATORS)
    counted = (*(metric.row(one) for metric in METRICS), Row("FLOPs per byte", "FLOPs/B", intensity, intensity, None))
    return (*counted, *(Row(row.label, row.short, row.cells, row.cells, row.ratio) for row in time_rows(one)))


def title(spec: ConvSpec) -> str:
    """The layer in one line."""
    parts = [
        f"K={spec.k} C={spec.c} R×S={by(spec.r, spec.s)}",
        f"stride {_pair(spec.stride)}",
        f"padding {_padding(spec)}",
    ]
    if spec.dilation != (1, 1):
        parts.append(f"dilation {_pair(spec.dilation)}")
    if spec.depth_multiplier != 1:
        parts.append(f"depth multiplier {spec.depth_multiplier}")
    return ", ".join([*parts, biases(spec), spec.dtype])


def shapes(spec: ConvSpec) -> str:
    """The shapes on the way through the separable pair, N×C×H×W."""
    return f"{by(*spec.input_shape)} → {by(*spec.intermediate_shape)} → {by(*spec.output_shape)}"


def biases(spec: ConvSpec) -> str:
    """Which of the three convolutions has a bias."""
    having = [name for name, on in spec.bias._asdict().items() if on]
    if len(having) == len(spec.bias):
        return "with biases"
    return f"bias on {' and '.join(having)}" if having else "no bias"


def counted_by(one: Comparison, pending: str = "") -> str:
    """Who counted, and whether that agrees."""
    if pending:
        return f"closed forms; {pending} {'are' if ' and ' in pending else 'is'} counting…"
    if one.counted is None:
        return "closed forms, not measured"
    names = " and ".join(one.counted.counters)
    if one.counted.exact:
        return f"counted by {names}; equal to the closed forms"
    return f"counted by {names}; equal to the closed forms as far as thop's doubles are exact (up to 2^53)"


def approximation_line(one: Comparison) -> str:
    """R×S, how far off it is, and whether it may be used."""
    approximation = one.approximation
    params, macs = approximation.errors["params"], approximation.errors["macs"]
    off = _off(params) if params == macs else f"{_off(params)} for parameters, {_off(macs)} for MACs"
    holds = "Its assumptions hold" if approximation.holds else "Its assumptions do not hold"
    return f"The approximation R×S = {approximation.ratio} is {off}. {holds}:"


def assumption_lines(one: Comparison) -> tuple[tuple[bool, str], ...]:
    """Each assumption of R×S: whether it holds for this layer, and the numbers that decide it."""
    spec, approximation = one.spec, one.approximation
    lines = [
        (approximation.kernel_small, "R·S ≪ min(K, C)", spec.r * spec.s),
        (approximation.channels_many, "1 ≪ min(K, C)", 1),
    ]
    least = exact(min(spec.k, spec.c))
    told = [(holds, f"{text}: {least} is {_at_least(holds)} {MUCH_LESS}·{small}") for holds, text, small in lines]
    if not approximation.multiplier_one:
        told.append((False, f"depth multiplier 1: it is {spec.depth_multiplier}"))
    return tuple(told)


def _at_least(holds: bool) -> str:
    return "at least" if holds else "less than"


def ratio_text(row: Row) -> str:
    """The ratio's cell."""
    return "" if row.ratio is None else times(row.ratio)


def _off(error: Fraction) -> str:
    if error == 0:
        return "exact"
    return f"{percent(abs(error))} too {'high' if error > 0 else 'low'}"


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]},{pair[1]}"


def _padding(spec: ConvSpec) -> str:
    if spec.padding == spec.padding_end:
        return _pair(spec.padding)
    return f"{_pair(spec.padding)} before and {_pair(spec.padding_end)} after"

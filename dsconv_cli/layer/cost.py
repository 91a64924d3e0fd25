"""Closed forms: parameters, MACs and memory traffic of a layer, and how good R×S is as an approximation.

Counts are exact integers at any size, ratios exact `Fraction`s. A MAC is one multiply-accumulate of a
convolution; bias additions are not counted, and FLOPs = 2·MACs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from operator import call
from typing import Final

from dsconv_cli.layer.forms import FORMS, ConvLayer
from dsconv_cli.layer.metrics import METRICS, Metric
from dsconv_cli.layer.spec import ConvSpec

FLOPS_PER_MAC: Final = 2

#: What every metric counts, in the order of the document: each form's operators, then the form.
COUNTED: Final = tuple(name for form in FORMS.values() for name in form.counted)
#: The forms that have figures of their own beside those of their operators.
_COMBINED: Final = tuple(form for form in FORMS.values() if form.name not in form.roles)

#: a ≪ b is read as 10·a ≤ b. With M = 1 and no biases R×S overshoots the true ratio by exactly R·S/K, so that
#: this line keeps the error of the approximation at or below 10 %.
MUCH_LESS: Final = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """One metric of a layer: a figure for each operator and each form, by name."""

    figures: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.figures[name]

    @property
    def ordinary(self) -> int:
        """Of the ordinary convolution."""
        return self.figures["ordinary"]

    @property
    def depthwise(self) -> int:
        """Of the separable pair's first half."""
        return self.figures["depthwise"]

    @property
    def pointwise(self) -> int:
        """Of its second half."""
        return self.figures["pointwise"]

    @property
    def separable(self) -> int:
        """Of both halves together."""
        return self.figures["separable"]

    @property
    def ratio(self) -> Fraction:
        """Ordinary ÷ separable: above 1 the separable form is the cheaper one."""
        return Fraction(self.ordinary, self.separable)


@dataclass(frozen=True, slots=True)
class Approximation:
    """R×S for `spec` beside the exact ratios of `closed`, its closed forms.

    The exact ratio without biases and with M = 1 is 1 / (1/K + 1/(R·S)); R×S drops the 1/K.
    """

    spec: ConvSpec
    closed: Cost

    @property
    def ratio(self) -> int:
        """R·S."""
        return self.spec.r * self.spec.s

    @property
    def errors(self) -> Mapping[str, Fraction]:
        """R×S ÷ the exact ratio - 1, by metric: relative and signed, above 0 where R×S promises too much."""
        return {name: self.ratio / self.closed[name].ratio - 1 for name in APPROXIMATED}

    @property
    def kernel_small(self) -> bool:
        """R·S ≪ min(K, C)."""
        return MUCH_LESS * self.ratio <= min(self.spec.k, self.spec.c)

    @property
    def channels_many(self) -> bool:
        """1 ≪ min(K, C)."""
        return min(self.spec.k, self.spec.c) >= MUCH_LESS

    @property
    def holds(self) -> bool:
        """Both, and M = 1, which the approximation takes for granted."""
        return self.kernel_small and self.channels_many and self.spec.depth_multiplier == 1


#: The metrics that R×S is about.
APPROXIMATED: Final = tuple(name for name, metric in METRICS.items() if metric.approximated)


@dataclass(frozen=True, slots=True)
class Cost:
    """The closed forms of a layer, by the names of `METRICS`."""

    metrics: Mapping[str, Counts]

    def __getitem__(self, metric: str) -> Counts:
        return self.metrics[metric]

    @property
    def params(self) -> Counts:
        """Weights and biases."""
        return self.metrics["params"]

    @property
    def macs(self) -> Counts:
        """Multiply-accumulates."""
        return self.metrics["macs"]

    @property
    def traffic(self) -> Counts:
        """Bytes moved, at the layer's dtype."""
        return self.metrics["traffic"]

    @property
    def intensity(self) -> Mapping[str, Fraction]:
        """FLOPs ÷ bytes of traffic, of each operator and form (Williams et al., "Roofline", CACM 2009)."""
        flops, moved = self.macs, self.traffic
        return {name: Fraction(FLOPS_PER_MAC * flops[name], moved[name]) for name in COUNTED}


def cost(spec: ConvSpec, work_out: Callable[[Callable[[], int]], int] = call) -> Cost:
    """The closed forms of `spec`; `work_out` gives each figure from the function that computes it."""
    operators = [one for form in FORMS.values() for one in form.operators(spec)]
    return Cost({name: Counts(_figures(metric, operators, spec.dtype, work_out)) for name, metric in METRICS.items()})


def cost_over_calls(specs: Sequence[ConvSpec]) -> Cost:
    """The closed forms of one layer that is called with each of `specs`, which differ in the size of the input only."""
    each = {spec: cost(spec) for spec in specs}
    costs = [each[spec] for spec in specs]

    def over_calls(name: str, metric: Metric) -> Counts:
        return Counts({figure: metric.over_calls(one[name][figure] for one in costs) for figure in COUNTED})

    return Cost({name: over_calls(name, metric) for name, metric in METRICS.items()})


def _figures(
    metric: Metric, operators: Iterable[ConvLayer], dtype: str, work_out: Callable[[Callable[[], int]], int]
) -> dict[str, int]:
    figures = {one.role: work_out(partial(metric.of, one, dtype)) for one in operators}
    for form in _COMBINED:
        parts = [figures[role] for role in form.roles]
        figures[form.name] = work_out(partial(metric.combine, parts))
    return figures

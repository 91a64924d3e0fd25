"""Closed forms: parameters, MACs and memory traffic of a layer, and how good R×S is as an approximation.

Counts are exact integers at any size, ratios exact `Fraction`s. A MAC is one multiply-accumulate of a
convolution; bias additions are not counted, and FLOPs = 2·MACs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from dsconv_cli.layer.forms import ConvLayer, ordinary, separable
from dsconv_cli.layer.spec import ConvSpec

FLOPS_PER_MAC: Final = 2

#: a ≪ b is read as 10·a ≤ b. With M = 1 and no biases R×S overshoots the true ratio by exactly R·S/K, so that
#: this line keeps the error of the approximation at or below 10 %.
MUCH_LESS: Final = 10


class Counts(NamedTuple):
    """One metric of both forms."""

    ordinary: int
    depthwise: int
    pointwise: int

    @property
    def separable(self) -> int:
        """Both halves together."""
        return self.depthwise + self.pointwise

    @property
    def ratio(self) -> Fraction:
        """Ordinary ÷ separable: above 1 the separable form is the cheaper one."""
        return Fraction(self.ordinary, self.separable)


class Intensity(NamedTuple):
    """FLOPs per byte of traffic, for each operator and for the separable pair."""

    ordinary: Fraction
    depthwise: Fraction
    pointwise: Fraction
    separable: Fraction


@dataclass(frozen=True, slots=True)
class Approximation:
    """R×S beside the exact ratios. Errors are relative and signed: above 0, R×S promises too much."""

    ratio: int
    params: Counts
    macs: Counts
    kernel_small: bool
    channels_many: bool
    multiplier_one: bool

    @property
    def params_error(self) -> Fraction:
        """R×S ÷ the exact ratio of parameters - 1."""
        return self.ratio / self.params.ratio - 1

    @property
    def macs_error(self) -> Fraction:
        """R×S ÷ the exact ratio of MACs - 1."""
        return self.ratio / self.macs.ratio - 1

    @property
    def holds(self) -> bool:
        """R·S ≪ min(K, C) and 1 ≪ min(K, C), and M = 1, which the approximation takes for granted."""
        return self.kernel_small and self.channels_many and self.multiplier_one


def params(layer: ConvLayer) -> int:
    """Weights and biases: K·(C/groups)·R·S, and K with a bias."""
    kernel_h, kernel_w = layer.kernel_size
    weights = layer.out_channels * (layer.in_channels // layer.groups) * kernel_h * kernel_w
    return weights + layer.out_channels if layer.bias else weights


def macs(layer: ConvLayer) -> int:
    """Multiply-accumulates: each weight once for every output position and image. Padding counts as input."""
    kernel_h, kernel_w = layer.kernel_size
    out_h, out_w = layer.output_size
    weights = layer.out_channels * (layer.in_channels // layer.groups) * kernel_h * kernel_w
    return layer.batch * out_h * out_w * weights


def elements_moved(layer: ConvLayer) -> int:
    """Input, weights and biases read once, output written once, in elements. Multiply by the dtype's bytes."""
    in_h, in_w = layer.input_size
    out_h, out_w = layer.output_size
    pixels = layer.in_channels * in_h * in_w + layer.out_channels * out_h * out_w
    return layer.batch * pixels + params(layer)


@dataclass(frozen=True, slots=True)
class Cost:
    """The closed forms of both forms of one layer; traffic is in bytes at the layer's dtype."""

    params: Counts
    macs: Counts
    traffic: Counts

    @property
    def intensity(self) -> Intensity:
        """FLOPs ÷ bytes of traffic (Williams et al., "Roofline", CACM 2009)."""
        flops, moved = self.macs, self.traffic

        def per_byte(count: int, size: int) -> Fraction:
            return Fraction(FLOPS_PER_MAC * count, size)

        return Intensity(
            per_byte(flops.ordinary, moved.ordinary),
            per_byte(flops.depthwise, moved.depthwise),
            per_byte(flops.pointwise, moved.pointwise),
            per_byte(flops.separable, moved.separable),
        )


def cost(spec: ConvSpec) -> Cost:
    """Closed forms of both forms of `spec`."""
    (whole,) = ordinary(spec)
    depthwise, pointwise = separable(spec)
    size = spec.element_bytes
    return Cost(
        params=Counts(params(whole), params(depthwise), params(pointwise)),
        macs=Counts(macs(whole), macs(depthwise), macs(pointwise)),
        traffic=Counts(
            size * elements_moved(whole), size * elements_moved(depthwise), size * elements_moved(pointwise)
        ),
    )


def approximate(spec: ConvSpec, closed: Cost) -> Approximation:
    """How far R×S is from the exact ratios of `closed`, and whether its assumptions hold for `spec`.

    The exact ratio without biases and with M = 1 is 1 / (1/K + 1/(R·S)); R×S drops the 1/K.
    """
    taps = spec.r * spec.s
    narrowest = min(spec.k, spec.c)
    return Approximation(
        ratio=taps,
        params=closed.params,
        macs=closed.macs,
        kernel_small=MUCH_LESS * taps <= narrowest,
        channels_many=narrowest >= MUCH_LESS,
        multiplier_one=spec.depth_multiplier == 1,
    )

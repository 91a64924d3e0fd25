"""What a runtime is given: convolutions in a row, with numbers for weights, and an image. Needs numpy.

The numbers are random, of a size that keeps what flows through the chain at a standard deviation of about 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsconv_cli.layer.forms import ConvLayer

Array = NDArray[Any]

#: Weights of 8 bits use 7 of them: processors without VNNI add two products in 16 bits, and 2 · 255 · 127 does not fit.
_LARGEST_WEIGHT: Final = 63
#: What 8 bits of an activation reach, in standard deviations; what lies beyond is clipped, by all alike.
_REACH: Final = 6.0
_UNIFORM: Final = math.sqrt(3)


class Step(NamedTuple):
    """How unsigned 8-bit integers stand for numbers: number = `scale` · (integer - `zero`)."""

    scale: float
    zero: int

    def numbers(self, integers: Array) -> Array:
        """What they stand for."""
        return np.asarray((integers.astype(np.float32) - self.zero) * np.float32(self.scale))

    def integers(self, numbers: Array) -> Array:
        """The nearest integers, clipped."""
        return np.asarray(np.clip(np.rint(numbers / self.scale) + self.zero, 0, 255).astype(np.uint8))


class Operator(NamedTuple):
    """One convolution and its numbers.

    `weight` is (K, C ÷ groups, R, S) and `bias` (K) or None: float32. Quantised, `weight` is int8, one unit of it
    worth the channel's entry in `scales` (K), and `bias` int32, one unit worth that times the scale of the input.
    """

    layer: ConvLayer
    weight: Array
    bias: Array | None
    scales: Array | None = None


class Chain(NamedTuple):
    """Convolutions in a row, and the (N, C, H, W) image that goes in: float32, or uint8 where they are quantised.

    `steps` are then those of the image and of what each convolution makes of it; else there are none.
    """

    operators: tuple[Operator, ...]
    image: Array
    steps: tuple[Step, ...] = ()

    @property
    def quantised(self) -> bool:
        """Whether it computes with integers of 8 bits."""
        return bool(self.steps)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, K, H', W')."""
        last = self.operators[-1].layer
        return (last.batch, last.out_channels, *last.output_size)

    def bias(self, index: int) -> Array | None:
        """What the bias of a convolution stands for, (K)."""
        one = self.operators[index]
        if one.bias is None or one.scales is None:
            return one.bias
        return np.asarray(one.bias * one.scales * self.steps[index].scale)

    def numbers(self, output: Array) -> Array:
        """What its output stands for, float32."""
        return self.steps[-1].numbers(output) if self.quantised else np.asarray(output, np.float32)


def chain_of(layers: Sequence[ConvLayer], *, quantised: bool = False, seed: int = 0) -> Chain:
    """Random numbers for `layers`, each of which takes what the one before it gives; the same for the same seed."""
    random = np.random.default_rng(seed)
    first = layers[0]
    shape = (first.batch, first.in_channels, *first.input_size)
    operators = tuple(_operator(layer, random) for layer in layers)
    if not quantised:
        return Chain(operators, random.random(shape, np.float32) * 2 * np.float32(_UNIFORM) - np.float32(_UNIFORM))
    steps = (Step(2 * _UNIFORM / 255, 128), *[Step(2 * _REACH / 255, 128)] * len(layers))
    return Chain(
        tuple(_quantised(one, step) for one, step in zip(operators, steps, strict=False)),
        random.integers(0, 256, shape, np.uint8),
        steps,
    )


def _operator(layer: ConvLayer, random: np.random.Generator) -> Operator:
    shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
    reach = np.float32(_UNIFORM / math.sqrt(math.prod(shape[1:])))
    weight = random.random(shape, np.float32)
    weight -= np.float32(0.5)
    weight *= 2 * reach
    bias = random.random(layer.out_channels, np.float32) - np.float32(0.5) if layer.bias else None
    return Operator(layer, weight, bias)


def _quantised(one: Operator, step: Step) -> Operator:
    largest = np.abs(one.weight).max(axis=(1, 2, 3), keepdims=True)
    scales = np.maximum(largest, np.float32(1e-6)) / np.float32(_LARGEST_WEIGHT)
    weight = np.rint(one.weight / scales).astype(np.int8)
    scales = scales.reshape(-1)
    bias = None if one.bias is None else np.rint(one.bias / (step.scale * scales)).astype(np.int32)
    return Operator(one.layer, weight, bias, scales)

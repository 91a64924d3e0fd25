"""What a chain computes by torch's ordinary convolution, and whether a runtime computes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.numbers import by

if TYPE_CHECKING:
    from dsconv_cli.timing.runtimes.chain import Array, Chain, Operator

#: How far an output, whose standard deviation is about 1, may lie off. Half of what a computation in the next smaller
#: dtype is off by, and for float32 above what TF32 is off by, which CUDA uses unless told otherwise. Winograd's
#: transforms cost float32 2e-5.
_TOLERANCE: Final = {"float64": 1e-4, "float32": 5e-3, "float16": 2e-2, "bfloat16": 1e-1}
#: Quantised, in steps of the output: both sides round, and a number between two steps may go either way; what is
#: rounded between two convolutions goes either way too, and its effect is seldom more than a step more.
_STEPS: Final = 2.01


def reference(chain: Chain) -> Array:
    """The output (N, K, H', W') in float32, computed in float32 but for what the chain rounds to integers."""
    value = _tensor(chain.steps[0].numbers(chain.image) if chain.quantised else chain.image)
    for index, one in enumerate(chain.operators):
        value = _convolved(chain, index, one, value)
        if chain.quantised:
            step = chain.steps[index + 1]
            value = _tensor(step.numbers(step.integers(value.numpy())))
    return value.numpy()


def _convolved(chain: Chain, index: int, one: Operator, value: torch.Tensor) -> torch.Tensor:
    layer, weight, bias = one.layer, one.weight, one.bias
    if one.scales is not None:
        weight = weight * one.scales.reshape(-1, 1, 1, 1)
        bias = None if bias is None else bias * one.scales * chain.steps[index].scale
    (top, left), (bottom, right) = layer.padding, layer.padding_end
    padded = functional.pad(value, (left, right, top, bottom))
    return functional.conv2d(
        padded,
        _tensor(weight),
        None if bias is None else _tensor(bias),
        layer.stride,
        0,
        layer.dilation,
        layer.groups,
    )


def _tensor(numbers: Array) -> torch.Tensor:
    return torch.from_numpy(numbers.astype("float32"))


def tolerance(chain: Chain, dtype: str) -> float:
    """How far an output may lie off the reference."""
    return _STEPS * chain.steps[-1].scale if chain.quantised else _TOLERANCE[dtype]


def refuse_wrong(title: str, what: str, chain: Chain, output: Array, dtype: str) -> None:
    """Hold an output against the reference.

    Raises:
        CannotMeasureError: it is another; the message names the runtime.
    """
    expected = reference(chain)
    if output.shape != expected.shape:
        raise CannotMeasureError(
            f"{title} gave {by(*output.shape)} for the {what} form, and {by(*expected.shape)} is right"
        )
    off = float(abs(output - expected).max())
    # Written so that nan is refused as well.
    if not off <= tolerance(chain, dtype):
        raise CannotMeasureError(
            f"{title} computed the {what} form wrong: it is off by {off:.2g} where {tolerance(chain, dtype):.2g} is "
            "the most that rounding explains; it was not timed"
        )

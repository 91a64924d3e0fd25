"""What a chain computes by torch's ordinary convolution, and whether a runtime computes what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.numbers import by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dsconv_cli.timing.runtimes.chain import Array, Chain, Operator

#: How far an output, whose standard deviation is about 1, may lie off. Half of what a computation in the next smaller
#: dtype is off by, and for float32 above what TF32 is off by, which CUDA uses unless told otherwise. Winograd's
#: transforms cost float32 2e-5.
_TOLERANCE: Final = {"float64": 1e-4, "float32": 5e-3, "float16": 2e-2, "bfloat16": 1e-1}
#: Quantised, in steps of the output: both sides round, and a number between two steps may go either way; what is
#: rounded between two convolutions goes either way too, and its effect is seldom more than a step more.
_STEPS: Final = 2.01
#: A whole network's, as a part of the largest: two programs round a hundred layers differently.
_OF_THE_LARGEST: Final = 1e-2


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
    layer, weight, bias = one.layer, one.weight, chain.bias(index)
    if one.scales is not None:
        weight = weight * one.scales.reshape(-1, 1, 1, 1)
    (top, left), (bottom, right) = layer.padding, layer.padding_end
    padded = functional.pad(value, (left, right, top, bottom))
    return functional.conv2d(
        padded, _tensor(weight), None if bias is None else _tensor(bias), layer.stride, 0, layer.dilation, layer.groups
    )


def _tensor(numbers: Array) -> torch.Tensor:
    return torch.from_numpy(numbers.astype("float32"))


def rounding(right: Array) -> float:
    """How far a network's output may lie off torch's."""
    return _OF_THE_LARGEST * max(float(abs(right).max()), 1e-6)


def refuse_wrong_form(title: str, form: str, chain: Chain, output: Array, dtype: str) -> None:
    """Hold a form's output against the reference. Raises as `refuse_wrong` does."""
    most = _STEPS * chain.steps[-1].scale if chain.quantised else _TOLERANCE[dtype]
    refuse_wrong(title, f"{form} form", [output], [reference(chain)], lambda _: most)


def refuse_wrong(
    title: str, what: str, outputs: Sequence[Array], right: Sequence[Array], most: Callable[[Array], float]
) -> None:
    """Hold outputs against those that are `right`, of which each may be off by `most`.

    Raises:
        CannotMeasureError: one is another; the message names the runtime.
    """
    if [one.shape for one in outputs] != [one.shape for one in right]:
        gave, expected = (", ".join(by(*one.shape) for one in some) for some in (outputs, right))
        raise CannotMeasureError(f"{title} gave {gave} for the {what}, and {expected} is right")
    for output, one in zip(outputs, right, strict=True):
        # Of labels and indices one may turn over where two scores round to the same.
        if not one.size or one.dtype.kind not in "fc":
            continue
        off = float(abs(output - one).max())
        # Written so that nan is refused as well.
        if not off <= most(one):
            raise CannotMeasureError(
                f"{title} computed the {what} wrong: it is off by {off:.2g} where {most(one):.2g} is the most that "
                "rounding explains; it was not timed"
            )

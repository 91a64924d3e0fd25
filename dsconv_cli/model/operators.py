"""What torch's own counter does not know of operators: formulas it lacks, who looks at values, who is left uncounted.

Operators are told by the names of their schemas, such as "aten::mv", so that none has to be there: torchvision's are
not, where torchvision is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

#: An operator's arguments by the names in its schema.
Arguments = Mapping[str, Any]

#: Arguments and result → MACs.
Formula = Callable[[Arguments, Any], int]

CONVOLUTIONS: Final = frozenset(
    {
        *(f"aten::{name}" for name in ("convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution")),
        *(f"aten::{name}" for name in ("convolution_overrideable", "conv1d", "conv2d", "conv3d", "conv_tbc")),
        *(f"aten::conv_transpose{axes}d" for axes in (1, 2, 3)),
        "torchvision::deform_conv2d",
    }
)
_QUANTISED: Final = re.compile(r"quantized::(conv_transpose|conv|linear)\w*")


def name_of(func: Any) -> str:
    """The name in the operator's schema; empty for what has none, such as control flow."""
    schema = getattr(func, "_schema", None)
    return "" if schema is None else str(schema.name)


def convolves(name: str) -> bool:
    """Whether the operator is a convolution of some kind."""
    return name in CONVOLUTIONS or name.startswith("quantized::conv")


def arguments_of(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
    """The arguments by name."""
    names = (argument.name for argument in func._schema.arguments)  # noqa: SLF001  # torch has no other way
    return {**dict(zip(names, args, strict=False)), **kwargs}


def weight_of(given: Arguments) -> torch.Tensor | None:
    """The weight of a convolution or linear operator, unpacked where it is packed."""
    weight = given.get("weight")
    if isinstance(weight, torch.Tensor):
        return weight
    packed = next((value for value in given.values() if hasattr(value, "unpack")), None)
    return None if packed is None else packed.unpack()[0]


def macs_of(name: str, given: Arguments, result: Any) -> int | None:
    """The MACs of an operator that torch's counter takes for nothing; None where no formula is known."""
    formula = FORMULAS.get(name)
    if formula is not None:
        return formula(given, result)
    kind = _QUANTISED.fullmatch(name)
    if kind is None or not isinstance(result, torch.Tensor):
        return None
    return _transposed(given, result) if kind[1] == "conv_transpose" else _each_output(given, result)


def _each_output(given: Arguments, result: Any) -> int:
    """A convolution or linear layer: every output is a sum over one filter, N·K·H'·W' × (C/groups)·R·S.

    The definition of the layer, as in arXiv 1603.07285; quantised, it is the same sum of whole numbers. A deformable
    convolution (arXiv 1703.06211) is it too, at other places of its input; finding them is not counted.
    """
    weight = weight_of(given)
    assert weight is not None
    return int(result.numel() * weight[0].numel())


def _transposed(given: Arguments, _: Any) -> int:
    """A transposed convolution: every input meets every weight of its channel, N·C·H·W × (K/groups)·R·S."""
    weight, image = weight_of(given), next(value for value in given.values() if isinstance(value, torch.Tensor))
    assert weight is not None
    return image.numel() * weight[0].numel()


def _conv_tbc(given: Arguments, result: Any) -> int:
    """A 1-D convolution on T×B×C, its weight R×C×K: every output is a sum over R·C."""
    taps, channels, _ = given["weight"].shape
    return int(result.numel() * taps * channels)


def _bilinear(given: Arguments, _: Any) -> int:
    """`torch.nn.Bilinear`, x₁ᵀ·A·x₂ with A of K×I×J (its documentation): x₁ᵀ·A is K·I·J, times x₂ another K·J."""
    left, weight, right = given["i1"], given["i2"], given["i3"]
    rows = left.shape[0]
    return int(rows * (weight.numel() + weight.shape[0] * right.shape[-1]))


def _fused_lstm(given: Arguments, _: Any) -> int:
    """One layer in one direction: at each step of each sequence the input meets W_ih (4H×I), the state W_hh (4H×H).

    The equations in the documentation of `torch.nn.LSTM`; torch counts the same where the layer is not fused.
    """
    steps, batch, _ = given["input"].shape
    return int(steps * batch * (given["weight0"].numel() + given["weight1"].numel()))


def _quantised_recurrence(gates: int) -> Formula:
    """A whole LSTM (4 gates) or GRU (3), whose weights are out of sight: the same sum from its sizes."""

    def formula(given: Arguments, _: Any) -> int:
        data = given["input"] if "input" in given else given["data"]
        states = given["hx"]
        hidden = (states[0] if isinstance(states, list | tuple) else states).shape[-1]
        directions = 2 if given["bidirectional"] else 1
        sizes = [data.shape[-1]] + [hidden * directions] * (given["num_layers"] - 1)
        each = sum(directions * gates * hidden * (size + hidden) for size in sizes)
        return int(data.numel() // data.shape[-1] * each)

    return formula


def _quantised_cell(given: Arguments, _: Any) -> int:
    """One step: the input meets W_ih, the state W_hh."""
    return int(given["input"].shape[0] * sum(given[name].unpack()[0].numel() for name in ("w_ih", "w_hh")))


#: What the counter of torch 2.13 leaves out, by its name in torch. A product of n×k and k×m matrices is n·k·m MACs.
FORMULAS: Final[Mapping[str, Formula]] = {
    "aten::mv": lambda given, _: given["self"].numel(),
    "aten::addmv": lambda given, _: given["mat"].numel(),
    "aten::dot": lambda given, _: given["self"].numel(),
    "aten::vdot": lambda given, _: given["self"].numel(),
    "aten::addbmm": lambda given, _: given["batch1"].numel() * given["batch2"].shape[-1],
    "aten::_addmm_activation": lambda given, _: given["mat1"].numel() * given["mat2"].shape[-1],
    "aten::_int_mm": lambda given, _: given["self"].numel() * given["mat2"].shape[-1],
    "quantized::matmul": lambda given, _: given["qa"].numel() * given["qb"].shape[-1],
    "aten::conv_tbc": _conv_tbc,
    "torchvision::deform_conv2d": _each_output,
    "aten::_trilinear": _bilinear,
    "aten::mkldnn_linear": _each_output,
    "aten::mkldnn_rnn_layer": _fused_lstm,
    "aten::quantized_lstm": _quantised_recurrence(4),
    "aten::quantized_gru": _quantised_recurrence(3),
    **{
        f"quantized::quantized_{kind}_cell_dynamic": _quantised_cell for kind in ("lstm", "gru", "rnn_relu", "rnn_tanh")
    },
}

#: What takes a weight and a tensor and is no product of them: lookups, copies, norms, resampling, comparisons.
_NO_PRODUCT: Final = re.compile(
    r"aten::(.*norm.*|_?embedding.*|cat|stack|.*copy.*|.*scatter.*|index.*|_index.*|_unsafe_index.*|put|fill.*"
    r"|.*_like|new_.*|.*grid_sampler.*|searchsorted|bucketize|_prelu_kernel|.*prelu|.*fake_quant.*|.*_loss.*"
    r"|_foreach_.*|.*dropout.*|.*upsample.*|.*_pool.*|max|min|set_|where|heaviside|_assert.*|sym_.*)"
    r"|quantized::(add|mul|cat|.*norm.*|embedding.*|.*prelu)\w*"
)


def may_multiply(func: Any) -> bool:
    """Whether an operator that takes a weight and something else could be a product of the two.

    Elementwise operators, views and what `_NO_PRODUCT` lists are not; of any other, custom ones too, it is not known.
    """
    return not (torch.Tag.pointwise in func.tags or shows_only(func) or _NO_PRODUCT.fullmatch(name_of(func)))


def shows_only(func: Any) -> bool:
    """Whether the operator gives a view of its argument, or what has its shape, dtype or device and not its values."""
    results = [result.alias_info for result in func._schema.returns]  # noqa: SLF001  # torch has no other way
    view = any(alias is not None and not alias.is_write for alias in results)
    name = name_of(func).partition("::")[2]
    return view or name.startswith(("new_", "empty", "sym_")) or name.endswith("_like")


def looks_at_values(func: Any, args: tuple[Any, ...]) -> str | None:
    """How an operator lets a program depend on values: "surely", "maybe", or None where it does not.

    A size that follows from values (`nonzero`) or a truth or whole number that is read is there to decide something. A
    number with a fraction may be decided by, or printed.
    """
    name = name_of(func)
    if torch.Tag.dynamic_output_shape in func.tags or name == "torchvision::nms":
        # Only a mask makes the size of an index depend on its values.
        masks = args[1] if name == "aten::index" else [None]
        by_values = name != "aten::index" or any(_is_mask(mask) for mask in masks)
        return "surely" if by_values else None
    if torch.Tag.data_dependent_output not in func.tags:
        return None
    read = args[0] if args else None
    fraction = isinstance(read, torch.Tensor) and (read.dtype.is_floating_point or read.dtype.is_complex)
    return "maybe" if fraction and name == "aten::_local_scalar_dense" else "surely"


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype in {torch.bool, torch.uint8}

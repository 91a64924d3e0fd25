"""What an operator of ONNX multiplies, in MACs, from the shapes of what goes in and comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from onnx import AttributeProto, helper

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.model.graph.reading import first_output
from dsconv_cli.model.graph.shapes import Shape
from dsconv_cli.model.result import Operator


class Kind(NamedTuple):
    """An operator that convolves or multiplies: which of its inputs are image, weight and bias, and its MACs.

    `macs` is given the node and the shapes of image, weight and output; None where they do not fit each other.
    """

    operator: Operator
    macs: Callable[[Any, Shape, Shape, Shape], int | None]
    image: int = 0
    weight: int = 1
    bias: int | None = None
    reason: str | None = None


_WHOLE: Final = {"group": AttributeProto.INT, "transA": AttributeProto.INT, "auto_pad": AttributeProto.STRING}
_LISTS: Final = ("strides", "pads", "dilations", "kernel_shape")
#: The attributes that are asked for here, and their types.
_TYPES: Final = {**_WHOLE, **dict.fromkeys(_LISTS, AttributeProto.INTS)}


def attributes(node: Any) -> dict[str, Any]:
    """Its attributes by name, text as text.

    Raises:
        DsconvError: one of them is of another type than ONNX gives it, or refers to one of a function.
    """
    asked = [one for one in node.attribute if one.name in _TYPES]
    for one in asked:
        if one.type != _TYPES[one.name] or one.ref_attr_name:
            wrong = "refers to a function that it is not in" if one.ref_attr_name else "is of a wrong type"
            raise DsconvError(f"{one.name} of its {node.op_type} {quoted(node.name or first_output(node))} {wrong}")
    found = {one.name: helper.get_attribute_value(one) for one in asked}
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for name, value in found.items()
    }


def _convolution(_: Any, image: Shape, weight: Shape, output: Shape) -> int | None:
    """Each output is a sum over C ÷ groups channels and the kernel."""
    if len(image) != len(weight) or len(output) != len(weight) or len(weight) < 3:
        return None
    return math.prod(output) * math.prod(weight[1:])


def _transposed(_: Any, image: Shape, weight: Shape, output: Shape) -> int | None:
    """Each input goes into K ÷ groups channels and the kernel."""
    if len(image) != len(weight) or len(output) != len(weight) or len(weight) < 3:
        return None
    return math.prod(image) * math.prod(weight[1:])


def _product(_: Any, one: Shape, other: Shape, output: Shape) -> int | None:
    inner = one[-1] if one else 0
    return math.prod(output) * inner if inner == other[-2 if len(other) > 1 else -1] else None


def _general(node: Any, one: Shape, other: Shape, output: Shape) -> int | None:
    if len(one) != 2 or len(other) != 2:
        return None
    return math.prod(output) * one[0 if attributes(node).get("transA") else 1]


_QUANTISED: Final = "quantised"

#: By domain ("" is ONNX's own) and name.
KINDS: Final[Mapping[tuple[str, str], Kind]] = {
    ("", "Conv"): Kind("convolution", _convolution, bias=2),
    ("", "ConvTranspose"): Kind("convolution", _transposed, bias=2, reason="transposed"),
    ("", "ConvInteger"): Kind("convolution", _convolution, reason=_QUANTISED),
    ("", "QLinearConv"): Kind("convolution", _convolution, weight=3, bias=8, reason=_QUANTISED),
    ("com.microsoft", "FusedConv"): Kind("convolution", _convolution, bias=2, reason="fused with its activation"),
    ("", "MatMul"): Kind("matmul", _product),
    ("", "MatMulInteger"): Kind("matmul", _product),
    ("", "QLinearMatMul"): Kind("matmul", _product, weight=3),
    ("", "Gemm"): Kind("linear", _general, bias=2),
}

#: What computes with weights too, or may, and has no formula here.
UNCOUNTED: Final = frozenset({"Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN"})


def kind_of(node: Any) -> Kind | None:
    """What a node does, if it convolves or multiplies."""
    return KINDS.get(("" if node.domain == "ai.onnx" else node.domain, node.op_type))

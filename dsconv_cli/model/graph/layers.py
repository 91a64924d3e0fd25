"""Rows from a graph: every operator that convolves or multiplies, its counts, and whether it could be replaced."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from onnx import TensorProto

from dsconv_cli.errors import SpecError
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.model.graph.operators import UNCOUNTED, Kind, attributes, kind_of
from dsconv_cli.model.graph.reading import GraphFile, first_output, graphs_of, names_of, type_name
from dsconv_cli.model.graph.shapes import Shape, Shapes
from dsconv_cli.model.result import Layer
from dsconv_cli.numbers import by

#: Types of weights that a pair can have, as `compare` calls them.
DTYPES: Final = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
}

#: Of a number where no weight tells its type.
_USUAL_BYTES: Final = 4

#: Why a convolution is in no total.
NO_SHAPE: Final = "its shape cannot be inferred"


@dataclass(frozen=True, slots=True)
class Rows:
    """The layers of a graph, and the names of their weights and biases.

    `unknown` are the names of layers whose shapes are not known, `uncounted` the operators that are in no total.
    """

    layers: tuple[Layer, ...]
    weights: frozenset[str]
    unknown: tuple[str, ...]
    uncounted: tuple[str, ...]

    @property
    def macs(self) -> int:
        """Of all that could be counted."""
        return sum(layer.macs for layer in self.layers)


def rows_of(graph: GraphFile, nodes: Sequence[Any], shapes: Shapes, multiplier: int = 1) -> Rows:
    """Every layer of `nodes`, in their order; those of inner graphs behind their node, named and not counted."""
    users = Counter(name for node in _all(nodes) for name in set(node.input))
    users.update(one.name for one in graph.model.graph.output)
    seen: set[str] = set()
    layers, unknown, uncounted = [], [], []
    for node, name in zip(nodes, names_of(nodes), strict=True):
        kind = kind_of(node)
        if kind is not None:
            layer, known = _layer(graph, node, name, kind, shapes, seen)
            layers.append(
                _judged(graph, node, layer, kind, users, multiplier) if kind.operator == "convolution" else layer
            )
            if not known:
                unknown.append(name)
                uncounted.append(node.op_type)
        elif node.op_type in UNCOUNTED:
            uncounted.append(node.op_type)
        for inner in _inner_layers(node, name):
            layers.append(inner)
            uncounted.append(f"{inner.type} in {node.op_type}")
    uncounted += [f"the function {one.name}" for one in graph.model.functions]
    return Rows(tuple(layers), frozenset(seen), tuple(unknown), tuple(dict.fromkeys(uncounted)))


def _inner_layers(node: Any, name: str) -> Iterator[Layer]:
    """What a node holds in graphs of its own: nobody knows whether, or how often, that runs."""
    for one in _all(list(_inner(node))):
        kind = kind_of(one)
        if kind is not None:
            inside = f"{name}/{one.name or first_output(one)}"
            yield Layer(inside, one.op_type, kind.operator, 0, 0, 0, reason=f"inside {node.op_type}")


def _inner(node: Any) -> Iterator[Any]:
    """The nodes of the graphs that a node holds, such as the branches of an If."""
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            yield from graph.node


def _all(nodes: Sequence[Any]) -> Iterator[Any]:
    """`nodes` and those inside of them. As deep as a message may be nested: a hundred at most."""
    for node in nodes:
        yield node
        yield from _all(list(_inner(node)))


def _input(node: Any, index: int | None) -> str:
    return node.input[index] if index is not None and index < len(node.input) else ""


def _layer(graph: GraphFile, node: Any, name: str, kind: Kind, shapes: Shapes, seen: set[str]) -> tuple[Layer, bool]:
    """The row of a node, and whether its shapes are known. Parameters that were `seen` are not counted again."""
    weights = [one for one in (_input(node, kind.weight), _input(node, kind.bias)) if one]
    image, weight, output = (
        shapes.get(one) for one in (_input(node, kind.image), _input(node, kind.weight), first_output(node))
    )
    known = image is not None and weight is not None and output is not None
    macs = kind.macs(node, image, weight, output) if image and weight and output else None
    own = {one for one in weights if one in graph.constants} - seen
    seen |= own
    params = sum(map(graph.size, own))
    layer = Layer(
        *(name, node.op_type, kind.operator, 1, params, macs or 0, weight, image, output),
        weight_bytes=sum(map(graph.stored, own)),
        activation_bytes=_alive(graph, _input(node, kind.weight), image, weight, output),
    )
    return layer, known and macs is not None


def _alive(graph: GraphFile, name: str, image: Shape | None, weight: Shape | None, output: Shape | None) -> int:
    """Bytes of what goes in and comes out, where that is known, each number as wide as those of the weight `name`."""
    if image is None or output is None:
        return 0
    if name in graph.constants:
        return (math.prod(image) + math.prod(output)) * graph.stored(name) // max(graph.size(name), 1)
    return _USUAL_BYTES * (math.prod(image) + math.prod(weight or ()) * (weight is not None) + math.prod(output))


def _judged(graph: GraphFile, node: Any, layer: Layer, kind: Kind, users: Mapping[str, int], multiplier: int) -> Layer:
    """The same with the reason why it cannot be replaced, or with its form as `compare` takes it."""
    weight = _input(node, kind.weight)
    reason = kind.reason or _by_weight(graph, node, weight, users)
    if layer.inputs is None or layer.outputs is None:
        return replace(layer, reason="; ".join(filter(None, (reason, NO_SHAPE))))
    if reason is not None:
        return replace(layer, reason=reason)
    try:
        spec = _spec(graph, node, weight, layer.inputs, multiplier)
    except SpecError:
        return replace(layer, reason="no form for this input")
    if spec is None:
        return replace(layer, reason="padding that differs on its sides")
    found = replace(layer, spec=spec, eligible=True)
    # A convolution that still counts otherwise does something that is not understood here.
    plain = found.cost is not None and found.cost.macs.ordinary == layer.macs and spec.output_shape == layer.outputs
    return found if plain else replace(layer, reason="counted otherwise than a plain convolution")


def _by_weight(graph: GraphFile, node: Any, weight: str, users: Mapping[str, int]) -> str | None:
    """What forbids it whatever its input is."""
    tensor = graph.constants.get(weight)
    if tensor is None:
        return "its weight is computed"
    dims = tuple(tensor.dims)
    if len(dims) != 4:
        return f"{len(dims) - 2}-D" if len(dims) > 2 else "no form for its weight"
    return _not_dense(attributes(node), dims) or _not_ours(tensor.data_type, users[weight])


def _not_dense(said: Mapping[str, Any], dims: Shape) -> str | None:
    groups, kernel = said.get("group", 1), said.get("kernel_shape")
    if kernel and tuple(kernel) != dims[2:]:
        return f"says its kernel is {by(*kernel)}, its weight {by(*dims[2:])}"
    if groups != 1:
        return "already depthwise" if dims[1] == 1 else f"grouped ({groups} groups)"
    return "1×1" if dims[2:] == (1, 1) else None


def _not_ours(data_type: int, users: int) -> str | None:
    if data_type not in DTYPES:
        return f"no form for {type_name(data_type)}"
    return "shares its weights with another operator" if users > 1 else None


def _spec(graph: GraphFile, node: Any, weight: str, image: Shape, multiplier: int) -> ConvSpec | None:
    """As `compare` takes it; None where the padding cannot be written so."""
    said = attributes(node)
    k, c, r, s = graph.constants[weight].dims
    biased = bool(_input(node, 2))
    stride, dilation = (tuple(said.get(name) or (1, 1)) for name in ("strides", "dilations"))

    def spec(padding: str | tuple[int, int]) -> ConvSpec:
        return ConvSpec(
            *(k, c, r, s), h=image[2], w=image[3], batch=image[0], stride=stride, padding=padding, dilation=dilation,
            depth_multiplier=multiplier, bias=Bias(ordinary=biased, depthwise=False, pointwise=biased),
            dtype=DTYPES[graph.constants[weight].data_type],
        )  # fmt: skip

    begin, end = _pads(said, image, (r, s), stride, dilation)
    if begin == end:
        return spec(begin)
    if stride != (1, 1):
        return None
    same = spec("same")
    return same if (same.padding, same.padding_end) == (begin, end) else None


def _pads(
    said: Mapping[str, Any], image: Shape, kernel: Shape, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding above and to the left, and below and to the right."""
    mode = said.get("auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        pads = tuple(said.get("pads") or (0, 0, 0, 0)) if mode == "NOTSET" else (0, 0, 0, 0)
        return (pads[0], pads[1]), (pads[2], pads[3])
    begin, end = [], []
    for size, taps, step, gap in zip(image[2:], kernel, stride, dilation, strict=True):
        whole = max(0, (-(-size // step) - 1) * step + gap * (taps - 1) + 1 - size)
        small, large = whole // 2, whole - whole // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    return (begin[0], begin[1]), (end[0], end[1])

"""A graph in which convolutions are depthwise separable pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from onnx import helper

from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.graph.reading import names_of

#: How the names of weights begin that a replacement brings.
_NEW: Final = "dsconv/"


def weights_of(name: str) -> tuple[str, str]:
    """What the weights of the pair in the place of `name` are called."""
    return f"{_NEW}{name}/depthwise", f"{_NEW}{name}/pointwise"


def shapes_of(chosen: Mapping[str, ConvSpec]) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights that the pairs for `chosen` have, by their names."""
    found: dict[str, tuple[int, ...]] = {}
    for name, spec in chosen.items():
        depthwise, pointwise = weights_of(name)
        middle = spec.c * spec.depth_multiplier
        found[depthwise] = (middle, 1, spec.r, spec.s)
        found[pointwise] = (spec.k, middle, 1, 1)
    return found


def replaced(nodes: Sequence[Any], chosen: Mapping[str, ConvSpec]) -> list[Any]:
    """`nodes` with a pair in the place of each that is `chosen`, by its name."""
    return [
        one
        for node, name in zip(nodes, names_of(nodes), strict=True)
        for one in (_pair(node, name, chosen[name]) if name in chosen else (node,))
    ]


def _pair(node: Any, name: str, spec: ConvSpec) -> Iterator[Any]:
    """Stride, padding and dilation stay in the depthwise half, as they are written; a bias goes to the pointwise."""
    depthwise, pointwise = weights_of(name)
    middle = f"{_NEW}{name}/middle"
    first = helper.make_node("Conv", [node.input[0], depthwise], [middle], name=f"{name}/depthwise")
    first.attribute.extend(one for one in node.attribute if one.name != "group")
    first.attribute.append(helper.make_attribute("group", spec.c))
    yield first
    yield helper.make_node(
        "Conv", [middle, pointwise, *node.input[2:3]], list(node.output), name=f"{name}/pointwise", kernel_shape=[1, 1]
    )

"""Sizes that a graph computes from shapes: what a Reshape is given is mostly cut and put together from a Shape.

onnx follows such values only through the newest versions of a dozen operators. Those are what is computed here, on a
thousand numbers at most; anything else stays unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from dsconv_cli.model.graph.reading import GraphFile, is_external, is_standard

#: Constants with at most so many numbers may be sizes.
MOST_SIZES: Final = 1024
_ARITHMETIC: Final = frozenset(
    {"Add", "Cast", "Concat", "Div", "Gather", "Identity", "Mul", "Slice", "Squeeze", "Sub", "Unsqueeze"}
)

Sizes = dict[str, NDArray[Any]]


def is_small(tensor: Any) -> bool:
    """Whether a constant may be sizes rather than weights."""
    return math.prod(tensor.dims) <= MOST_SIZES and not is_external(tensor)


def follow(graph: GraphFile, nodes: Sequence[Any], shapes: dict[str, tuple[int, ...]], known: Sizes) -> bool:
    """Add to `known` what follows from `shapes`; whether that was anything. Nodes are in the order of their work."""
    before = len(known)
    for node in nodes:
        if not is_standard(node) or len(node.output) != 1 or node.output[0] in known:
            continue
        if node.op_type == "Shape" and len(node.input) == 1 and not node.attribute and node.input[0] in shapes:
            known[node.output[0]] = np.array(shapes[node.input[0]], np.int64)
        elif node.op_type in _ARITHMETIC:
            found = _computed(graph, node, known)
            if found is not None and found.size <= MOST_SIZES:
                known[node.output[0]] = found
    return len(known) > before


def _computed(graph: GraphFile, node: Any, known: Sizes) -> NDArray[Any] | None:
    """What onnx's own definition of the operator gives; None where its inputs are not known, or are not for it."""
    names = [name for name in dict.fromkeys(node.input) if name]
    if not all(name in known or (name in graph.constants and is_small(graph.constants[name])) for name in names):
        return None
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names]
    outputs = [helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UNDEFINED, None)]
    one = helper.make_graph([node], "one", inputs, outputs)
    model = helper.make_model(one, opset_imports=list(graph.model.opset_import), ir_version=graph.model.ir_version)
    try:
        given = {name: known[name] if name in known else graph.values(name) for name in names}
        (found,) = ReferenceEvaluator(model).run(None, given)
    except Exception:  # noqa: BLE001  whatever is wrong with it, nothing follows from it
        return None
    return np.asarray(found) if isinstance(found, np.ndarray | np.generic) else None

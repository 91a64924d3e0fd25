"""ONNX graphs for tests, built by hand with onnx's own helper."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def trained(shape, seed=0):
    """Weights with a common pattern in each filter: the second singular value is a third of the first."""
    random = np.random.default_rng(seed)
    pattern = random.standard_normal((1, shape[1], *shape[2:]))
    mixed = random.standard_normal((shape[0], shape[1], 1, 1))
    whole = mixed * pattern + 0.1 * random.standard_normal(shape)
    return (whole / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def constant(name, values):
    """A node that gives `values`, as some exporters write weights."""
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values, name))


def conv(image, weight, output, bias=None, **attributes):
    return helper.make_node("Conv", [image, weight, *([bias] if bias else [])], [output], name=output, **attributes)


def model(nodes, initializers, image=("n", 3, 16, 16), shape=None, opset=17):
    """One input, `image`, one output: that of the last node, of `shape`."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, name) for name, values in initializers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def small():
    """Two layers that can be replaced, one whose weight is a node, and one of each reason why not.

    stem 3→8, 3×3, stride 2 on 16×16; body 8→8, 3×3 with a bias; wide 8→16, 5×5, weight from a Constant node.
    """
    weights = {
        "stem.w": trained((8, 3, 3, 3)),
        "body.w": trained((8, 8, 3, 3), 1),
        "body.b": np.arange(8, dtype=np.float32),
        "point.w": trained((8, 16, 1, 1), 2),
        "depth.w": trained((8, 1, 3, 3), 3),
        "tied.w": trained((8, 8, 3, 3), 4),
        "up.w": trained((8, 4, 2, 2), 5),
        "head.w": trained((4, 10, 1, 1), 6).reshape(4, 10),
    }
    nodes = [
        constant("wide.w", trained((16, 8, 5, 5), 7)),
        conv("image", "stem.w", "stem", strides=[2, 2], pads=[1, 1, 1, 1]),
        conv("stem", "body.w", "body", "body.b", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["body"], ["relu"]),
        conv("relu", "wide.w", "wide", pads=[2, 2, 2, 2], kernel_shape=[5, 5]),
        conv("wide", "point.w", "point"),
        conv("point", "depth.w", "depth", group=8, auto_pad="SAME_UPPER"),
        conv("depth", "tied.w", "tied", pads=[1, 1, 1, 1]),
        conv("tied", "tied.w", "again", pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["again", "up.w"], ["up"], strides=[2, 2], name="up"),
        helper.make_node("GlobalAveragePool", ["up"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head.w"], ["logits"], name="head"),
    ]
    return model(nodes, weights, shape=("n", 10))


def save(found, path):
    path.write_bytes(found.SerializeToString())
    return path


def run(content, image):
    """What onnxruntime computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def check(path):
    """onnx's own checker."""
    onnx.checker.check_model(onnx.load(path), full_check=True)

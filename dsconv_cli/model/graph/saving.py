"""The graph with pairs in it, their weights fitted to the trained ones, as the bytes of a file that was run once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line, installed
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.graph.analysis import load
from dsconv_cli.model.graph.reading import (
    MOST_BYTES,
    GraphFile,
    constants_of,
    embed,
    first_output,
    is_external,
    tensors_of,
)
from dsconv_cli.model.graph.replacing import replaced, weights_of
from dsconv_cli.model.graph.shapes import inputs_of
from dsconv_cli.model.result import InputShape, ModelResult
from dsconv_cli.model.save_kinds import most_apart
from dsconv_cli.timing.worker.answers import Graph
from dsconv_cli.weights.decomposition import Factors, factors

if TYPE_CHECKING:
    from dsconv_cli.model.timing import ExportNetwork

#: What goes wrong is raised as well, and said in one line.
_LOG_FATAL: Final = 4


def saved(graph: GraphFile, result: ModelResult) -> bytes:
    """The file's network with the layers replaced that `result` says, all of it in one file.

    It is run once, beside the network as it was with the weights that the pairs stand for.

    Raises:
        DsconvError: a replaced layer has weights that are not finite.
        CannotMeasureError: it is too large for one file, or cannot be run, or computes something else.
    """
    chosen = {layer.name: layer.spec for layer in result.replaced if layer.spec is not None}
    found = {name: _factors(graph, name, spec) for name, spec in chosen.items()}
    content = _written(_with_pairs(graph, chosen, found))
    given = images(result.inputs)
    wanted = outputs_of(_written(_with_products(graph, found)), given)
    for one, other in zip(outputs_of(content, given), wanted, strict=True):
        if not _equal(one, other):
            raise CannotMeasureError(f"{graph.path} with its layers replaced computes something else; not saved")
    return content


def export_graph(job: ExportNetwork) -> Mapping[str, Graph]:
    """For the runtimes that take files: "ordinary" as it is, "separable" with the layers of `job` replaced.

    Raises:
        DsconvError: the file is not to be believed, or a replaced layer has no finite weights.
        CannotMeasureError: it cannot be run.
    """
    graph, chosen = load(job.recipe), dict(job.replaced)
    given = images(inputs_of(graph, job.recipe.inputs))
    found = {name: _factors(graph, name, spec) for name, spec in chosen.items()}
    # One after the other: a model is as large as its file.
    contents = {"ordinary": _written(_whole(graph)), "separable": _written(_with_pairs(graph, chosen, found))}
    return {name: Graph(content, given, tuple(outputs_of(content, given))) for name, content in contents.items()}


def _factors(graph: GraphFile, name: str, spec: ConvSpec) -> Factors:
    weight = graph.values(graph.nodes[name].input[1]).astype(np.float64)
    if not np.isfinite(weight).all():
        raise DsconvError(f"{name} has no finite weights that could be fitted")
    return factors(weight, spec.depth_multiplier)


def _whole(graph: GraphFile) -> Any:
    """A copy of the model with all its numbers in it."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for _, tensor in tensors_of(model):
        if is_external(tensor):
            embed(tensor, graph.path)
    return model


def _with_pairs(graph: GraphFile, chosen: Mapping[str, ConvSpec], found: Mapping[str, Factors]) -> Any:
    model = _whole(graph)
    nodes = replaced(list(model.graph.node), chosen)
    olds = {graph.nodes[name].input[1] for name in chosen}
    kept = [one for one in nodes if one.op_type != "Constant" or first_output(one) not in olds]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for field in (model.graph.initializer, model.graph.input, model.graph.value_info):
        left = [one for one in field if one.name not in olds]
        del field[:]
        field.extend(left)
    for name, pair in found.items():
        dtype = _dtype(graph, name)
        for weight, values in zip(weights_of(name), pair, strict=True):
            model.graph.initializer.append(numpy_helper.from_array(values.astype(dtype), weight))
    return model


def _with_products(graph: GraphFile, found: Mapping[str, Factors]) -> Any:
    """The model as it was, each weight the one that its pair stands for."""
    model = _whole(graph)
    constants = constants_of(model)
    for name, pair in found.items():
        tensor, dtype = constants[graph.nodes[name].input[1]], _dtype(graph, name)
        rounded = Factors(*(half.astype(dtype).astype(np.float64) for half in pair))
        product = rounded.product(tensor.dims[1]).astype(dtype)
        tensor.CopyFrom(numpy_helper.from_array(product, tensor.name))
    return model


def _dtype(graph: GraphFile, name: str) -> Any:
    return helper.tensor_dtype_to_np_dtype(graph.constants[graph.nodes[name].input[1]].data_type)


def _written(model: Any) -> bytes:
    if model.ByteSize() > MOST_BYTES:
        raise CannotMeasureError("an .onnx file holds at most 2 GiB; this network has more numbers than that")
    return bytes(model.SerializeToString())


def images(inputs: Sequence[InputShape]) -> dict[str, NDArray[Any]]:
    """Something to run a network on, the same each time, by the names of its inputs."""
    random = np.random.default_rng(0)
    return {one.name or "": _image(one, random) for one in inputs}


def outputs_of(content: bytes, given: Mapping[str, NDArray[Any]]) -> list[Any]:
    """What a file's network computes.

    Raises:
        CannotMeasureError: it cannot be run.
    """
    try:
        session, _ = session_of(content)
        return list(session.run(None, dict(given)))
    except Exception as error:
        raise CannotMeasureError(f"the network could not be run: {first_line(error)}") from error


def _image(one: InputShape, random: np.random.Generator) -> NDArray[Any]:
    dtype = np.dtype(one.dtype)
    # Zeros for whole numbers, which may be indices: 0 is always a valid one.
    return random.standard_normal(one.shape).astype(dtype) if dtype.kind == "f" else np.zeros(one.shape, dtype)


def session_of(content: bytes) -> tuple[Any, list[str]]:
    """What runs a file's network, ONNX Runtime or, where that is not installed, onnx itself; and its inputs' names."""
    if not installed("onnxruntime"):
        from onnx.reference import ReferenceEvaluator

        reference = ReferenceEvaluator(onnx.load_model_from_string(content))
        return reference, list(reference.input_names)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session, [one.name for one in session.get_inputs()]


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray) or one.dtype.kind not in "fc":
        # Labels and the like may turn over at a rounding error.
        return type(one) is type(other) and getattr(one, "shape", None) == getattr(other, "shape", None)
    reach = float(np.abs(other).max(initial=0.0))
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=most_apart(reach), equal_nan=True)

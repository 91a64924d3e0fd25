"""The shape of every value in a graph, as far as it follows from those of the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import onnx
from onnx import helper, numpy_helper

from dsconv_cli.errors import CannotMeasureError, DsconvError, first_line
from dsconv_cli.model.graph.reading import GraphFile, type_name
from dsconv_cli.model.graph.sizes import Sizes, follow, is_small
from dsconv_cli.model.result import InputShape

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

#: How often sizes that follow from shapes may give further shapes.
_MOST_ROUNDS: Final = 200


def inputs_of(graph: GraphFile, given: Sequence[InputShape]) -> tuple[InputShape, ...]:
    """The graph's inputs, with the sizes that it leaves free as they are `given`, by name or by their order.

    Raises:
        DsconvError: what is given is not what the graph takes; the message says what it takes.
    """
    wanted = [one for one in graph.model.graph.input if one.name not in graph.constants]
    by_name = {one.name: one for one in given if one.name is not None}
    in_order = [one for one in given if one.name is None]
    names = [one.name for one in wanted]
    unknown = next((name for name in by_name if name not in names), None)
    if unknown is not None or len(given) > len(wanted):
        told = ", ".join(map(_declared, wanted)) or "no input"
        raise DsconvError(
            f"the network takes {told}" + (f", and no {unknown!r}" if unknown else f", and was given {len(given)}")
        )
    found = []
    for one in wanted:
        said = by_name.get(one.name) or (in_order.pop(0) if in_order else None)
        found.append(_input(one, said))
    return tuple(found)


def _declared(value: Any) -> str:
    """`x (N×3×H×W)`."""
    return f"{value.name} ({'×'.join(_dim(one) for one in value.type.tensor_type.shape.dim) or 'scalar'})"


def _dim(one: Any) -> str:
    return str(one.dim_value) if one.dim_value > 0 else one.dim_param or "?"


def _input(value: Any, said: InputShape | None) -> InputShape:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise DsconvError(f"the network takes {value.name}, which is not a tensor")
    dtype = _dtype_name(value.name, kind.elem_type)
    declared = [one.dim_value if one.dim_value > 0 else None for one in kind.shape.dim]
    known = kind.HasField("shape")
    if said is None:
        if not known or None in declared:
            free = _declared(value) if known else f"{value.name}, of no shape that is said"
            raise DsconvError(f"the network needs `inputs`, such as (1, 3, 224, 224): it takes {free}")
        return InputShape(value.name, tuple(one for one in declared if one is not None), dtype)
    fits = len(said.shape) == len(declared) and all(
        size is None or size == given for size, given in zip(declared, said.shape, strict=True)
    )
    if known and not fits:
        raise DsconvError(f"the network takes {_declared(value)}, not {'×'.join(map(str, said.shape))}")
    if said.dtype not in ("", dtype):
        raise DsconvError(f"the network takes {value.name} as {dtype}, not {said.dtype}")
    return InputShape(value.name, said.shape, dtype)


def _dtype_name(name: str, element: int) -> str:
    try:
        return str(helper.tensor_dtype_to_np_dtype(element))
    except (KeyError, ValueError):
        raise DsconvError(
            f"the network takes {name} as {type_name(element)}, a type that the installed onnx does not know"
        ) from None


def infer(graph: GraphFile, nodes: Sequence[Any], inputs: Sequence[InputShape], more: Shapes) -> dict[str, Shape]:
    """The shape of each value, by name; those that do not follow are missing. `more` are weights beside the constants.

    What the file claims of its values is not asked: nothing is taken that does not follow from the inputs.

    Raises:
        DsconvError: onnx cannot make sense of the graph.
    """
    sizes: Sizes = {}
    for _ in range(_MOST_ROUNDS):
        found = _inferred(graph, nodes, inputs, more, sizes)
        if not follow(graph, nodes, found, sizes):
            break
    return found


def _inferred(
    graph: GraphFile, nodes: Sequence[Any], inputs: Sequence[InputShape], more: Shapes, sizes: Sizes
) -> dict[str, Shape]:
    try:
        skeleton = _skeleton(graph, nodes, inputs, more, sizes)
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    except MemoryError as error:
        raise CannotMeasureError(f"memory ran out while the shapes of {graph.path} were inferred") from error
    except Exception as error:
        raise DsconvError(f"onnx cannot infer the shapes of {graph.path}: {first_line(error)}") from error
    found = {name: tuple(tensor.dims) for name, tensor in graph.constants.items()} | dict(more)
    found |= {name: tuple(values.shape) for name, values in sizes.items()}
    found |= {one.name or "": one.shape for one in inputs}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        dims = tuple(one.dim_value if one.HasField("dim_value") else -1 for one in kind.shape.dim)
        if kind.HasField("shape") and min(dims, default=0) >= 0:
            found.setdefault(value.name, dims)
    return found


def _skeleton(graph: GraphFile, nodes: Sequence[Any], inputs: Sequence[InputShape], more: Shapes, sizes: Sizes) -> Any:
    """The graph without its weights, of which only the shapes are told, with `sizes` and inputs that are known."""
    model, whole = onnx.ModelProto(), graph.model
    model.ir_version = whole.ir_version
    model.opset_import.extend(whole.opset_import)
    skeleton = model.graph
    skeleton.name = "skeleton"
    types = {one.name: one.type.tensor_type.elem_type for one in whole.graph.input}
    for one in inputs:
        skeleton.input.append(helper.make_tensor_value_info(one.name or "", types[one.name or ""], one.shape))
    element = next((t.data_type for t in graph.constants.values() if len(t.dims) > 1), onnx.TensorProto.FLOAT)
    for name, tensor in graph.constants.items():
        if is_small(tensor):
            skeleton.initializer.add().CopyFrom(tensor)
            skeleton.initializer[-1].name = name
        else:
            skeleton.input.append(helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    skeleton.initializer.extend(numpy_helper.from_array(values, name) for name, values in sizes.items())
    for name, shape in more.items():
        skeleton.input.append(helper.make_tensor_value_info(name, element, shape))
    given = graph.constants.keys() | sizes.keys()
    skeleton.node.extend(one for one in nodes if not one.output or one.output[0] not in given)
    for value in whole.graph.output:
        # Its type alone.
        empty = skeleton.output.add()
        empty.name = value.name
    return model

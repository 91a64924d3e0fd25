"""From an `.onnx` file to its graph and the numbers in it, none of which may be larger or elsewhere than they say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsconv_cli.errors import DsconvError
from dsconv_cli.files import reason

#: What one message of Protocol Buffers can hold.
MOST_BYTES: Final = 2**31 - 1

#: Types of which two entries make a number, where they are not raw.
_COMPLEX: Final = (TensorProto.COMPLEX64, TensorProto.COMPLEX128)


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A file's model, its nodes by the names of `names_of`, and its constants by those of their values."""

    path: Path
    model: Any
    nodes: dict[str, Any]
    constants: dict[str, Any]

    def size(self, name: str) -> int:
        """How many numbers a constant has."""
        return math.prod(self.constants[name].dims)

    def stored(self, name: str) -> int:
        """Bytes that they take."""
        return _needed(self.constants[name]) or 0

    def values(self, name: str) -> NDArray[Any]:
        """The numbers of a constant, wherever they are."""
        tensor = self.constants[name]
        if is_external(tensor):
            filled = TensorProto()
            filled.CopyFrom(tensor)
            embed(filled, self.path)
            tensor = filled
        return np.asarray(numpy_helper.to_array(tensor))


def read(path: Path) -> GraphFile:
    """Read a file, but not what lies in others beside it.

    Raises:
        DsconvError: it is no ONNX file, or not to be believed; the message says why.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise DsconvError(f"cannot read {path}: {reason(error)}") from None
    if size > MOST_BYTES:
        raise DsconvError(f"{path} has {size:,} bytes, and an .onnx file at most 2 GiB; its weights go into others")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # noqa: BLE001  whichever of its parsers says it
        raise DsconvError(f"{path} is not an .onnx file, or is damaged ({type(error).__name__})") from None
    if not model.graph.node:
        raise DsconvError(f"{path} is not an .onnx file, or has an empty graph")
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise DsconvError(f"{path} is not read: names in it are no text")
    for name, tensor in tensors_of(model):
        _check_size(name, tensor, path)
    _check_names(model.graph, path)
    nodes = list(model.graph.node)
    return GraphFile(path, model, dict(zip(names_of(nodes), nodes, strict=True)), constants_of(model))


def _check_names(graph: Any, path: Path) -> None:
    """Refuse values of one name, of which nobody knows which is meant. Of constants, the last one is."""
    given = {one.name for one in (*graph.initializer, *graph.input)}
    computed = [name for node in graph.node if node.op_type != "Constant" for name in node.output if name]
    names = Counter((*given, *computed))
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise DsconvError(f"{path} is not read: it has two values called {twice!r}")


def names_of(nodes: Sequence[Any]) -> list[str]:
    """A name for each node that no other has: its own or, where that is missing or not the only one, its output's."""
    own = Counter(node.name for node in nodes)
    names: list[str] = []
    taken: set[str] = set()
    for index, node in enumerate(nodes):
        name = node.name if node.name and own[node.name] == 1 else first_output(node) or node.name
        while not name or name in taken:
            name = f"{name or node.op_type}#{index}"
        taken.add(name)
        names.append(name)
    return names


def first_output(node: Any) -> str:
    """What the first value that a node gives is called; empty where it gives none."""
    return node.output[0] if node.output else ""


def constants_of(model: Any) -> dict[str, Any]:
    """The constants of a model's graph by name: initializers, and what nodes called Constant give."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and is_standard(node) and len(node.output) == 1:
            found.update((node.output[0], one.t) for one in node.attribute if one.name == "value" and one.HasField("t"))
    return found


def tensors_of(model: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor in a model, in whatever graph or attribute, with a name to call it by."""
    for graph in (model.graph, *(one for info in model.training_info for one in (info.initialization, info.algorithm))):
        yield from _tensors_in(graph)
    for function in model.functions:
        yield from _tensors_at(function.node)
        yield from _tensors_of(function.attribute_proto, function.name)


def _tensors_in(graph: Any) -> Iterator[tuple[str, Any]]:
    for tensor in (*graph.initializer, *_parts(graph.sparse_initializer)):
        yield tensor.name, tensor
    yield from _tensors_at(graph.node)


def _tensors_at(nodes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for node in nodes:
        yield from _tensors_of(node.attribute, first_output(node) or node.name)


def _tensors_of(attributes: Iterable[Any], name: str) -> Iterator[tuple[str, Any]]:
    for attribute in attributes:
        sparse = _held(attribute, "sparse_tensor", "sparse_tensors")
        for tensor in (*_held(attribute, "t", "tensors"), *_parts(sparse)):
            yield name, tensor
        for inner in graphs_of(attribute):
            yield from _tensors_in(inner)


def _parts(sparse: Iterable[Any]) -> Iterator[Any]:
    for one in sparse:
        yield from (one.values, one.indices)


def _names(graph: Any) -> Iterator[Any]:
    """Every name in a graph and those inside of it. What is no UTF-8 comes as bytes."""
    for value in (*graph.initializer, *graph.input, *graph.output):
        yield value.name
    yield from (dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for inner in graphs_of(attribute):
                yield from _names(inner)


def graphs_of(attribute: Any) -> list[Any]:
    """The graphs that an attribute holds, such as a branch of an If."""
    return _held(attribute, "g", "graphs")


def _held(attribute: Any, one: str, several: str) -> list[Any]:
    """What it holds of a kind, in the field for one of them and in that for several."""
    return [*([getattr(attribute, one)] if attribute.HasField(one) else ()), *getattr(attribute, several)]


def type_name(data_type: int) -> str:
    """What ONNX calls a type: "float", "int64"."""
    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"type {data_type}"


def is_standard(node: Any) -> bool:
    """Whether a node's operator is one of ONNX itself."""
    return node.domain in ("", "ai.onnx")


def is_external(tensor: Any) -> bool:
    """Whether its numbers are in another file."""
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def _bits(tensor: Any) -> int | None:
    """Bits of an element; None for text and for types that this version of onnx does not know."""
    if tensor.data_type == TensorProto.STRING:
        return None
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError):
        return None
    name = type_name(tensor.data_type)
    small = next((bits for bits in (2, 4) if name.endswith(f"int{bits}") or name.startswith(f"float{bits}e")), None)
    return small or 8 * dtype.itemsize


def _needed(tensor: Any) -> int | None:
    bits = _bits(tensor)
    return None if bits is None else -(-math.prod(tensor.dims) * bits // 8)


def _check_size(name: str, tensor: Any, path: Path) -> None:
    """Refuse a tensor that says it is larger or smaller than it is."""
    if tensor.HasField("segment"):
        raise DsconvError(f"{path} is not read: its tensor {name!r} is in several pieces")
    if min(tensor.dims, default=0) < 0:
        raise _lies(name, tensor, path, "no shape")
    needed = _needed(tensor)
    if needed is None and tensor.data_type != TensorProto.STRING:
        raise _lies(name, tensor, path, f"{len(tensor.raw_data):,} bytes of {type_name(tensor.data_type)}")
    if is_external(tensor):
        _check_outside(name, tensor, path, needed)
        return
    if tensor.HasField("raw_data"):
        held, wanted = len(tensor.raw_data), needed
    else:
        held = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        wanted = math.prod(tensor.dims) * (2 if tensor.data_type in _COMPLEX else 1)
        if (_bits(tensor) or 8) < 8:
            # Several to one entry.
            wanted = needed or 0
    if wanted is not None and held != wanted:
        raise _lies(
            name, tensor, path, f"{held:,} of {wanted:,} bytes" if tensor.HasField("raw_data") else f"{held:,} numbers"
        )


def _lies(name: str, tensor: Any, path: Path, truth: str) -> DsconvError:
    shape = "×".join(map(str, tensor.dims)) or "a scalar"
    return DsconvError(f"{path} is not read: its tensor {name!r} is said to be {shape} and has {truth}")


def _check_outside(name: str, tensor: Any, path: Path, needed: int | None) -> None:
    file, offset, length = _outside(name, tensor, path)
    held = file.stat().st_size
    if needed is None or length not in (-1, needed) or offset + needed > held:
        raise _lies(name, tensor, path, f"{max(0, held - offset):,} bytes in {file.name}")


def _outside(name: str, tensor: Any, path: Path) -> tuple[Path, int, int]:
    """The file beside `path` in which its numbers are, where they begin in it, and how many bytes; -1: untold."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = said.get("location", "")
    folder = path.resolve().parent
    try:
        file = (folder / location).resolve()
        inside = bool(location) and file.is_relative_to(folder) and not Path(location).is_absolute()
        there = inside and file.is_file()
        offset, length = int(said.get("offset") or 0), int(said.get("length") or -1)
    except (OSError, ValueError, TypeError, RuntimeError):
        inside, there, file, offset, length = True, False, folder, 0, 0
    if not inside:
        raise DsconvError(f"{path} is not read: the numbers of {name!r} are outside of its folder ({location!r})")
    if not there or offset < 0:
        raise DsconvError(f"{path} is not read: the numbers of {name!r} are in {location!r}, which is not there")
    return file, offset, length


def embed(tensor: Any, path: Path) -> None:
    """Bring in what lies in another file."""
    (file, offset, _), needed = _outside(tensor.name, tensor, path), _needed(tensor) or 0
    with file.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(needed)
    if len(data) != needed:
        raise _lies(tensor.name, tensor, path, f"{len(data):,} bytes")
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = data

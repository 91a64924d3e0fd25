"""From an `.onnx` file to its graph and the numbers in it, none of which may be larger or elsewhere than they say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
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

#: Where numbers stand that are not raw, by their type: the field, and how many of its entries make one number.
_FIELDS: Final = {
    TensorProto.FLOAT: ("float_data", 1),
    TensorProto.DOUBLE: ("double_data", 1),
    TensorProto.INT64: ("int64_data", 1),
    TensorProto.UINT64: ("uint64_data", 1),
    TensorProto.UINT32: ("uint64_data", 1),
    TensorProto.COMPLEX64: ("float_data", 2),
    TensorProto.COMPLEX128: ("double_data", 2),
    TensorProto.STRING: ("string_data", 1),
}
_OTHERS: Final = ("int32_data", 1)


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A file's model, and its constants by name: initializers, and what nodes called Constant give."""

    path: Path
    model: Any
    constants: dict[str, Any]

    def dims(self, name: str) -> tuple[int, ...] | None:
        """The shape of a constant; None for what is none."""
        tensor = self.constants.get(name)
        return None if tensor is None else tuple(tensor.dims)

    def size(self, name: str) -> int:
        """How many numbers a constant has."""
        return math.prod(self.constants[name].dims)

    def stored(self, name: str) -> int:
        """Bytes that they take."""
        return _needed(self.constants[name]) or 0

    def is_floating(self, name: str) -> bool:
        """Whether they are floating-point numbers."""
        return type_name(self.constants[name].data_type).startswith(("float", "double", "bfloat"))

    def values(self, name: str) -> NDArray[Any]:
        """The numbers of a constant."""
        return values_of(self.constants[name], self.path)


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
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants.update(_given_by_nodes(model.graph.node))
    for name, tensor in constants.items():
        _check_size(name, tensor, path)
    return GraphFile(path, model, constants)


def _names(graph: Any) -> Iterator[Any]:
    """Every name in a graph and those inside of it. What is no UTF-8 comes as bytes."""
    for value in (*graph.initializer, *graph.input, *graph.output):
        yield value.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for inner in graphs_of(attribute):
                yield from _names(inner)


def graphs_of(attribute: Any) -> list[Any]:
    """The graphs that an attribute holds, such as a branch of an If."""
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def type_name(data_type: int) -> str:
    """What ONNX calls a type: "float", "int64"."""
    try:
        return str(TensorProto.DataType.Name(data_type)).lower()
    except ValueError:
        return f"type {data_type}"


def _given_by_nodes(nodes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for node in nodes:
        if node.op_type == "Constant" and is_standard(node) and len(node.output) == 1:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.HasField("t"):
                    yield node.output[0], attribute.t


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
        field, each = _FIELDS.get(tensor.data_type, _OTHERS)
        held, wanted = len(getattr(tensor, field)), math.prod(tensor.dims) * each
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


@dataclass(frozen=True, slots=True)
class _Outside:
    """Where numbers are that lie beside a file."""

    file: Path
    offset: int
    length: int


def _check_outside(name: str, tensor: Any, path: Path, needed: int | None) -> None:
    place = _outside(name, tensor, path)
    held = place.file.stat().st_size
    if needed is None or place.length not in (-1, needed) or place.offset + needed > held:
        raise _lies(name, tensor, path, f"{max(0, held - place.offset):,} bytes in {place.file.name}")


def _outside(name: str, tensor: Any, path: Path) -> _Outside:
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = said.get("location", "")
    folder = path.resolve().parent
    try:
        file = (folder / location).resolve()
        inside = bool(location) and file.is_relative_to(folder) and not Path(location).is_absolute()
        there = inside and file.is_file()
        offset, length = int(said.get("offset") or 0), int(said.get("length") or -1)
    except (OSError, ValueError, RuntimeError):
        inside, there, file, offset, length = True, False, folder, 0, 0
    if not inside:
        raise DsconvError(f"{path} is not read: the numbers of {name!r} are outside of its folder ({location!r})")
    if not there or offset < 0:
        raise DsconvError(f"{path} is not read: the numbers of {name!r} are in {location!r}, which is not there")
    return _Outside(file, offset, length)


def values_of(tensor: Any, path: Path) -> NDArray[Any]:
    """The numbers of a tensor whose size was checked, wherever they are."""
    if not is_external(tensor):
        return np.asarray(numpy_helper.to_array(tensor))
    filled = TensorProto()
    filled.CopyFrom(tensor)
    embed(filled, path)
    return np.asarray(numpy_helper.to_array(filled))


def embed(tensor: Any, path: Path) -> None:
    """Bring in what lies in another file."""
    name = tensor.name
    place, needed = _outside(name, tensor, path), _needed(tensor) or 0
    with place.file.open("rb") as stream:
        stream.seek(place.offset)
        data = stream.read(needed)
    if len(data) != needed:
        raise _lies(name, tensor, path, f"{len(data):,} bytes")
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = data

"""What `torch.save` wrote, read without unpickling: tensors, numbers and text in Python's own containers.

torch's restricted reader would do most of this, but versions up to 2.5 can be led around it (CVE-2025-32434), and
`torch.export.load` reads again without the restriction where it fails. Here a pickle is read by Python's own reader
with a handful of names in it, all of which mean functions of this module; nothing in it can be imported or called.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import nn

from dsconv_cli.model.exported.archive import Archive, Layout
from dsconv_cli.model.exported.checks import RefusedError, pickled
from dsconv_cli.model.exported.payloads import View, check_total

_LAYOUT: Final = Layout(
    *(r"data\.pkl", r"\.format_version", r"\.storage_alignment", "byteorder", "version", r"data/\d{1,9}"),
    r"\.data/(version|serialization_id)",
    folder=True,
)
_ZIP: Final = b"PK\x03\x04"
_OPCODES: Final = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "GLOBAL", "REDUCE", "BINPERSID"),
        *("INT", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "MEMOIZE"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    }
)
_STORAGES: Final[Mapping[str, torch.dtype]] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
_PLAIN: Final = (str, int, float, complex, bool, type(None), torch.Tensor, torch.dtype)


class _Storage(NamedTuple):
    """Raw numbers of one type."""

    data: bytes
    dtype: torch.dtype


def read_saved(data: bytes) -> object:
    """The object in a file of `torch.save`'s.

    Raises:
        RefusedError: it holds anything but tensors, numbers, text, tuples, lists and dicts.
    """
    if not data.startswith(_ZIP):
        raise pickled("the format of torch.save before 1.6")
    with Archive(io.BytesIO(data), _LAYOUT) as archive:
        if archive.sizes.get("byteorder") and archive.read("byteorder") != b"little":
            raise RefusedError("its numbers are not in little-endian order")
        code = archive.read("data.pkl")
        _check_opcodes(code)
        reader = _Reader(archive, code)
        try:
            found = reader.load()
        except RefusedError:
            raise
        except Exception as error:  # noqa: BLE001  a pickle can be wrong in any way
            raise RefusedError(f"a damaged pickle ({type(error).__name__}: {error})") from None
        check_total(reader.views, sum(archive.sizes.values()))
    # A pickle may hold a list many times over, or in itself. What was written down once is seen once for each byte.
    return _Plain(len(code)).copy(found)


def _check_opcodes(code: bytes) -> None:
    try:
        for opcode, argument, _ in pickletools.genops(code):
            if opcode.name not in _OPCODES:
                raise pickled(opcode.name)
            if opcode.name == "LONG_BINPUT" and (argument or 0) > len(code):
                # Room is made for as many as that.
                raise RefusedError("a pickle that remembers more than it holds")
    except ValueError as error:
        raise RefusedError(f"a damaged pickle ({error})") from None


class _Reader(pickle.Unpickler):
    """Python's reader, for which nothing exists but what is needed to write down a tensor."""

    def __init__(self, archive: Archive, code: bytes) -> None:
        super().__init__(io.BytesIO(code))
        self.views: list[View] = []
        self._archive = archive
        self._known: Mapping[tuple[str, str], Any] = {
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch._tensor", "_rebuild_from_type_v2"): self._of_type,
            ("torch", "Tensor"): None,
            ("torch.nn.parameter", "Parameter"): None,
            ("torch", "Size"): tuple,
            ("collections", "OrderedDict"): OrderedDict,
            **{("torch", name): dtype for name, dtype in _STORAGES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for."""
        if (module, name) not in self._known:
            raise pickled(f"{module}.{name}")
        return self._known[module, name]

    def persistent_load(self, saved: Any) -> _Storage:
        """The numbers in an entry: ("storage", type, entry, device, count)."""
        _, dtype, key, _, count = saved
        data = self._archive.read(f"data/{key}")
        if not isinstance(dtype, torch.dtype) or count * dtype.itemsize != len(data):
            raise RefusedError(f"data/{key} has {len(data):,} bytes, not what is said of it")
        return _Storage(data, dtype)

    def _tensor(
        self,
        storage: _Storage,
        offset: int,
        sizes: tuple[int, ...],
        strides: tuple[int, ...],
        requires_grad: bool,
        *_hooks_and_metadata: object,
    ) -> torch.Tensor:
        if not all(type(one) is int for one in (offset, *sizes, *strides)):
            raise RefusedError("a tensor whose sizes are not integers")
        view = View(tuple(sizes), tuple(strides), offset, storage.dtype.itemsize)
        view.check(len(storage.data))
        self.views.append(view)
        numbers = torch.frombuffer(bytearray(storage.data), dtype=storage.dtype) if storage.data else torch.empty(0)
        tensor = numbers.to(storage.dtype).as_strided(sizes, strides, offset)
        return tensor.requires_grad_(bool(requires_grad))

    def _of_type(self, build: Callable[..., Any], _type: None, args: tuple[Any, ...], _state: object) -> Any:
        """A tensor that carried attributes: without them."""
        if build != self._tensor:
            raise pickled("a tensor of its own making")
        return build(*args)


def _parameter(tensor: torch.Tensor, requires_grad: bool, _hooks: object) -> nn.Parameter:
    return nn.Parameter(tensor.detach(), bool(requires_grad))


class _Plain:
    """Copies what is made of plain things, up to a number of them."""

    def __init__(self, most: int) -> None:
        self._left = most

    def copy(self, found: object) -> object:
        self._left -= 1
        if self._left < 0:
            raise RefusedError("a pickle that holds more than it has bytes")
        if isinstance(found, dict):
            return type(found)((self.copy(key), self.copy(value)) for key, value in found.items())
        if isinstance(found, list):
            return [self.copy(one) for one in found]
        if type(found) is tuple:
            return tuple(self.copy(one) for one in found)
        if isinstance(found, _PLAIN):
            return found
        raise RefusedError(f"it holds a {type(found).__name__}, not only tensors, numbers and text")

"""The safetensors format (huggingface.co/docs/safetensors): a header in JSON, then the numbers of each tensor.

Eight bytes tell the length of the header; its entries are {"dtype", "shape", "data_offsets": [begin, end]}, the offsets
counted from the end of the header. Little-endian, without gaps.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

import torch

from dsconv_cli.errors import CannotMeasureError

_DTYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}
#: The numbers begin at a multiple of this.
_ALIGNED: Final = 8


def written(tensors: Mapping[str, Any]) -> bytes:
    """`tensors` by name. Those that share their numbers are written each in full.

    Raises:
        CannotMeasureError: one of them is no tensor, or of a type that the format has not.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    end = 0
    # The largest elements first, as the format's own writer has it: then each tensor is aligned.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-_element_bytes(item[1]), item[0])):
        if not isinstance(tensor, torch.Tensor) or tensor.dtype not in _NAMES:
            kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise CannotMeasureError(f".safetensors holds tensors of numbers, and {name} is {kind}")
        begin, data = end, _bytes(tensor)
        end += len(data)
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return b"".join((struct.pack("<Q", len(text)), text, *parts))


def _element_bytes(tensor: Any) -> int:
    return tensor.element_size() if isinstance(tensor, torch.Tensor) else 0


def _bytes(tensor: torch.Tensor) -> bytes:
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def read(content: bytes) -> dict[str, torch.Tensor]:
    """What `written` wrote."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            data = bytearray(content[begin:end])
            numbers = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0)
            found[name] = numbers.view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return found

"""The runtimes that can be timed, each one entry. Nothing of any of them is imported before it builds something."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dsconv_cli.timing.runtimes.litert import LITERT
from dsconv_cli.timing.runtimes.ncnn import NCNN
from dsconv_cli.timing.runtimes.onnxruntime import ONNXRUNTIME
from dsconv_cli.timing.runtimes.openvino import OPENVINO
from dsconv_cli.timing.runtimes.protocol import Runtime
from dsconv_cli.timing.runtimes.torch import TORCH
from dsconv_cli.timing.runtimes.torch_compile import TORCH_COMPILE

__all__ = ["DEFAULT", "RUNTIMES", "TORCH"]

#: By the names that `--runtime` takes. A new one is one file and one more entry.
RUNTIMES: Final[Mapping[str, Runtime]] = MappingProxyType(
    {one.name: one for one in (TORCH, TORCH_COMPILE, ONNXRUNTIME, LITERT, OPENVINO, NCNN)}
)
#: What `--time` means without `--runtime`.
DEFAULT: Final = TORCH.name

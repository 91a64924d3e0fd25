"""What a converted network can be saved as, and what that needs. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dsconv_cli.errors import DsconvError, installed

#: Ending → packages that write it.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {".onnx": ("onnx", "onnxscript"), ".pt2": (), ".safetensors": ()}


#: Of the largest output, how far a file's may be away from the network's: other kernels add up in another order.
_TOLERANCE: Final = 1e-3
#: What any of them may be away: a kernel for sigmoid is right to seven digits of 1, not of its result.
_FLOOR: Final = 1e-6


def most_apart(largest: float) -> float:
    """How far outputs of up to `largest` may be apart if the same network computed them."""
    return _TOLERANCE * largest + _FLOOR


def is_graph(target: str) -> bool:
    """Whether TARGET names an `.onnx` file."""
    return target.endswith(".onnx")


def checked_path(text: str, target: str) -> Path:
    """`--save PATH`.

    Raises:
        DsconvError: an ending that means no kind of file, or one that `target` cannot become, or a missing package.
    """
    path = Path(text)
    ending = path.suffix.lower()
    if ending not in KINDS:
        raise DsconvError(f"--save {text}: its ending must be one of {' '.join(KINDS)}")
    graph = is_graph(target)
    if graph and ending != ".onnx":
        raise DsconvError(f"--save {text}: a network from an .onnx file is saved as .onnx")
    # A graph is rewritten, not exported.
    missing = [package for package in KINDS[ending] if not installed(package) and not (graph and package != "onnx")]
    if missing:
        raise DsconvError(f"--save {text} needs {' and '.join(missing)}: pip install 'dsconv-cli[onnx]'")
    return path

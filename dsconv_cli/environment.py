"""Which programs and which machine gave the figures."""

from __future__ import annotations

import base64
import functools
import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from dsconv_cli._version import __version__

#: Distributions known to install the package `thop`; whichever was installed last answers.
_THOP_CANDIDATES: Final = ("thop", "ultralytics-thop")


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions by name (`None` where it was not used), the platform, the CPU's name and the device."""

    versions: Mapping[str, str | None]
    platform: str
    cpu: str
    device: str


def environment(
    *, counters: tuple[str, ...] = (), device: str = "cpu", torch_version: str | None = None
) -> Environment:
    """This machine and the versions in use.

    torch is named only if this process has imported it, or another measured with `torch_version`.
    """
    torch = sys.modules.get("torch")
    version = torch_version or (None if torch is None else str(torch.__version__))
    return _environment(version, counters, device)


@functools.cache
def _environment(torch: str | None, counters: tuple[str, ...], device: str) -> Environment:
    return Environment(
        versions=MappingProxyType(
            {
                "dsconv": __version__,
                "python": platform.python_version(),
                "torch": torch,
                "profiler": " + ".join(counters) or None,
            }
        ),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_name(),
        device=device,
    )


@functools.cache
def cpu_name() -> str:
    """The CPU as its maker calls it, or its architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("model name", "Model", "Hardware")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


@functools.cache
def distribution_of(name: str) -> str:
    """`"torch"` → `"torch 2.13.0+cpu"`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} (unknown version)"


@functools.cache
def thop_distribution() -> str:
    """The distribution whose files are the `thop` that was imported, with its version.

    Several distributions install a package of that name over each other; each keeps a record of the hashes of
    its files, and only the last one's still match.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    names = []
    for name in _THOP_CANDIDATES:
        try:
            record = distribution(name).files or []
        except PackageNotFoundError:
            continue
        names.append(name)
        for entry in record:
            if entry.as_posix() == "thop/profile.py" and entry.hash is not None:
                digest = hashlib.new(entry.hash.mode, Path(str(entry.locate())).read_bytes()).digest()
                if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == entry.hash.value:
                    return distribution_of(name)
    return " or ".join(distribution_of(name) for name in names) or "thop (unknown distribution)"

"""Which programs and which machine gave the figures."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dsconv_cli._version import __version__
from dsconv_cli.keys import POSITIVE, TEXT, Key, Section

if TYPE_CHECKING:
    from importlib.metadata import Distribution


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions by name (`None` where it was not used), the platform, the CPU's name and the device."""

    versions: Mapping[str, str | None]
    platform: str
    cpu: str
    device: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One of several machines that share a sweep.

    `boot` tells one start of it from the next, `model` and `stepping` the processors that one name stands for, and
    `governor` is who sets their clock rate; each is "" where the system does not tell. `kind` is all that two machines
    must have in common for their times to be compared, in words.
    """

    host: str
    boot: str
    processor: str
    model: str
    stepping: str
    cores: int
    governor: str
    kind: str


MACHINE_KEYS: Final[tuple[Key[Machine], ...]] = (
    Key("host", TEXT, "host"),
    Key("boot", TEXT, "boot", says="Tells one start of it from the next."),
    Key("processor", TEXT, "processor"),
    Key("model", TEXT, "model", says="Family and model of the processor."),
    Key("stepping", TEXT, "stepping"),
    Key("cores", POSITIVE, "cores"),
    Key("governor", TEXT, "governor", says="Who sets the clock rate."),
    Key("kind", TEXT, "kind", says="All that two machines must have in common for their times to be compared."),
)

KEYS: Final[tuple[Key[Environment], ...]] = (
    Key("versions.dsconv", TEXT, lambda one: one.versions["dsconv"]),
    Key("versions.python", TEXT, lambda one: one.versions["python"]),
    Key("versions.torch", TEXT, lambda one: one.versions["torch"], nullable=True, only_with=("measured", "time")),
    Key(
        "versions.profiler",
        TEXT,
        lambda one: one.versions["profiler"],
        says="The distributions that counted, by name and version.",
        nullable=True,
        only_with=("measured",),
    ),
    Key("platform", TEXT, "platform"),
    Key("cpu", TEXT, "cpu"),
    Key("device", TEXT, "device"),
)

SECTIONS: Final[tuple[Section[Environment], ...]] = (Section("versions", "null where it was not used."),)


@cache
def machine() -> Machine:
    """This machine, as one of several."""
    one = _processor()
    model = "/".join(one[name] for name in ("cpu family", "model") if name in one)
    stepping, cores = one.get("stepping", ""), os.cpu_count() or 1
    governor = told("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    parts = (
        f"{cpu_name()}{f' model {model}' if model else ''}{f' stepping {stepping}' if stepping else ''}",
        f"{cores} cores",
        *([f"governor {governor}"] if governor else []),
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"dsconv {__version__}",
        distribution_of("torch"),
    )
    boot = told("/proc/sys/kernel/random/boot_id")
    return Machine(platform.node(), boot, cpu_name(), model, stepping, cores, governor, ", ".join(parts))


def told(path: str) -> str:
    """What one of the system's files says; "" where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _processor() -> dict[str, str]:
    """What Linux says of the first processor."""
    first = told("/proc/cpuinfo").partition("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}


def environment(
    *, counters: tuple[str, ...] = (), device: str = "cpu", torch_version: str | None = None
) -> Environment:
    """This machine and the versions in use.

    torch is named only if this process has imported it, or another measured with `torch_version`.
    """
    torch = sys.modules.get("torch")
    version = torch_version or (None if torch is None else str(torch.__version__))
    return _environment(version, counters, device)


@cache
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


@cache
def cpu_name() -> str:
    """The CPU as its maker calls it, or its architecture where the system does not tell."""
    for line in told("/proc/cpuinfo").splitlines():
        if line.startswith(("model name", "Model", "Hardware")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


@cache
def distribution_of(name: str) -> str:
    """`"torch"` → `"torch 2.13.0+cpu"`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} (unknown version)"


@cache
def thop_distribution() -> str:
    """The distribution whose files are the `thop` that is imported here, with its version. Imports nothing.

    Several distributions install a package of that name over each other. Each keeps a record of the hashes of its
    files, and only one's match the file that Python finds.
    """
    from importlib import metadata
    from importlib.util import find_spec

    found = find_spec("thop")
    if found is None or found.origin is None:
        return "thop (not installed)"
    imported = Path(found.origin).with_name("profile.py")
    for one in (*metadata.distributions(name="thop"), *metadata.distributions()):
        if _installed(one, imported):
            return f"{one.metadata['Name']} {one.version}"
    return f"thop (no distribution's; {imported.parent})"


def _installed(one: Distribution, path: Path) -> bool:
    """Whether `path` is a file of the distribution `one`, as it was installed."""
    try:
        for entry in one.files or ():
            if entry.as_posix() == "thop/profile.py" and entry.hash is not None:
                same_place = Path(str(entry.locate())).resolve() == path.resolve()
                return same_place and _digest(path, entry.hash.mode) == entry.hash.value
    except (OSError, ValueError):
        # A broken record is no one's.
        return False
    return False


def _digest(path: Path, algorithm: str) -> str:
    """A file's hash as a distribution's RECORD has it (PEP 376): unpadded, URL-safe base 64."""
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.new(algorithm, path.read_bytes()).digest()).rstrip(b"=").decode()

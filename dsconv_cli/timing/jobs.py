"""What the measuring process is asked, and what it answers: plain data that crosses a pipe.

The functions that do the work are named in `ENTRY_POINTS` and imported only by the process that runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Backends, Pages, Peaks, Seconds
from dsconv_cli.timing.worker.sampling import Plan, Rounds


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where and how a workload runs."""

    device: str
    threads: int
    channels_last: bool
    dtype: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks whether the device is there and can run the dtype."""

    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Machine:
    """The answer to `Probe`."""

    torch: str
    device_name: str
    cores: int
    default_threads: int
    free_bytes: int | None
    notes: tuple[str, ...]
    clock: str = "wall clock"


@dataclass(frozen=True, slots=True)
class ListDevices:
    """Asks which devices are there."""


class Found(NamedTuple):
    """One kind of device: usable or not, and its name or the reason why not."""

    device: str
    usable: bool
    description: str


@dataclass(frozen=True, slots=True)
class Devices:
    """The answer to `ListDevices`."""

    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class MeasurePeaks:
    """Asks how fast a large matrix product, a large copy and a reference convolution are."""

    conditions: Conditions
    seconds: float


@dataclass(frozen=True, slots=True)
class MeasureLayer:
    """Time both forms of `spec`; with `against_itself` two ordinary convolutions, whose true ratio is 1."""

    conditions: Conditions
    spec: ConvSpec
    plan: Plan
    against_itself: bool = False


@dataclass(frozen=True, slots=True)
class MeasureNetwork:
    """Time a whole network as it is and with `replaced` (name, layer) replaced.

    `target` and `arguments` say how to make it, `inputs` (name or None, shape, dtype or "") what it is called with;
    without inputs it is called with the ones that it brings along. Its floating numbers are converted to `dtype`.
    """

    conditions: Conditions
    plan: Plan
    target: str
    arguments: tuple[tuple[str, Any], ...]
    inputs: tuple[tuple[str | None, tuple[int, ...], str], ...]
    replaced: tuple[tuple[str, ConvSpec], ...]
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class LayerSample:
    """The answer to `MeasureLayer` and `MeasureNetwork`: the measurement of one process.

    `pages` are the pages that one call of each operator maps anew, `copy_bytes` the bytes per second of a copy that
    moves as many bytes as the depthwise half. Over the rounds: `stolen` is the fraction of the wall time in which the
    one timed thread was not running (None for several threads, which wait for each other), `others` how many cores
    everything else on the machine kept busy. None where the system does not tell.
    """

    rounds: Rounds
    fixed_s: Seconds | None
    backends: Backends
    stolen: float | None
    others: float | None
    pages: Pages | None
    copy_bytes: float | None


Job = Probe | ListDevices | MeasurePeaks | MeasureLayer | MeasureNetwork
Answer = Machine | Devices | Peaks | LayerSample

#: Job → "module:function".
ENTRY_POINTS: Final[Mapping[type[Job], str]] = MappingProxyType(
    {
        Probe: "dsconv_cli.timing.worker.measure:probe",
        ListDevices: "dsconv_cli.timing.worker.measure:list_devices",
        MeasurePeaks: "dsconv_cli.timing.worker.measure:measure_peaks",
        MeasureLayer: "dsconv_cli.timing.worker.measure:measure_layer",
        MeasureNetwork: "dsconv_cli.model.workload:measure_network",
    }
)

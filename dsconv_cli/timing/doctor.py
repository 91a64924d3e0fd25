"""What this machine can measure, and how far its timings can be trusted: collected, judged, put into words.

`examine` measures; `advice` is a pure function of what it found.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from dsconv_cli.environment import cpu_name, thop_distribution, told
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.forkserver import can_fork
from dsconv_cli.timing.result import Machine, Peaks
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timer import Timer, Watcher
from dsconv_cli.timing.verdict import Findings
from dsconv_cli.timing.worker.answers import Found, Prepared

#: The layer that is timed against itself: 5.8·10^7 MACs, where the interval should be within ±5 %.
LAYER: Final = {"k": 64, "c": 32, "h": 56, "w": 56}
#: An interval that misses 1 by no more than this is bad luck (one in twenty misses), not a fault of the machine.
BIAS: Final = 0.02
#: A load that leaves less than this fraction of a core to each timed thread is worth a word.
_FREE: Final = 0.8
#: Of the budget, what the noise floor of each runtime beside the one that is asked about may take.
_BESIDE: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What the system says about itself, without measuring. `load` is that of the last minute, or None."""

    thop: str
    platform: str
    cpu: str
    cores: int
    load: float | None
    governor: str | None
    virtual: bool
    forks: bool


@dataclass(frozen=True, slots=True)
class RuntimeFound:
    """One runtime: its version, and what was measured of it, or `reason`, why nothing was, and the `remedy` if any.

    `call_s` is what a call costs that has next to nothing to compute; None where that cannot be had.
    """

    name: str
    version: str | None = None
    call_s: float | None = None
    noise: Findings | None = None
    reason: str | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that `dsconv doctor` found. `noise` is a convolution timed against itself."""

    survey: Surveyed
    settings: TimingSettings
    dtype: str
    machine: Machine
    devices: tuple[Found, ...]
    peaks: Peaks
    noise: Findings
    runtimes: tuple[RuntimeFound, ...]

    @property
    def trusted(self) -> bool:
        """Whether this machine's timings can be trusted: reliable, and what should read 1 does, give or take `BIAS`."""
        gain = self.noise.speedup
        return self.noise.reliable and gain.low <= 1 + BIAS and gain.high >= 1 - BIAS

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        if self.trusted:
            floor, swift = (
                max(gain.high - 1, 1 - gain.low) for gain in (self.noise.speedup, self.noise.fastest.speedup)
            )
            return (
                f"Timings can be trusted: differences above {floor:.1%} are detectable on a layer like this one, in "
                f"its fastest times above {swift:.1%}."
            )
        return "Timings cannot be trusted now: see below what to change."

    @property
    def advice(self) -> tuple[str, ...]:
        """What to change, the most important first."""
        return tuple(advice(self))


def examine(
    timer: Timer,
    dtype: str = "float32",
    progress: Callable[[str], Watcher] | None = None,
    runtimes: Collection[str] = tuple(RUNTIMES),
) -> Examination:
    """Survey the machine and measure it, and of the runtimes those.

    `progress` gives a watcher whose lines begin with the words it is given.
    """
    seen, asked = survey(), timer.settings.runtime
    spec = ConvSpec(**LAYER, dtype=dtype)  # type: ignore[arg-type]
    machine, devices, peaks = timer.machine(dtype), timer.devices(), timer.peaks(dtype)
    noise, prepared = timer.noise_floor(spec, None if progress is None else progress(""))
    own = _found(asked, noise, prepared)
    return Examination(
        survey=seen,
        settings=timer.settings,
        dtype=dtype,
        machine=machine,
        devices=devices,
        peaks=peaks,
        noise=noise,
        runtimes=tuple(own if name == asked else _examined(name, timer, spec, progress) for name in runtimes),
    )


def _examined(name: str, timer: Timer, spec: ConvSpec, progress: Callable[[str], Watcher] | None) -> RuntimeFound:
    """A runtime; one that cannot be used, or fails, costs its own line."""
    runtime = RUNTIMES[name]
    missing = runtime.missing()
    if missing:
        return RuntimeFound(name, reason=runtime.absent(), remedy=runtime.install)
    beside = timer.on(name, _BESIDE)
    try:
        beside.settings.refuse_impossible(spec)
        return _found(name, *beside.noise_floor(spec, None if progress is None else progress(f"{name}: ")))
    except DsconvError as error:
        return RuntimeFound(name, runtime.version(), reason=str(error))


def _found(name: str, noise: Findings, prepared: Prepared) -> RuntimeFound:
    call_s = None if prepared.fixed_s is None else prepared.fixed_s.ordinary
    return RuntimeFound(name, prepared.version, call_s, noise)


def survey() -> Surveyed:
    """What can be known before anything runs. The load is read first: measuring adds to it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Surveyed(
        thop=thop_distribution(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_name(),
        cores=os.cpu_count() or 1,
        load=load,
        governor=told("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        virtual=" hypervisor" in told("/proc/cpuinfo"),
        forks=can_fork(),
    )


def advice(one: Examination) -> Iterator[str]:
    """What would make timings better, each under its condition."""
    seen, noise, threads = one.survey, one.noise, one.settings.threads
    if threads > one.machine.cores:
        yield f"--threads {one.machine.cores} or fewer: this process may use no more cores"
    busy = any(caution.code in {"crowded", "robbed", "disturbed"} for caution in noise.cautions)
    crowd = seen.load is not None and seen.load + threads * _FREE > seen.cores
    if busy or (crowd and not one.trusted):
        load = "" if seen.load is None else f" (the load is {seen.load:.1f} on {seen.cores} cores)"
        yield f"stop other programs, or wait until they are done{load}"
    if threads > 1 and not one.trusted:
        yield "--threads 1: one thread is the least disturbed"
    if any(caution.code in {"wide", "few"} for caution in noise.cautions):
        yield f"a longer --budget than {one.settings.budget_s:g} s: four times as long halves the interval"
    if seen.governor not in {None, "performance"}:
        yield f"the CPU frequency governor is {seen.governor!r}; 'performance' keeps the clock steady"
    if not seen.forks:
        yield "a --budget of 60 or more: each measuring process loads torch anew on this system"
    if seen.virtual and not one.trusted:
        yield "this is a virtual machine: what others do on its hardware cannot be seen; a physical one is steadier"
    if not seen.thop.startswith("thop "):
        yield f"the package thop comes from {seen.thop}; pip install thop gets the one that dsconv is tested with"

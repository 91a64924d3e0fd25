"""Timing layers: which processes are started, when enough is enough, and what is refused before it starts.

    with Timer(TimingSettings(budget_s=5)) as timer:
        timing = timer.time(ConvSpec(k=64, c=32, h=32, w=32))

A `Timer` may time many layers; it starts the interpreter that its measuring processes are forked from once, in the
background, as soon as it is made. This module itself needs no torch: what measures is in other processes, which
the caller's own use of torch (profiling, an open thread pool, a notebook) cannot disturb.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, cast

from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.layer.cost import FLOPS_PER_MAC, cost
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.jobs import (
    Conditions,
    Devices,
    Found,
    Job,
    LayerSample,
    ListDevices,
    Machine,
    MeasureLayer,
    MeasurePeaks,
    Probe,
)
from dsconv_cli.timing.processes import Laboratory, ProcessLaboratory, TimeoutExceededError
from dsconv_cli.timing.result import Backends, Pages, Peaks, Regime, Seconds, Timing
from dsconv_cli.timing.statistics import LEVEL, MIN_PROCESSES, half_width, median
from dsconv_cli.timing.verdict import Findings, Surroundings, findings, kept, log_ratios, median_s, quiet
from dsconv_cli.timing.worker.devices import DEVICES, PROCESSOR_TIME, free_memory, parse_device
from dsconv_cli.timing.worker.sampling import Plan

DEFAULT_BUDGET_S: Final = 15.0
#: One thread: the only number that means the same on every machine, and the least disturbed by other programs.
DEFAULT_THREADS: Final = 1
#: On a quiet machine measuring stops at this half-width; beside other programs it uses its budget. Stopping as soon
#: as a target is met makes intervals a little too narrow, so that it may not be met before this many processes are
#: kept (`judge.kept`); in simulations the coverage then stays above 93 %.
TARGET: Final = 0.025
FEWEST_KEPT_BEFORE_TARGET: Final = 10
#: More kept processes than this narrow nothing: what they then disagree about is the machine's drift.
MOST_KEPT: Final = 60
#: Torch keeps this much for itself; a layer may not have it.
_RESERVE_BYTES: Final = 256 * 2**20
#: Seconds for the three peaks together: a share of the budget between two bounds.
_PEAKS_SHARE: Final = 0.06
_PEAKS_SECONDS: Final = (0.3, 0.9)
#: Winograd's F(4x4, 3x3) does a convolution with a quarter of its multiplications (Lavin and Gray,
#: arXiv 1509.09308), so that "even at the machine's peak" must allow for four times the peak.
_FASTER_THAN_PEAK: Final = 4
_FEWEST_CALLS: Final = 2 * MIN_PROCESSES


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """How layers are timed. The dtype is the layer's own.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps".
        threads: of torch's pool.
        channels_last: the (N, H, W, C) memory layout.
        budget_s: seconds that one layer may take once torch is loaded. Less is used where less will do.

    Raises:
        DsconvError: a value that makes no sense.
    """

    device: str = "cpu"
    threads: int = DEFAULT_THREADS
    channels_last: bool = False
    budget_s: float = DEFAULT_BUDGET_S

    def __post_init__(self) -> None:
        parse_device(self.device)
        if self.threads < 1:
            raise DsconvError(f"threads must be a positive integer, not {self.threads}")
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise DsconvError(f"the budget must be a number of seconds above 0, not {self.budget_s}")

    @property
    def layout(self) -> str:
        """In words, as results show it."""
        return "channels last" if self.channels_last else "channels first"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one layer's timing is. `half_width` is None until there is an interval."""

    processes: int
    elapsed_s: float
    budget_s: float
    half_width: float | None


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What an ordinary convolution timed against itself reads as; the truth is 1."""

    findings: Findings
    median_s: float


Watcher = Callable[[Progress], None]
Clock = Callable[[], float]


class Timer:
    """Times layers in fresh processes. A context manager: leaving it, also by Ctrl-C, ends every process."""

    def __init__(
        self,
        settings: TimingSettings | None = None,
        *,
        laboratory: Laboratory | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings = TimingSettings() if settings is None else settings
        self._laboratory: Laboratory = ProcessLaboratory() if laboratory is None else laboratory
        self._clock = clock
        self._machines: dict[str, Machine] = {}
        self._peaks: dict[str, Peaks] = {}

    def __enter__(self) -> Timer:  # noqa: PYI034  Self needs Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        self._laboratory.close()

    def check(self, spec: ConvSpec) -> None:
        """Refuse what cannot be timed here, before anything is built.

        Raises:
            DsconvError: the device is absent or cannot run the dtype.
            CannotMeasureError: the layer is too large for the memory.
        """
        if DEVICES[parse_device(self.settings.device)[0]].on_cpu:
            refuse_too_large(spec, free_memory())
        refuse_too_large(spec, self.machine(spec.dtype).free_bytes)

    def time(self, spec: ConvSpec, progress: Watcher | None = None) -> Timing:
        """Both forms of `spec`, the halves, and what this machine reaches.

        Raises:
            DsconvError: the device is absent or cannot run the dtype.
            CannotMeasureError: the layer is too large for the memory or the budget, or torch fails.
        """
        self._laboratory.wait_until_ready()
        started = self._clock()
        self.check(spec)
        machine = self.machine(spec.dtype)
        peaks = self.peaks(spec.dtype)
        refuse_hopeless(spec, peaks, self.settings.budget_s)
        samples = self._collect(spec, started, progress, against_itself=False)
        return self._timing(spec, samples, machine, peaks, self._clock() - started)

    def noise_floor(self, spec: ConvSpec, progress: Watcher | None = None) -> NoiseFloor:
        """The ordinary form of `spec` against itself. Raises as `time` does."""
        self._laboratory.wait_until_ready()
        started = self._clock()
        self.check(spec)
        machine = self.machine(spec.dtype)
        samples = self._collect(spec, started, progress, against_itself=True)
        return NoiseFloor(findings(samples, self.surroundings(machine)), median_s(samples, "ordinary"))

    def machine(self, dtype: str = "float32") -> Machine:
        """The machine, once it is known that it has the device and can run `dtype`."""
        if dtype not in self._machines:
            job = Probe(self._conditions(dtype))
            self._machines[dtype] = cast("Machine", self._laboratory.run(job, _PATIENCE_S))
        return self._machines[dtype]

    def peaks(self, dtype: str = "float32") -> Peaks:
        """What the machine reaches; measured once."""
        if dtype not in self._peaks:
            shortest, longest = _PEAKS_SECONDS
            seconds = min(longest, max(shortest, _PEAKS_SHARE * self.settings.budget_s))
            job = MeasurePeaks(self._conditions(dtype), seconds)
            self._peaks[dtype] = cast("Peaks", self._laboratory.run(job, _PATIENCE_S))
        return self._peaks[dtype]

    def devices(self) -> tuple[Found, ...]:
        """Every kind of device that is known, there or not."""
        return cast("Devices", self._laboratory.run(ListDevices(), _PATIENCE_S)).found

    def _conditions(self, dtype: str) -> Conditions:
        one = self.settings
        return Conditions(one.device, one.threads, one.channels_last, dtype)

    def time_pair(
        self, make: Callable[[Conditions, Plan], Job], dtype: str, progress: Watcher | None = None
    ) -> tuple[list[LayerSample], Surroundings]:
        """Time something other than one layer: whatever the job that `make` gives calls "ordinary" and "separable".

        Raises as `time` does, but knows nothing of memory.
        """
        self._laboratory.wait_until_ready()
        started = self._clock()
        machine = self.machine(dtype)
        job = make(self._conditions(dtype), process_plan(self.settings.budget_s))
        return self._samples(job, started, progress), self.surroundings(machine)

    def _collect(
        self, spec: ConvSpec, started: float, progress: Watcher | None, *, against_itself: bool
    ) -> list[LayerSample]:
        """Samples of a layer, one a process."""
        plan = process_plan(self.settings.budget_s)
        return self._samples(MeasureLayer(self._conditions(spec.dtype), spec, plan, against_itself), started, progress)

    def _samples(self, job: Job, started: float, progress: Watcher | None) -> list[LayerSample]:
        """Samples, one a process, until `wants_more` is satisfied."""
        budget = self.settings.budget_s
        samples: list[LayerSample] = []
        durations: list[float] = []
        while wants_more(
            log_ratios(kept(samples)), durations, self._clock() - started, budget, may_stop=quiet(samples)
        ):
            begun = self._clock()
            try:
                samples.append(cast("LayerSample", self._run(job, budget - (begun - started))))
            except TimeoutExceededError:
                break
            durations.append(self._clock() - begun)
            if progress is not None:
                progress(self._progress(samples, started))
        if len(samples) < MIN_PROCESSES:
            raise _over_budget(durations, budget, self._clock() - started)
        return samples

    def _run(self, job: Job, timeout_s: float) -> object:
        # A process that ends a little late is worth more than one that is killed for it.
        return self._laboratory.run(job, max(timeout_s, 0.0) + _GRACE_S)

    def _progress(self, samples: Sequence[LayerSample], started: float) -> Progress:
        half = half_width(log_ratios(kept(samples)))
        return Progress(
            processes=len(samples),
            elapsed_s=self._clock() - started,
            budget_s=self.settings.budget_s,
            half_width=None if math.isinf(half) else half,
        )

    def surroundings(self, machine: Machine) -> Surroundings:
        """What `judge.findings` has to know beside the samples."""
        one = self.settings
        on_cpu = DEVICES[parse_device(one.device)[0]].on_cpu
        return Surroundings(
            threads=one.threads,
            cores=machine.cores,
            machine_cores=os.cpu_count() or machine.cores,
            budget_s=one.budget_s,
            preempted=on_cpu and machine.clock != PROCESSOR_TIME,
        )

    def _timing(
        self, spec: ConvSpec, samples: Sequence[LayerSample], machine: Machine, peaks: Peaks, seconds: float
    ) -> Timing:
        found = findings(samples, self.surroundings(machine))
        least_disturbed = kept(samples)
        return Timing(
            ordinary_s=median_s(samples, "ordinary"),
            separable_s=median_s(samples, "separable"),
            depthwise_s=median_s(samples, "depthwise"),
            pointwise_s=median_s(samples, "pointwise"),
            speedup=found.speedup,
            verdict=found.verdict,
            reliable=found.reliable,
            warnings=tuple(caution.text for caution in found.cautions),
            device=self.settings.device,
            threads=self.settings.threads,
            layout=self.settings.layout,
            dtype=spec.dtype,
            processes=found.processes,
            pairs=found.pairs,
            fixed_s=_fixed(least_disturbed),
            pages=_pages([one.pages for one in samples if one.pages is not None]),
            copy_bytes=_median_known([one.copy_bytes for one in samples]),
            peaks=peaks,
            regime=_regime(spec, machine, samples[-1].backends),
            disturbed=found.disturbed,
            stolen=found.stolen,
            seconds=seconds,
        )


#: A probe or a peak that has not answered by then never will.
_PATIENCE_S: Final = 120.0
_GRACE_S: Final = 0.5
#: A call that costs more than this much of itself was not measured.
_IMPOSSIBLE: Final = 1.1


def time_layer(spec: ConvSpec, settings: TimingSettings | None = None, progress: Watcher | None = None) -> Timing:
    """Time one layer. For several, use one `Timer`: it loads torch once. Raises as `Timer.time` does."""
    with Timer(settings) as timer:
        return timer.time(spec, progress)


def process_plan(budget_s: float) -> Plan:
    """How long one process samples: short, since it is processes that differ, but not below a few rounds."""
    return Plan(seconds=min(0.25, max(0.04, budget_s / 60)))


def wants_more(
    ratios: Sequence[float], durations: Sequence[float], elapsed_s: float, budget_s: float, *, may_stop: bool = True
) -> bool:
    """Whether to start another process, given the log ratios of those kept, how long each took, and the time used."""
    count = len(ratios)
    if not count:
        return True
    if count >= MOST_KEPT or elapsed_s + median(durations) > budget_s:
        return False
    return not may_stop or count < FEWEST_KEPT_BEFORE_TARGET or half_width(ratios, LEVEL) > TARGET


def bytes_needed(spec: ConvSpec) -> int:
    """Memory that timing both forms of `spec` takes at once.

    The input, the intermediate twice (the pair makes one, the pointwise half alone is given one), an output, and
    all weights, the ordinary ones twice: torch reorders them into a copy.
    """
    params = cost(spec).params
    elements = sum(math.prod(shape) for shape in (spec.input_shape, *[spec.intermediate_shape] * 2, spec.output_shape))
    return spec.element_bytes * (elements + 2 * params.ordinary + params.separable)


def refuse_too_large(spec: ConvSpec, free_bytes: int | None) -> None:
    """Raise CannotMeasureError if the layer does not fit into `free_bytes`. None, unknown, refuses nothing."""
    needed = bytes_needed(spec)
    if free_bytes is not None and needed + _RESERVE_BYTES > free_bytes:
        raise CannotMeasureError(
            f"timing this layer needs {needed:,} bytes of memory and {free_bytes:,} are free; "
            "a smaller --batch, --h or --w fits, and without --time nothing is allocated"
        )


def refuse_hopeless(spec: ConvSpec, peaks: Peaks, budget_s: float) -> None:
    """Raise CannotMeasureError if the fewest calls cannot fit into the budget, however fast they are."""
    flops = FLOPS_PER_MAC * cost(spec).macs.ordinary
    fastest = max(peaks.matmul_flops, peaks.conv_flops)
    needed = _FEWEST_CALLS * flops / fastest
    if needed > _FASTER_THAN_PEAK * budget_s:
        raise CannotMeasureError(
            f"timing this layer takes about {needed:,.0f} s ({_FEWEST_CALLS} calls of {flops:.3g} FLOPs at "
            f"{fastest / 1e9:,.0f} GFLOP/s, the most this machine reaches) and the budget is {budget_s:g} s"
        )


def _over_budget(durations: Sequence[float], budget_s: float, elapsed_s: float) -> CannotMeasureError:
    if not durations:
        return CannotMeasureError(
            f"one measurement of this layer did not end within the budget of {budget_s:.3g} s, and {MIN_PROCESSES} "
            f"are needed; --budget {MIN_PROCESSES * 2 * elapsed_s:.0f} may do"
        )
    needed = elapsed_s + (MIN_PROCESSES - len(durations) + 1) * max(durations)
    return CannotMeasureError(
        f"the budget of {budget_s:.3g} s holds {len(durations)} of the {MIN_PROCESSES} measurements that an interval "
        f"needs, for one takes {max(durations):.3g} s; --budget {math.ceil(needed)} will do"
    )


def _medians(rows: Sequence[Sequence[float]]) -> list[float]:
    """The median of each column."""
    return [median(column) for column in zip(*rows, strict=True)]


def _median_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _fixed(samples: Sequence[LayerSample]) -> Seconds | None:
    """The fixed costs of calls; None where one reads more than the whole operator takes, for then it is noise."""
    known = [one.fixed_s for one in samples if one.fixed_s is not None]
    if not known:
        return None
    fixed = Seconds(*_medians(known))
    whole = (median([one.rounds.fastest(name) for one in samples]) for name in Seconds._fields)
    return fixed if all(one <= _IMPOSSIBLE * all_of_it for one, all_of_it in zip(fixed, whole, strict=True)) else None


def _pages(samples: Sequence[Pages]) -> Pages | None:
    return Pages(*_medians(samples)) if samples else None


def _regime(spec: ConvSpec, machine: Machine, backends: Backends) -> Regime:
    return Regime(
        torch=machine.torch,
        device_name=machine.device_name,
        cores=machine.cores,
        default_threads=machine.default_threads,
        clock=machine.clock,
        batch=spec.batch,
        backends=backends,
        notes=machine.notes,
    )

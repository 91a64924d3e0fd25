"""Timing layers: which processes are started, and what is made of their answers.

    with Timer(TimingSettings(budget_s=5)) as timer:
        timing = timer.time(ConvSpec(k=64, c=32, h=32, w=32))

A `Timer` may time many layers; it starts the interpreter that its measuring processes are forked from once, in the
background, as soon as it is made. This module itself needs no torch: what measures is in other processes, which
the caller's own use of torch (profiling, an open thread pool, a notebook) cannot disturb.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any, Final, Self, TypeVar

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.jobs import Job, ListDevices, MeasureLayer, MeasurePeaks, PrepareLayer, Probe
from dsconv_cli.timing.processes import Laboratory, ProcessLaboratory, TimeoutExceededError
from dsconv_cli.timing.result import Executed, Interval, Machine, PairTime, Peaks, PerOperator, Regime, Timing
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.statistics import MIN_PROCESSES
from dsconv_cli.timing.stopping import over_budget, pace, refuse_hopeless, refuse_too_large, schedule, wants_more
from dsconv_cli.timing.verdict import Findings, findings, kept, typical, typical_s
from dsconv_cli.timing.worker.answers import Conditions, Found, Prepared, Sample
from dsconv_cli.timing.worker.sampling import Schedule
from dsconv_cli.timing.worker.system import free_memory

#: Seconds for the three peaks together: a share of the budget between two bounds.
_PEAKS_SHARE: Final = 0.02
_PEAKS_SECONDS: Final = (0.3, 0.9)
#: A probe or a peak that has not answered by then never will.
_PATIENCE_S: Final = 120.0
#: A process that ends a little late is worth more than one that is killed for it.
_GRACE_S: Final = 0.5
#: Building takes up to this many times as long as it once did, where the machine has other things to do.
_BUILDS_SLOWER: Final = 10
#: A call that costs more than this much of itself was not measured.
_IMPOSSIBLE: Final = 1.1


@dataclass(frozen=True, slots=True)
class TimingProgress:
    """How far one layer's timing is. `speedup` is what it reads so far, None until there is an interval."""

    processes: int
    elapsed_s: float
    budget_s: float
    speedup: Interval | None


Answer = TypeVar("Answer")
Watcher = Callable[[TimingProgress], None]
Clock = Callable[[], float]
#: What measures, once it is known under which conditions and for how long.
Make = Callable[[Conditions, Schedule], Job[Sample]]


class Timer:
    """Times layers in fresh processes. A context manager: leaving it, also by Ctrl-C, ends every process.

    Raises:
        CannotMeasureError: torch is not installed.
    """

    def __init__(
        self,
        settings: TimingSettings | None = None,
        *,
        laboratory: Laboratory | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings = TimingSettings() if settings is None else settings
        self.laboratory: Laboratory = ProcessLaboratory() if laboratory is None else laboratory
        self._clock = clock
        self._machines: dict[str, Machine] = {}
        self._peaks: dict[str, Peaks] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.laboratory.close()

    def check(self, spec: ConvSpec) -> None:
        """Refuse what cannot be timed here, before anything is built.

        Raises:
            DsconvError: the device is absent or cannot run the dtype.
            CannotMeasureError: the layer is too large for the memory.
        """
        self.settings.refuse_impossible(spec)
        if self.settings.on_cpu:
            refuse_too_large(spec, free_memory(), self.settings.chain)
        refuse_too_large(spec, self.machine(spec.dtype).free_bytes, self.settings.chain)

    def time(self, spec: ConvSpec, progress: Watcher | None = None) -> Timing:
        """Both forms of `spec`, the halves, and what this machine reaches.

        Raises:
            DsconvError: the device is absent or cannot run the dtype.
            CannotMeasureError: the layer is too large for the memory or the budget, or torch fails.
        """
        begun = self._start()
        self.check(spec)
        peaks = self.peaks(spec.dtype)
        refuse_hopeless(spec, peaks, self.settings)
        # Of what went by until now the budget bears what was measured, and not what was built.
        spent_s = min(self._clock() - begun, _PEAKS_SECONDS[1])
        prepared = self.prepare(spec)
        started = self._clock() - spent_s
        make = partial(MeasureLayer, spec=spec)
        samples = self._samples(make, spec.dtype, started, progress, prepared.built_s)
        return self._timing(spec, samples, prepared, peaks, self._clock() - begun)

    def prepare(self, spec: ConvSpec) -> Prepared:
        """What the runtime is found to do with `spec`, outputs checked. It is in no budget. Raises as `time` does."""
        return self._patiently(PrepareLayer(self.settings.conditions(spec.dtype), spec))

    def noise_floor(self, spec: ConvSpec, progress: Watcher | None = None) -> tuple[Findings, Prepared]:
        """What the ordinary form of `spec` reads against itself, 1 in truth, and what it is. Raises as `time` does."""
        self._start()
        self.check(spec)
        prepared = self.prepare(spec)
        make = partial(MeasureLayer, spec=spec, itself=True)
        samples = self._samples(make, spec.dtype, self._clock(), progress, prepared.built_s)
        return findings(samples, self.settings, self.machine(spec.dtype)), prepared

    def on(self, runtime: str, fraction: float) -> Timer:
        """Another timer, on another runtime, in the same laboratory, with a part of the budget."""
        return Timer(self.settings.on(runtime).part(fraction), laboratory=self.laboratory, clock=self._clock)

    def time_pair(self, make: Make, dtype: str, progress: Watcher | None = None, built_s: float = 0.0) -> PairTime:
        """Time something other than one layer: whatever the job that `make` gives calls "ordinary" and "separable".

        `built_s` is what building takes, about, where it is in no budget. Raises as `time` does, but knows nothing of
        memory.
        """
        started = self._start()
        machine = self.machine(dtype)
        samples = self._samples(make, dtype, started, progress, built_s)
        runtime, building_s = self.settings.runtime, median([one.built_s for one in samples])
        executed = Executed(runtime, RUNTIMES[runtime].version(), built_s=building_s)
        return PairTime(**self._pair(samples, findings(samples, self.settings, machine), dtype, executed))

    def machine(self, dtype: str = "float32") -> Machine:
        """The machine, once it is known that it has the device and can run `dtype`."""
        if dtype not in self._machines:
            self._machines[dtype] = self._patiently(Probe(self.settings.conditions(dtype)))
        return self._machines[dtype]

    def peaks(self, dtype: str = "float32") -> Peaks:
        """What the machine reaches; measured once."""
        if dtype not in self._peaks:
            shortest, longest = _PEAKS_SECONDS
            seconds = min(longest, max(shortest, _PEAKS_SHARE * self.settings.budget_s))
            self._peaks[dtype] = self._patiently(MeasurePeaks(self.settings.conditions(dtype), seconds))
        return self._peaks[dtype]

    def devices(self) -> tuple[Found, ...]:
        """Every kind of device that is known, there or not."""
        return self._patiently(ListDevices())

    def _patiently(self, job: Job[Answer]) -> Answer:
        """The answer to something that is in no budget."""
        try:
            return self.laboratory.run(job, _PATIENCE_S)
        except TimeoutExceededError:
            title = RUNTIMES[self.settings.runtime].title
            raise CannotMeasureError(f"{title} was not ready to be timed after {_PATIENCE_S:.0f} s") from None

    def _start(self) -> float:
        """When measuring began: torch is loaded."""
        self.laboratory.wait_until_ready()
        return self._clock()

    def _samples(
        self, make: Make, dtype: str, started: float, progress: Watcher | None, built_s: float
    ) -> list[Sample]:
        """Samples, one a process, until `wants_more` is satisfied.

        What a process takes to build what it times is not in the budget; `built_s` is how long that took once.
        """
        budget = self.settings.budget_s
        conditions = self.settings.conditions(dtype)
        samples: list[Sample] = []
        durations: list[float] = []
        patience = _GRACE_S + _BUILDS_SLOWER * built_s
        while wants_more(samples, durations, self._clock() - started, self.settings):
            begun = self._clock()
            job = make(conditions, schedule(budget, built_s, pace(samples, begun - started)))
            try:
                samples.append(self.laboratory.run(job, max(budget - (begun - started), 0.0) + patience))
            except TimeoutExceededError:
                break
            durations.append(self._clock() - begun - samples[-1].built_s)
            started += samples[-1].built_s
            if progress is not None:
                gain = typical(samples) if len(samples) > 1 else None
                progress(TimingProgress(len(samples), self._clock() - started, budget, gain))
        if len(samples) < MIN_PROCESSES:
            raise over_budget(durations, self.settings, self._clock() - started)
        return samples

    def _timing(
        self, spec: ConvSpec, samples: Sequence[Sample], prepared: Prepared, peaks: Peaks, seconds: float
    ) -> Timing:
        machine, settings = self.machine(spec.dtype), self.settings
        found = findings(samples, settings, machine)
        ran = Executed(settings.runtime, prepared.version, prepared.precision, settings.chain, prepared.built_s)
        return Timing(
            **self._pair(samples, found, spec.dtype, ran),
            depthwise_s=typical_s(samples, "depthwise"),
            pointwise_s=typical_s(samples, "pointwise"),
            fixed_s=_fixed(prepared, samples),
            pages=_medians([one.pages for one in samples if one.pages is not None]),
            copy_bytes=_median_known([one.copy_bytes for one in samples]),
            peaks=peaks,
            regime=Regime(**asdict(machine), batch=spec.batch, backends=prepared.backends),
            disturbed=found.disturbed,
            stolen=found.stolen,
            seconds=seconds,
        )

    def _pair(self, samples: Sequence[Sample], found: Findings, dtype: str, executed: Executed) -> dict[str, Any]:
        """The fields of `PairTime`, which a layer has too."""
        return {
            "ordinary_s": typical_s(samples, "ordinary"),
            "separable_s": typical_s(samples, "separable"),
            "speedup": found.speedup,
            "fastest": found.fastest,
            "verdict": found.verdict,
            "reliable": found.reliable,
            "warnings": tuple(caution.text for caution in found.cautions),
            "device": self.settings.device,
            "threads": self.settings.threads,
            "layout": self.settings.layout,
            "dtype": dtype,
            "processes": found.processes,
            "pairs": found.pairs,
            "runtime": executed,
        }


def time_layer(spec: ConvSpec, settings: TimingSettings | None = None, progress: Watcher | None = None) -> Timing:
    """Time one layer on this machine, in processes of their own. For several, one `Timer` loads torch once.

    Args:
        spec: the layer, N×C×H×W in and N×K×H'×W' out in both forms.
        settings: device, threads, layout and budget; by default one thread of the CPU and at most 15 seconds.
        progress: called after every process.

    Returns:
        Seconds a call, and the speed-up, ordinary ÷ separable, with its interval.

    Raises:
        DsconvError: the device is absent or cannot run the dtype.
        CannotMeasureError: torch is missing or fails, or the layer is too large for the memory or the budget.

    >>> gain = time_layer(ConvSpec(k=256, c=256, h=14, w=14), TimingSettings(precision=0.2)).speedup
    >>> gain.low < gain.value < gain.high
    True
    """
    with Timer(settings) as timer:
        return timer.time(spec, progress)


def _medians(rows: Sequence[PerOperator[float]]) -> PerOperator[float] | None:
    """The median for each operator."""
    return PerOperator(*map(median, zip(*rows, strict=True))) if rows else None


def _median_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _fixed(prepared: Prepared, samples: Sequence[Sample]) -> PerOperator[float] | None:
    """The fixed costs of calls; None where one reads more than the whole operator takes, for then it is noise."""
    fixed, calm = prepared.fixed_s, kept(samples)
    if fixed is None:
        return None
    whole = (median([one.rounds.fastest[name] for one in calm]) for name in fixed._fields)
    return fixed if all(one <= _IMPOSSIBLE * all_of_it for one, all_of_it in zip(fixed, whole, strict=True)) else None

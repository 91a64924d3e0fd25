"""The result of a timing, as plain data: what was measured, how sure it is, and under which conditions.

`timing` produces it; everything else only reads it, and so needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

from dsconv_cli.timing.verdicts import Verdict

Figure = TypeVar("Figure")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a two-sided confidence interval at `level` (0.95 for 95 %)."""

    value: float
    low: float
    high: float
    level: float

    @property
    def half_width(self) -> float:
        """How far the upper bound lies above the estimate, as a fraction of it: 0.05 is 5 %."""
        return self.high / self.value - 1


class PerOperator(NamedTuple, Generic[Figure]):
    """One figure for each operator that is timed alone."""

    ordinary: Figure
    depthwise: Figure
    pointwise: Figure


#: torch does not tell which of its backends an operator ran on.
NO_BACKENDS: Final = PerOperator[str | None](None, None, None)


@dataclass(frozen=True, slots=True)
class Peaks:
    """What this machine reaches with the same device, threads and dtype.

    Rates per second: FLOPs of a large square matrix product, bytes read plus bytes written of a large copy, and
    FLOPs of a reference convolution (`conv_shape` says which), the best of several tries each.
    """

    matmul_flops: float
    copy_bytes: float
    conv_flops: float
    conv_shape: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has, once it is known that it can run the dtype on the device.

    `clock` is what was read: the wall clock, or a device's events. `notes` are settings of the device's libraries that
    choose kernels. `cores` are those allowed, of `all_cores`; these and `free_bytes` are no
    condition that a timing holds for.
    """

    torch: str = ""
    device_name: str = ""
    cores: int = 0
    all_cores: int = field(default=0, compare=False, repr=False)
    default_threads: int = 0
    clock: str = ""
    notes: tuple[str, ...] = ()
    free_bytes: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Regime(Machine):
    """The conditions a timing holds for, beside those of `Timing` itself."""

    batch: int = 1
    backends: PerOperator[str | None] = NO_BACKENDS


NO_REGIME: Final = Regime()


@dataclass(frozen=True, slots=True)
class Executed:
    """What executed the layer, and what it says of that: its name and version, and the precision of its arithmetic.

    `chain` is how many layers there were in a row, `built_s` how long it took until both forms and the halves were
    ready to be called, which is in none of the times.
    """

    name: str = "torch"
    version: str = ""
    precision: str = ""
    chain: int = 1
    built_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fastest:
    """What the layer does undisturbed: seconds a call of each form, and the speed-up with its interval.

    The fastest parts of blocks, in the third of the processes, at least five, that were disturbed least. It repeats
    better than the typical time and is something else: whoever runs the layer meets the typical time.
    """

    ordinary_s: float
    separable_s: float
    speedup: Interval


@dataclass(frozen=True, slots=True)
class PairTime:
    """Typical seconds a call of both forms, of a layer or a whole network, and the speed-up (ordinary ÷ separable).

    The typical time is the median over all processes of each one's median. The speed-up is the mean, in the logarithm,
    of the processes' ratios of medians, not the quotient of the medians shown beside it; its interval holds what
    another measurement on this machine, in another minute, is likely to find. `fastest` is another thing.
    """

    ordinary_s: float
    separable_s: float
    speedup: Interval
    fastest: Fastest
    verdict: Verdict
    reliable: bool
    warnings: tuple[str, ...]
    device: str
    threads: int
    layout: str
    dtype: str
    processes: int
    pairs: int
    runtime: Executed = Executed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing(PairTime):
    """Typical seconds a call of each form and of the halves of a layer, the speed-up, and what explains them.

    `fixed_s` is what a call costs however little it computes, `pages` the memory a call maps anew (None where the
    system does not tell), and `copy_bytes` the bytes per second of a copy that moves as much as depthwise does,
    which is faster than a large copy where that much fits a cache. `disturbed` is the fraction of samples that took
    more than half as long again as the median of their kind in their process, `stolen` the fraction of the time
    in which the threads that were timed were not running. `seconds` is the wall time that it all took.

    >>> from dsconv_cli import ConvSpec, TimingSettings, time_layer
    >>> timing = time_layer(ConvSpec(k=16, c=16, h=8, w=8), TimingSettings(budget_s=20))
    >>> timing.verdict in ("faster", "slower", "no detectable difference"), timing.device, timing.threads
    (True, 'cpu', 1)
    """

    depthwise_s: float
    pointwise_s: float
    fixed_s: PerOperator[float] | None = None
    pages: PerOperator[float] | None = None
    copy_bytes: float | None = None
    peaks: Peaks | None = None
    regime: Regime = NO_REGIME
    disturbed: float = 0.0
    stolen: float = 0.0
    seconds: float = 0.0


class Times(NamedTuple):
    """The time of one layer on several runtimes, in the order in which they were asked for.

    None where one failed, and `failures` then says why.
    """

    timings: Mapping[str, Timing | None]
    failures: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether none failed."""
        return None not in self.timings.values()

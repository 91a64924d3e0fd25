"""Samples of processes → typical and fastest, a verdict, and what speaks against believing them.

Pure; the wording of every warning stands here and nowhere else.

The typical ratio is what anyone finds who runs the two forms in turn: each process gives the ratio of its medians, and
all of them count. The fastest is what the forms do when nothing disturbs them, from the least disturbed processes. It
repeats better, and it flatters the shorter workload: a form of two short calls has the longer tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median, stdev
from typing import Final, NamedTuple

from dsconv_cli.timing.result import Fastest, Interval, Machine
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.statistics import NORMAL, ratio_interval
from dsconv_cli.timing.verdicts import Verdict
from dsconv_cli.timing.worker.answers import Sample
from dsconv_cli.timing.worker.sampling import SIDES, disturbed_fraction

#: The widest interval that is still called reliable, and how many processes it should rest on. It has in it how far a
#: plain measurement differs from itself from one minute to the next, which is a third of that.
WIDEST: Final = 0.15
ENOUGH_PROCESSES: Final = 8
#: Above this fraction the samples were disturbed too often.
DISTURBED: Final = 0.20
#: A core is counted as taken by others in quarters: the system's clock ticks are coarse.
_CORE_SLACK: Final = 0.25
#: One process in so many is kept, see `kept`; and how many at least, for an interval needs a few.
KEPT_OF: Final = 3
LEAST_KEPT: Final = 5
#: How far whole measurements lie apart beyond what the processes of one of them show: a standard deviation, in the
#: logarithm. It is what the fastest ratios of four layers of five differed by, by 0.3 to 1.4 %.
DRIFT: Final = 0.01
#: Typical ratios drift by this at the least, and by a share of what processes differ by, for neighbours share the state
#: that the machine is in: of what the same processes found in eight minutes, on six layers of a quiet machine, 46 of 48
#: intervals then held what the other minutes found; with 0.01, and without the share, 40.
TYPICAL_DRIFT: Final = 0.015
OF_THE_PROCESSES: Final = 1 / 5
#: They drift further where more disturbs: by these shares of what disturbance does to the ratio, and to the times, in
#: this very measurement. In another minute there is more of it or less. Chosen so that intervals hold what
#: `benchmarks/coverage.py` finds by a plain measurement, see docs/timing.md.
OF_THE_RATIO: Final = 1 / 6
OF_THE_TIMES: Final = 1 / 20
#: Measuring ends, at whatever width, when what more processes would narrow is no more than this part of the machine's
#: wander from minute to minute, which they would not: twice the time would make the interval 6 % narrower.
WORTHWHILE: Final = 0.5
#: A thread that had not the processor for more than this part of the time was not alone.
_ROBBED: Final = 0.15
#: A longer budget is not advised beyond this many seconds.
_LONGEST_BUDGET_S: Final = 600.0


class Caution(NamedTuple):
    """Something that speaks against believing a timing. `text` is one line for the user."""

    code: str
    text: str


class Findings(NamedTuple):
    """What the samples of all processes say together: `speedup` is typical. `pairs` counts the rounds of all."""

    speedup: Interval
    fastest: Fastest
    processes: int
    pairs: int
    disturbed: float
    stolen: float
    cautions: tuple[Caution, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the separable form, by the whole interval."""
        return verdict(self.speedup)

    @property
    def reliable(self) -> bool:
        """Whether nothing speaks against the figures."""
        return not self.cautions


def verdict(speedup: Interval) -> Verdict:
    """Faster or slower only where the whole interval says so."""
    if speedup.low > 1:
        return "faster"
    return "slower" if speedup.high < 1 else "no detectable difference"


def typical_s(samples: Sequence[Sample], name: str) -> float:
    """Seconds a call: the median over the processes of each one's median."""
    return median([sample.rounds.typical(name) for sample in samples])


def typical_ratios(samples: Sequence[Sample]) -> list[float]:
    """One logarithm of ordinary ÷ separable for each process, of its medians."""
    return [_ratio(one.rounds.typical) for one in samples]


def typical(samples: Sequence[Sample]) -> Interval:
    """The typical speed-up, with an interval for what another measurement finds in another minute."""
    return ratio_interval(typical_ratios(samples), wander(samples))


def wander(samples: Sequence[Sample]) -> float:
    """How far typical ratios of whole measurements lie apart beyond what Student's interval has in it.

    A standard deviation, in the logarithm. A part of what processes differ by stays for longer than a measurement. And
    disturbance makes each form slower than its fastest, by what is seen here;
    in another minute there is more of it or less, and both ratio and times move with it.
    """
    slower = [math.log(typical_s(samples, name) / _fastest_s(kept(samples), name)) for name in SIDES]
    differ = stdev(typical_ratios(samples)) if len(samples) > 1 else 0.0
    return math.hypot(
        TYPICAL_DRIFT, OF_THE_PROCESSES * differ, OF_THE_RATIO * (slower[0] - slower[1]), OF_THE_TIMES * max(slower)
    )


def kept(samples: Sequence[Sample]) -> list[Sample]:
    """The processes that were disturbed least, in the order in which they ran: a third, and at least five.

    Whatever disturbs a process (programs beside it, neighbours of a virtual machine that cannot be seen from inside,
    an unlucky placement in memory) makes it slower, never faster, and the two forms not alike: over minutes the ratio
    of all processes wandered by 2 to 8 %, that of the least disturbed third by 0.3 to 1.4 % (one layer: 4 %). What
    is chosen by is the time of both forms together, which favours neither.
    """
    count = max(LEAST_KEPT, -(-len(samples) // KEPT_OF))
    chosen = sorted(range(len(samples)), key=lambda index: _slowness(samples[index]))[:count]
    return [samples[index] for index in sorted(chosen)]


def _slowness(sample: Sample) -> float:
    return sum(math.log(sample.rounds.fastest[name]) for name in SIDES)


def fastest(samples: Sequence[Sample]) -> Fastest:
    """What the forms do undisturbed: of the kept processes, the fastest parts of blocks."""
    calm = kept(samples)
    ratios = [_ratio(one.rounds.fastest.__getitem__) for one in calm]
    ordinary_s, separable_s = (_fastest_s(calm, name) for name in SIDES)
    return Fastest(ordinary_s, separable_s, ratio_interval(ratios, DRIFT))


def _fastest_s(calm: Sequence[Sample], name: str) -> float:
    return median([sample.rounds.fastest[name] for sample in calm])


def _ratio(seconds: Callable[[str], float]) -> float:
    ordinary, separable = map(seconds, SIDES)
    return math.log(ordinary / separable)


def findings(samples: Sequence[Sample], settings: TimingSettings, machine: Machine) -> Findings:
    """Everything the samples say, cautions included, of what was timed with `settings` on `machine`.

    Raises:
        ValueError: there are no samples.
    """
    stolen = _mean([sample.stolen for sample in samples])
    disturbed = _mean([disturbed_fraction(sample.rounds.per_call) for sample in samples]) or 0.0
    speedup = typical(samples)
    return Findings(
        speedup=speedup,
        fastest=fastest(samples),
        processes=len(samples),
        pairs=sum(sample.rounds.number for sample in samples),
        disturbed=disturbed,
        stolen=stolen or 0.0,
        cautions=tuple(_cautions(samples, settings, machine, speedup, disturbed)),
    )


def _cautions(
    samples: Sequence[Sample], settings: TimingSettings, machine: Machine, speedup: Interval, disturbed: float
) -> Iterator[Caution]:
    others, stolen = (_mean([getattr(one, name) for one in samples]) or 0.0 for name in ("others", "stolen"))
    threads, cores, all_cores = settings.threads, machine.cores, machine.all_cores
    if len(samples) < ENOUGH_PROCESSES:
        only = f"only {len(samples)} measuring processes fit into {settings.budget_s:.3g} s"
        yield Caution("few", f"{only}, fewer than {ENOUGH_PROCESSES}; a longer budget gives more")
    if speedup.half_width > WIDEST:
        yield Caution("wide", _wide(speedup.half_width, NORMAL * wander(samples), settings))
    if threads > cores:
        yield Caution("threads", f"more threads ({threads}) than cores ({cores}): they wait for each other")
    # Other programs cannot take a device away, as they can the cores.
    if settings.on_cpu and others > _CORE_SLACK and others + threads > all_cores + _CORE_SLACK:
        each = "the thread" if threads == 1 else f"each of {threads} threads"
        busy = f"other programs kept {others:.1f} of {all_cores} cores busy"
        yield Caution("crowded", f"{busy}, so {each} had less than a core")
    elif stolen > _ROBBED:
        had = f"the thread had the processor for {1 - stolen:.0%} of the time"
        yield Caution("robbed", f"{had}: other programs had it, or other guests of the same hardware")
    if disturbed > DISTURBED:
        yield Caution("disturbed", f"{disturbed:.0%} of the samples took more than 1.5 times their median")


def _wide(half: float, drifting: float, settings: TimingSettings) -> str:
    """A longer budget is advised only where it would narrow the interval enough, and timing would go on so far."""
    said = f"the interval is ±{half:.1%}, wider than ±{WIDEST:.0%}"
    wanted, now = math.log1p(WIDEST), math.log1p(half)
    if math.hypot(1, WORTHWHILE) * drifting < wanted:
        needed = 1.2 * settings.budget_s * (now**2 - drifting**2) / (wanted**2 - drifting**2)
        if needed <= _LONGEST_BUDGET_S:
            return f"{said}; a budget of {needed / settings.share:,.0f} s should be enough, or a quieter machine"
    return f"{said}: the machine is too noisy for this layer"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

"""When there are samples enough, and what is refused because there never would be. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.cost import FLOPS_PER_MAC, cost
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Interval, Peaks
from dsconv_cli.timing.settings import DEFAULT_PRECISION, TimingSettings
from dsconv_cli.timing.statistics import MIN_PROCESSES, NORMAL, half_width
from dsconv_cli.timing.verdict import ENOUGH_PROCESSES, WIDEST, WORTHWHILE, typical, typical_ratios, wander
from dsconv_cli.timing.worker.answers import Sample
from dsconv_cli.timing.worker.sampling import Schedule

#: After so many seconds, building included, a clear verdict is enough for whoever asked for no precision: the whole
#: interval is farther from 1 than this, and no wider than is reliable. With what is prepared before it makes four.
QUICK_S: Final = 3.2
CLEAR: Final = 1.1
#: More processes than this narrow nothing: what they then disagree about is the machine's drift.
MOST_PROCESSES: Final = 180
#: Torch keeps this much for itself; a layer may not have it.
_RESERVE_BYTES: Final = 256 * 2**20
#: Numbers are made, and outputs checked, in float32, whatever is timed.
_NUMBER_BYTES: Final = 4
#: Winograd's F(4x4, 3x3) does a convolution with a quarter of its multiplications (Lavin and Gray,
#: arXiv 1509.09308), so that "even at the machine's peak" must allow for four times the peak.
_FASTER_THAN_PEAK: Final = 4
_FEWEST_CALLS: Final = 2 * MIN_PROCESSES


#: A process samples for no less than this part of the time that it builds, unless that is too much of the budget.
_OF_BUILDING: Final = 1 / 4
_OF_BUDGET: Final = 1 / 10
#: Once there are processes enough for an interval, building ends at so many times the budget, which it is not in.
_MOST_BUILDING: Final = 4


class Pace(NamedTuple):
    """How long one process samples, in seconds and as a part of the budget at the most, and its fewest rounds."""

    seconds: float
    of_budget: float
    rounds: int


#: On a quiet machine processes differ so much that three short ones tell more than one of three times their length.
QUICK: Final = Pace(0.07, 1 / 60, 5)
THOROUGH: Final = Pace(0.2, 1 / 60, 20)
#: On a busy one the medians of few rounds leap, and a process that has just begun is spared: it lost the processor for
#: 22 % of its time in its first tenth of a second, and for 35 % of six tenths.
BUSY: Final = Pace(0.6, 1 / 25, 60)
_LOST: Final = 0.1


def pace(samples: Sequence[Sample], elapsed_s: float) -> Pace:
    """How the next process samples, given those that there are and the time used."""
    lost = [one.stolen for one in samples if one.stolen is not None]
    if lost and median(lost) > _LOST:
        return BUSY
    return QUICK if with_building(samples, elapsed_s) < 2 * QUICK_S else THOROUGH


def schedule(budget_s: float, built_s: float = 0.0, pace: Pace = THOROUGH) -> Schedule:
    """How long one process samples: short, since it is processes that differ, but not below a few rounds.

    Longer where a process takes long to build what it times, for there will be few of them.
    """
    short = min(pace.seconds, max(0.04, pace.of_budget * budget_s))
    return Schedule(seconds=max(short, min(_OF_BUILDING * built_s, _OF_BUDGET * budget_s)), rounds=pace.rounds)


def with_building(samples: Sequence[Sample], elapsed_s: float) -> float:
    """Seconds by the clock, where `elapsed_s` leaves building out, as the budget does."""
    return elapsed_s + sum(one.built_s for one in samples)


def wants_more(
    samples: Sequence[Sample], durations: Sequence[float], elapsed_s: float, settings: TimingSettings
) -> bool:
    """Whether to start another process, given what there is, how long each took, and the time used."""
    if not samples:
        return True
    if len(samples) >= MIN_PROCESSES and with_building(samples, 0.0) > _MOST_BUILDING * settings.budget_s:
        return False
    ends_s = elapsed_s + median(durations)
    if ends_s > settings.budget_s or len(samples) >= MOST_PROCESSES:
        return False
    if len(samples) < ENOUGH_PROCESSES:
        return True
    gain = typical(samples)
    if with_building(samples, ends_s) > QUICK_S and settings.precision is None and _is_clear(gain):
        return False
    narrowed = half_width(typical_ratios(samples)) <= WORTHWHILE * NORMAL * wander(samples)
    return not narrowed and gain.half_width > (settings.precision or DEFAULT_PRECISION)


def _is_clear(gain: Interval) -> bool:
    """Whether the verdict would stay, and the figure is good enough to show."""
    return gain.half_width <= WIDEST and (gain.low > CLEAR or gain.high < 1 / CLEAR)


def bytes_needed(spec: ConvSpec, chain: int = 1) -> int:
    """Memory that timing both forms of `spec` takes at once, `chain` of them in a row.

    Each form and each half has its own: the input three times, the intermediate twice (the pair makes one, the
    pointwise half alone is given one), an output; the ordinary weights three times, as numbers, as the runtime has
    them, and in the order that torch puts them in at each call; the others, of the pair and of the halves, four times.
    """
    params = cost(spec).params
    images = (*[spec.input_shape] * 3, *[spec.intermediate_shape] * 2, spec.output_shape)
    elements = sum(map(math.prod, images))
    return max(spec.element_bytes, _NUMBER_BYTES) * (elements + chain * (3 * params.ordinary + 4 * params.separable))


def refuse_too_large(spec: ConvSpec, free_bytes: int | None, chain: int = 1) -> None:
    """Raise CannotMeasureError if the layer does not fit into `free_bytes`. None, unknown, refuses nothing."""
    needed = bytes_needed(spec, chain)
    if free_bytes is not None and needed + _RESERVE_BYTES > free_bytes:
        raise CannotMeasureError(
            f"timing this layer needs {needed:,} bytes of memory and {free_bytes:,} are free; "
            "a smaller batch, h or w fits, and the formulas need none"
        )


def refuse_hopeless(spec: ConvSpec, peaks: Peaks, settings: TimingSettings) -> None:
    """Raise CannotMeasureError if the fewest calls cannot fit into the budget, however fast they are."""
    flops = settings.chain * FLOPS_PER_MAC * cost(spec).macs.ordinary
    fastest = max(peaks.matmul_flops, peaks.conv_flops)
    needed = _FEWEST_CALLS * flops / fastest
    if needed > _FASTER_THAN_PEAK * settings.budget_s:
        raise CannotMeasureError(
            f"timing this layer takes about {needed:,.0f} s ({_FEWEST_CALLS} calls of {flops:.3g} FLOPs at "
            f"{fastest / 1e9:,.0f} GFLOP/s, the most this machine reaches), too long for {settings.limit}"
        )


def over_budget(durations: Sequence[float], settings: TimingSettings, elapsed_s: float) -> CannotMeasureError:
    """What is wrong with a budget of which `durations` are all the processes that it held."""
    if durations:
        enough_s = elapsed_s + (MIN_PROCESSES - len(durations) + 1) * max(durations)
        reason = (
            f"{settings.limit} holds {len(durations)} of the {MIN_PROCESSES} measurements that an interval needs, "
            f"because one takes {max(durations):.3g} s"
        )
    else:
        enough_s = 2 * MIN_PROCESSES * elapsed_s
        reason = f"one measurement of this layer did not end within {settings.limit}, and {MIN_PROCESSES} are needed"
    return CannotMeasureError(f"{reason}; a budget of {math.ceil(enough_s / settings.share)} s will do")

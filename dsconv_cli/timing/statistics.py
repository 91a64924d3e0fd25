"""Samples → an estimate with an interval. Pure arithmetic: no clock, no torch, no numpy.

The unit of repetition is the process: what one measures is one ratio, and the interval is Student's, on the logarithms
of the ratios. It is a plain mean on purpose: where processes fall into two groups (a lucky and an unlucky placement in
memory) a trimmed mean or a median covers its own long-run value in as few as 78 % of runs, the plain one in 92 % or
more, and a process far off widens the interval instead of being thrown away. `tests/test_stopping.py` simulates it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean
from typing import Final

from dsconv_cli.timing.result import Interval

LEVEL: Final = 0.95
#: The z with P(|Z| ≤ z) = LEVEL.
NORMAL: Final = NormalDist().inv_cdf((1 + LEVEL) / 2)
#: Student's interval needs a spread, and with two values it is wider than anyone can use.
MIN_PROCESSES: Final = 3
BATCHES: Final = 6


def ratio_interval(log_ratios: Sequence[float], drift: float = 0.0) -> Interval:
    """The ratio exp(mean) with its interval at `LEVEL`, symmetric in the logarithm.

    `drift` is the standard deviation, in the logarithm, by which whole measurements differ beyond what the processes
    of one of them show; it is added in quadrature.

    With fewer than two values nothing is known of the spread: the bounds are 0 and infinity.

    Raises:
        ValueError: there are no values.
    """
    mean = fmean(log_ratios)
    half = math.hypot(half_width(log_ratios), NORMAL * drift)
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half), LEVEL)


def half_width(log_ratios: Sequence[float]) -> float:
    """Half of the interval, in log units: 0.05 is ±5 %. Infinite below two values.

    The wider of two of Student's: over the values, and over the means of `BATCHES` runs of neighbours. What slows a
    machine down lasts for seconds, so that neighbours resemble each other, and values alone look too sure.
    """
    half = _student_half_width(log_ratios)
    if len(log_ratios) < 2 * BATCHES:
        return half
    return max(half, _student_half_width(_batch_means(log_ratios)))


def _batch_means(values: Sequence[float]) -> list[float]:
    edges = [len(values) * index // BATCHES for index in range(BATCHES + 1)]
    return [fmean(values[low:high]) for low, high in itertools.pairwise(edges)]


def _student_half_width(log_ratios: Sequence[float]) -> float:
    count = len(log_ratios)
    if count < 2:
        return math.inf
    mean = fmean(log_ratios)
    variance = math.fsum((value - mean) ** 2 for value in log_ratios) / (count - 1)
    return student_t(LEVEL, count - 1) * math.sqrt(variance / count)


@lru_cache(maxsize=256)
def student_t(level: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = level, by bisection to the last bit: 12.706 for 0.95 and 1 degree of `freedom`."""
    low, high = 0.0, 1.0
    while _central_probability(high, freedom) < level:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _central_probability(middle, freedom) < level else (low, middle)
    return high


def _central_probability(t: float, freedom: int) -> float:
    """P(|T| ≤ t): Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even degrees of freedom)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for step in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (step - 1) / step
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total

"""Samples → an estimate with an interval. Pure arithmetic: no clock, no torch, no numpy.

The unit of repetition is the process: what one measures is one ratio, and the interval is Student's, on the logarithms
of the ratios. It is a plain mean on purpose: where processes fall into two groups (a lucky and an unlucky placement in
memory) a trimmed mean or a median covers its own long-run value in as few as 78 % of runs, the plain one in 92 % or
more, and a process far off widens the interval instead of being thrown away. `tests/test_stopping.py` simulates it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist

from dsconv_cli.timing.result import Interval

LEVEL = 0.95
#: Student's interval needs a spread, and with two values it is wider than anyone can use.
MIN_PROCESSES = 3
BATCHES = 6


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def ratio_interval(log_ratios: Sequence[float], level: float = LEVEL, drift: float = 0.0) -> Interval:
    """The ratio exp(mean) with its interval at `level`, symmetric in the logarithm.

    `drift` is the standard deviation, in the logarithm, by which whole measurements differ beyond what the processes
    of one of them show; it is added in quadrature.

    With fewer than two values nothing is known of the spread: the bounds are 0 and infinity.

    Raises:
        ValueError: there are no values.
    """
    count = len(log_ratios)
    if not count:
        raise ValueError("no values")
    mean = math.fsum(log_ratios) / count
    half = math.hypot(half_width(log_ratios, level), normal(level) * drift)
    low = 0.0 if math.isinf(half) else math.exp(mean - half)
    high = math.inf if math.isinf(half) else math.exp(mean + half)
    return Interval(math.exp(mean), low, high, level)


def half_width(log_ratios: Sequence[float], level: float = LEVEL) -> float:
    """Half of the interval, in log units: 0.05 is ±5 %. Infinite below two values.

    The wider of two of Student's: over the values, and over the means of `BATCHES` runs of neighbours. What slows a
    machine down lasts for seconds, so that neighbours resemble each other, and values alone look too sure.
    """
    half = _student_half_width(log_ratios, level)
    if len(log_ratios) < 2 * BATCHES:
        return half
    return max(half, _student_half_width(_batch_means(log_ratios), level))


def _batch_means(values: Sequence[float]) -> list[float]:
    edges = [len(values) * index // BATCHES for index in range(BATCHES + 1)]
    return [math.fsum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]


def normal(level: float) -> float:
    """The z with P(|Z| ≤ z) = level."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _student_half_width(log_ratios: Sequence[float], level: float) -> float:
    count = len(log_ratios)
    if count < 2:
        return math.inf
    mean = math.fsum(log_ratios) / count
    variance = math.fsum((value - mean) ** 2 for value in log_ratios) / (count - 1)
    return student_t(level, count - 1) * math.sqrt(variance / count)


@lru_cache(maxsize=256)
def student_t(level: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = level for `freedom` degrees of freedom: 12.706 for 0.95 and 1.

    Raises:
        ValueError: no degree of freedom, or a level outside 0..1.
    """
    if freedom < 1 or not 0 < level < 1:
        raise ValueError("student_t needs at least one degree of freedom and a level between 0 and 1")
    return _increasing_root(lambda t: _central_probability(t, freedom) - level)


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


def _increasing_root(function: Callable[[float], float]) -> float:
    """Bisection, to the last bit."""
    low, high = 0.0, 1.0
    while function(high) < 0:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return high

"""The result of a timing, as plain data: what was measured, how sure it is, and under which conditions.

`timing` produces it; everything else only reads it, and so needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["faster", "slower", "no detectable difference"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a two-sided confidence interval at `level` (0.95 for 95 %)."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of each operator, and the speed-up (ordinary ÷ separable) with its interval."""

    ordinary_s: float
    separable_s: float
    depthwise_s: float
    pointwise_s: float
    speedup: Interval
    verdict: Verdict
    reliable: bool
    warnings: tuple[str, ...]
    device: str
    threads: int
    layout: str
    dtype: str
    processes: int
    pairs: int

"""Whether weights are still what an initialiser drew.

All the usual initialisers draw the taps of a filter independently and of one size. Training makes neighbouring taps
alike and the middle ones larger. So the covariance of the R·S taps over all filters is a multiple of the identity for
fresh weights, whichever initialiser drew them, and is far from it for trained ones: Mauchly's test of sphericity
(1940), with Bartlett's correction, summed over the layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Filters for each tap that a covariance must be made of, to say anything.
_LEAST_FILTERS: Final = 4
#: Standard deviations above what independent taps would give, from which weights count as trained.
_SURE: Final = 6.0


class Sphericity(NamedTuple):
    """A statistic of a layer: χ²-distributed with `freedom` degrees of freedom, where its taps are independent."""

    statistic: float
    freedom: int


def sphericity(weight: NDArray[Any]) -> Sphericity | None:
    """Of a weight (K, C, R, S); None where it has too few filters, or some tap is always zero."""
    k, c, r, s = weight.shape
    filters, taps = k * c, r * s
    if taps < 2 or filters < _LEAST_FILTERS * taps or not np.isfinite(weight).all():
        return None
    rows = np.asarray(weight, np.float64).reshape(filters, taps)
    covariance = rows.T @ rows / filters
    mean = float(np.trace(covariance)) / taps
    sign, logarithm = np.linalg.slogdet(covariance / mean) if mean > 0 else (0, 0.0)
    if sign <= 0 or not math.isfinite(logarithm):
        return None
    correction = filters - (2 * taps * taps + taps + 2) / (6 * taps)
    return Sphericity(-correction * float(logarithm), taps * (taps + 1) // 2 - 1)


def look_untrained(layers: Iterable[Sphericity | None]) -> bool:
    """Whether all these layers together are as an initialiser leaves them. Without any that tells: no."""
    told = [one for one in layers if one is not None]
    freedom = sum(one.freedom for one in told)
    return bool(told) and sum(one.statistic for one in told) < freedom + _SURE * math.sqrt(2 * freedom)

"""Where three operators stand under this machine's roof (Williams, Waterman and Patterson, CACM 52(4), 2009). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from dsconv_cli.layer.cost import Cost
from dsconv_cli.timing.reasons import Operators, operators
from dsconv_cli.timing.result import Timing

#: Empty space beside the outermost points, as a factor on the logarithmic axes.
_MARGIN: Final = 3.0


class Roofline(NamedTuple):
    """The roof, min(`peak`, `bandwidth` × intensity), and what stands under it. `low` and `high` bound the axis."""

    peak: float
    bandwidth: float
    points: Operators
    low: float
    high: float

    @property
    def ridge(self) -> float:
        """The intensity from which on arithmetic is the limit."""
        return self.peak / self.bandwidth

    def height(self, intensity: float) -> float:
        """The roof above an intensity, in FLOPs per second."""
        return min(self.peak, self.bandwidth * intensity)


def roofline(cost: Cost, timing: Timing) -> Roofline:
    """The picture's figures. The roof is the faster of matrix product and reference convolution.

    A point may lie above the slope: what stays in a cache moves faster than a large copy, which does not.
    """
    peaks = timing.peaks
    assert peaks is not None
    points = operators(cost, timing)
    peak = max(peaks.matmul_flops, peaks.conv_flops)
    places = [peak / peaks.copy_bytes, *(point.intensity for point in points)]
    return Roofline(peak, peaks.copy_bytes, points, min(places) / _MARGIN, max(places) * _MARGIN)

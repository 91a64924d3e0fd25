"""Pointwise coefficients by least squares on what a layer really sees.

The fitted pair is nearest in weights; its outputs are nearest only if every input were as likely as any other. Images
are smooth, so that another mixture of the same depthwise filters gives nearer outputs. With Z the depthwise half's
output and Y what the layer gives without its bias, both with a row a channel, the coefficients P minimise ‖Y − P·Z‖².
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Directions in which the layer's inputs vary less than this, relative to the largest, tell nothing but rounding.
_CUTOFF: Final = 1e-10


class Refit:
    """Collects what one layer sees, over any number of calls, as sums of products: its memory does not grow."""

    def __init__(self, pointwise: NDArray[Any]) -> None:
        """`pointwise` (K, C·M, 1, 1) is where it begins."""
        self._before: Array = np.asarray(pointwise, np.float64).reshape(pointwise.shape[0], -1)
        outputs, inputs = self._before.shape
        self._seen: Array = np.zeros((inputs, inputs))
        self._wanted: Array = np.zeros((outputs, inputs))
        self._energy = 0.0

    def see(self, middle: NDArray[Any], output: NDArray[Any]) -> None:
        """Add a call: `middle` (N, C·M, H', W') that the depthwise half gives, `output` (N, K, H', W') without bias."""
        z, y = (np.asarray(one, np.float64).swapaxes(0, 1).reshape(one.shape[1], -1) for one in (middle, output))
        self._seen += z @ z.T
        self._wanted += y @ z.T
        self._energy += float((y * y).sum())

    def solved(self) -> Array:
        """The coefficients (K, C·M, 1, 1) with the least error. What was never seen stays as it was."""
        values, vectors = np.linalg.eigh(self._seen)
        told = values > _CUTOFF * max(float(values[-1]), 0.0)
        basis = vectors[:, told]
        # A correction within what was seen: on those inputs it cannot make anything worse.
        missing = self._wanted - self._before @ self._seen
        found = self._before + (missing @ basis / values[told]) @ basis.T
        return np.asarray(found.reshape(*found.shape, 1, 1))

    def fidelity(self, pointwise: NDArray[Any]) -> float:
        """1 − ‖Y − P·Z‖² / ‖Y‖² of coefficients P on all that was seen. May be below 0."""
        if self._energy <= 0:
            return 1.0
        p = np.asarray(pointwise, np.float64).reshape(self._before.shape)
        error = self._energy - 2 * float((p * self._wanted).sum()) + float(((p @ self._seen) * p).sum())
        return 1.0 - max(0.0, error) / self._energy

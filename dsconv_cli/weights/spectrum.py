"""How much of a layer's weights a separable pair can keep, for each depth multiplier. Plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What the best pair of each depth multiplier M loses of a weight W: `losses[M]` = ‖W − Ŵ‖² / ‖W‖², M from 0.

    That is the square of the relative error. The last entry is 0 and belongs to M = min(K, R·S), the rank, with which
    nothing is lost.
    """

    losses: tuple[float, ...]

    @property
    def rank(self) -> int:
        """The depth multiplier that reproduces the weights: min(K, R·S)."""
        return len(self.losses) - 1

    def fidelity(self, multiplier: int) -> float:
        """1 − ‖W − Ŵ‖² / ‖W‖², from 0 to 1."""
        return 1.0 - self.losses[min(multiplier, self.rank)]


def spectrum_from(energies: Sequence[float]) -> Spectrum:
    """From the squared singular values, the largest first, summed over the input channels.

    >>> spectrum_from([3.0, 1.0]).fidelity(1)
    0.75
    """
    total = sum(energies)
    if total <= 0:
        # Nothing but zeros, of which any pair keeps everything.
        return Spectrum((0.0,) * (len(energies) + 1))
    tail = [sum(energies[kept:]) / total for kept in range(1, len(energies))]
    return Spectrum((1.0, *(min(1.0, max(0.0, one)) for one in tail), 0.0))

"""What a profiler counted, as plain data. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

PROFILER_CHOICES: Final = ("thop", "torch", "both", "none")

#: torch's sizes, and the integers that go into its tensors, are signed 64-bit.
MAX_COUNT: Final = 2**63 - 1

#: What to do where nothing can count.
INSTEAD: Final = "--profiler none gives the closed forms, exact at any size"


class FormCounts(NamedTuple):
    """One metric as a program counted it on both forms."""

    ordinary: int
    separable: int

    @property
    def ratio(self) -> Fraction:
        """Ordinary ÷ separable."""
        return Fraction(self.ordinary, self.separable)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a profiler counted on the modules that were built.

    `exact` is False where it counts in doubles and a count is above 2^53, so that agreement means agreement
    within that precision. `counters` names the distributions that answered.
    """

    profiler: str
    params: FormCounts
    macs: FormCounts
    agrees: bool
    exact: bool
    counters: tuple[str, ...]

"""What profilers counted, as plain data. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dsconv_cli.layer.cost import Counts


class FormCount(NamedTuple):
    """One program's counts on one form, and the output shape that torch gave."""

    params: int
    macs: int
    output_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a profiler counted on the modules that were built: a figure for each form.

    `exact` is False where it counts in doubles and a count is above 2^53, so that agreement means agreement
    within that precision. `counters` names the distributions that answered.
    """

    profiler: str
    params: Counts
    macs: Counts
    agrees: bool
    exact: bool
    counters: tuple[str, ...]

"""What a measuring process is told and what it answers: plain data that crosses a pipe. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dsconv_cli.timing.result import NO_BACKENDS, PerOperator
from dsconv_cli.timing.worker.sampling import Rounds


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where and how something is timed."""

    device: str
    threads: int
    channels_last: bool
    dtype: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has, once it is known that it can run the dtype on the device. `clock` is what tells the time."""

    torch: str
    device_name: str
    cores: int
    default_threads: int
    free_bytes: int | None
    notes: tuple[str, ...]
    clock: str = "wall clock"


class Found(NamedTuple):
    """One kind of device: usable or not, and its name or the reason why not."""

    device: str
    usable: bool
    description: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurement of one process.

    `pages` are the pages that one call of each operator maps anew, `copy_bytes` the bytes per second of a copy that
    moves as many bytes as the depthwise half; `fixed_s`, `pages` and `copy_bytes` are None where it was no layer that
    was timed. Over the rounds: `stolen` is the fraction of the wall time in which the one timed thread was not running
    (None for several threads, which wait for each other), `others` how many cores everything else on the machine kept
    busy. None where the system does not tell.
    """

    rounds: Rounds
    stolen: float | None
    others: float | None
    fixed_s: PerOperator[float] | None = None
    backends: PerOperator[str | None] = NO_BACKENDS
    pages: PerOperator[float] | None = None
    copy_bytes: float | None = None

"""What a measuring process is told and what it answers: plain data that crosses a pipe. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.timing.result import PerOperator
from dsconv_cli.timing.worker.sampling import Rounds

if TYPE_CHECKING:
    from dsconv_cli.timing.runtimes.chain import Array


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where and how something is timed: on which runtime, and how many layers in a row."""

    device: str
    threads: int
    channels_last: bool
    dtype: str
    runtime: str = "torch"
    chain: int = 1

    @property
    def quantised(self) -> bool:
        """Whether it computes with integers."""
        return self.dtype not in FLOATS


class Found(NamedTuple):
    """One kind of device: usable or not, and its name or the reason why not."""

    device: str
    usable: bool
    description: str


class Graph(NamedTuple):
    """A whole network as an ONNX file, what its inputs are given, by name, and what it gives by torch, in its order."""

    model: bytes
    inputs: Mapping[str, Array]
    outputs: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a runtime is found to do with a layer, before it is timed: its outputs are right.

    `backends` and `precision` are its own words for what runs, `built_s` the seconds until all was ready to be called,
    and `fixed_s` what a call costs however little it computes (None where that cannot be had).
    """

    version: str
    backends: PerOperator[str | None]
    precision: str
    built_s: float
    fixed_s: PerOperator[float] | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurement of one process.

    `pages` are the pages that one call of each operator maps anew, `copy_bytes` the bytes per second of a copy that
    moves as many bytes as the depthwise half; both are None where it was no layer that was timed. `built_s` went by
    until there was something to call. Over the rounds: `stolen` is the fraction of the wall time in which the one timed
    thread was not running (None for several threads, which wait for each other), `others` how many cores everything
    else on the machine kept busy. None where the system does not tell.
    """

    rounds: Rounds
    stolen: float | None
    others: float | None
    pages: PerOperator[float] | None = None
    copy_bytes: float | None = None
    built_s: float = 0.0

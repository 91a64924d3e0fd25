"""How layers are timed, as a caller asks for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import DEVICES, parse_device

DEFAULT_BUDGET_S: Final = 15.0
#: The interval that is called reliable.
DEFAULT_PRECISION: Final = 0.05
#: One thread: the only number that means the same on every machine, and the least disturbed by other programs.
DEFAULT_THREADS: Final = 1


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """How layers are timed. The dtype is the layer's own.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps".
        threads: of torch's pool.
        channels_last: the (N, H, W, C) memory layout.
        budget_s: seconds that one layer may take once torch is loaded. Less is used where less will do.
        precision: the half-width of the typical speed-up's interval, as a fraction of it, at which measuring ends.

    Raises:
        DsconvError: a value that makes no sense.

    >>> TimingSettings(threads=2).layout
    'channels first'
    """

    device: str = "cpu"
    threads: int = DEFAULT_THREADS
    channels_last: bool = False
    budget_s: float = DEFAULT_BUDGET_S
    precision: float = DEFAULT_PRECISION

    def __post_init__(self) -> None:
        parse_device(self.device)
        if self.threads < 1:
            raise DsconvError(f"threads must be a positive integer, not {self.threads}")
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise DsconvError(f"the budget must be a number of seconds above 0, not {self.budget_s}")
        if not 0 < self.precision < 1:
            raise DsconvError(f"the precision must be a fraction between 0 and 1, such as 0.05, not {self.precision}")

    @property
    def layout(self) -> str:
        """In words, as results show it."""
        return "channels last" if self.channels_last else "channels first"

    @property
    def on_cpu(self) -> bool:
        """Whether it is the processor that computes, which other programs can take away."""
        return DEVICES[parse_device(self.device)[0]].on_cpu

    def conditions(self, dtype: str) -> Conditions:
        """What a measuring process has to know of them."""
        return Conditions(self.device, self.threads, self.channels_last, dtype)

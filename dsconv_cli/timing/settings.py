"""How layers are timed, as a caller asks for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.numbers import by
from dsconv_cli.timing.runtimes import DEFAULT, RUNTIMES
from dsconv_cli.timing.runtimes.protocol import CHANNELS_FIRST, CHANNELS_LAST
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import DEVICES, parse_device

DEFAULT_BUDGET_S: Final = 15.0
#: An interval within this is narrow enough for anyone who did not ask for another.
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
        runtime: the name of what executes the layer, one of `RUNTIMES`.
        chain: how many such layers in a row are timed at once; times are for one of them.
        precision: the half-width of the typical speed-up's interval, as a fraction of it, at which measuring ends.
            None: 0.05, or sooner where the verdict is clear.
        share: the part that `budget_s` is of what the user gave for several layers: advice is about the whole.

    Raises:
        DsconvError: a value that makes no sense.

    >>> TimingSettings(threads=2).layout
    'channels first'
    """

    device: str = "cpu"
    threads: int = DEFAULT_THREADS
    channels_last: bool = False
    budget_s: float = DEFAULT_BUDGET_S
    precision: float | None = None
    runtime: str = DEFAULT
    chain: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        parse_device(self.device)
        if self.threads < 1:
            raise DsconvError(f"threads must be a positive integer, not {self.threads}")
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise DsconvError(f"the budget must be a number of seconds above 0, not {self.budget_s}")
        if self.runtime not in RUNTIMES:
            raise DsconvError(f"the runtime must be one of {', '.join(RUNTIMES)}, not {quoted(self.runtime)}")
        if self.chain < 1:
            raise DsconvError(f"the chain must be a positive integer, not {self.chain}")
        if self.precision is not None and not 0 < self.precision < 1:
            raise DsconvError(f"the precision must be a fraction between 0 and 1, such as 0.05, not {self.precision}")

    @property
    def layout(self) -> str:
        """In words, as results show it."""
        return RUNTIMES[self.runtime].layout or (CHANNELS_LAST if self.channels_last else CHANNELS_FIRST)

    @property
    def on_cpu(self) -> bool:
        """Whether it is the processor that computes, which other programs can take away."""
        return DEVICES[parse_device(self.device)[0]].on_cpu

    def conditions(self, dtype: str) -> Conditions:
        """What a measuring process has to know of them."""
        return Conditions(self.device, self.threads, self.channels_last, dtype, self.runtime, self.chain)

    @property
    def limit(self) -> str:
        """The budget, in words."""
        if self.share == 1:
            return f"the budget of {self.budget_s:.3g} s"
        return f"its share of the budget ({self.budget_s:.3g} s)"

    def part(self, fraction: float) -> TimingSettings:
        """The same with a part of the budget."""
        return replace(self, budget_s=fraction * self.budget_s, share=fraction * self.share)

    def on(self, runtime: str) -> TimingSettings:
        """The same on another runtime, which takes the layout where it has a choice."""
        return replace(self, runtime=runtime, channels_last=self.channels_last and not RUNTIMES[runtime].layout)

    def refuse_impossible(self, spec: ConvSpec) -> None:
        """Refuse what the runtime cannot do with a layer, before anything is loaded.

        Raises:
            DsconvError: it is not installed, or has not the dtype, the device or the layout; or layers like this one
                do not follow each other.
        """
        own, device = RUNTIMES[self.runtime], parse_device(self.device)[0]
        if spec.dtype not in own.dtypes:
            able = (name for name, one in RUNTIMES.items() if spec.dtype in one.dtypes)
            raise DsconvError(
                f"{self.runtime} has no {spec.dtype} convolutions here, only {', '.join(own.dtypes)}; "
                f"those that have are {', '.join(able)}"
            )
        if own.devices and device not in own.devices:
            raise DsconvError(f"{self.runtime} is timed on {' or '.join(own.devices)}, not on {device}")
        if self.channels_last and own.layout:
            raise DsconvError(f"{self.runtime} takes {own.layout}; the layout is a choice only with torch")
        reason = own.absent()
        if reason is not None:
            raise DsconvError(reason)
        if self.chain > 1 and spec.input_shape != spec.output_shape:
            raise DsconvError(
                f"{self.chain} layers in a row need an output like the input, and this one makes "
                f"{by(*spec.output_shape)} of {by(*spec.input_shape)}: K must be C, the stride 1 and the padding half "
                "or same"
            )

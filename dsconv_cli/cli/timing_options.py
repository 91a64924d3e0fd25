"""The options of a measurement: who counts, whether and how time is measured, and on what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Final

from dsconv_cli.cli.layer_options import field_option
from dsconv_cli.cli.options import MEASUREMENT, Group, Text, choice, flag, number, option, valued
from dsconv_cli.cli.streams import Streams
from dsconv_cli.counting.profilers import choices
from dsconv_cli.errors import DsconvError, need
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.reading import integer
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.runtimes import DEFAULT, RUNTIMES

if TYPE_CHECKING:
    from dsconv_cli.timing.settings import TimingSettings
    from dsconv_cli.timing.timers import Timers

_MOST_SECONDS: Final = 10_000_000
#: More than any machine that is timed here has.
_MOST_THREADS: Final = 1024
#: Longer than any network.
_LONGEST_CHAIN: Final = 1000
#: Seconds that timing one layer may take.
BUDGET: Final = "15"

Profiler = Annotated[
    str,
    option(
        "--profiler",
        text="The profiler that counts both forms: thop, torch (its FLOP counter), both, or none "
        "(formulas alone, without loading torch).",
        panel=MEASUREMENT,
        metavar="|".join(choices()),
    ),
]
Time = Annotated[
    bool, option("--time", text="Also measure run time, with a 95% confidence interval.", panel=MEASUREMENT)
]


@dataclass(frozen=True)
class TimingOptions(Group):
    """How time is measured, and the dtype, which stands between them."""

    panel = MEASUREMENT

    device: str = valued("Device to measure on.", "cpu|cuda[:I]|mps", default="cpu")
    dtype: Annotated[str, field_option(FIELDS["dtype"], MEASUREMENT)] = FIELDS["dtype"].default
    threads: Text = valued("Threads to use (1 is disturbed the least; torch's own default is all cores).", "INT")
    channels_last: bool = flag("Use the N,H,W,C memory layout.")
    budget: Text = valued("Time limit per layer and runtime, in seconds.", "SECONDS", default=BUDGET)
    precision: Text = valued(
        "Stop when the 95% interval of the time ratio is as narrow as this, a fraction: 0.05 is ±5% (0.05, or about 4 "
        "seconds where the verdict is clear).",
        "FRACTION",
    )

    def settings(self, wanted: bool) -> TimingSettings | None:
        """The options as `TimingSettings`, or None where no time is `wanted`.

        Raises:
            DsconvError: an option that is not what it should be, or that means nothing without --time.
        """
        if not wanted:
            self._refuse_without_time()
            return None
        from dsconv_cli.timing.settings import DEFAULT_THREADS, TimingSettings

        return TimingSettings(
            device=self.device,
            threads=DEFAULT_THREADS if self.threads is None else integer(self.threads, "--threads", most=_MOST_THREADS),
            channels_last=self.channels_last,
            budget_s=seconds(BUDGET if self.budget is None else self.budget),
            precision=None if self.precision is None else _fraction(self.precision),
        )

    def _refuse_without_time(self) -> None:
        for one in fields(self):
            if one.name != "dtype" and getattr(self, one.name) != one.default:
                name = one.name.replace("_", "-")
                raise DsconvError(f"--{name} is about measured time: add --time")


@dataclass(frozen=True)
class RuntimeOptions(TimingOptions):
    """How time is measured, and on what."""

    runtime: str = valued(
        "What runs the layer (torch): one, or several with commas between them, side by side; implies --time. all: "
        "every one that is installed.",
        "|".join((*RUNTIMES, "all")),
        default="",
    )

    def settings(self, wanted: bool) -> TimingSettings | None:
        """As `TimingOptions.settings`; a runtime is a wish for time."""
        return super().settings(wanted or bool(self.runtime))

    def runtimes(self, settings: TimingSettings | None, spec: ConvSpec, streams: Streams) -> tuple[str, ...]:
        """Those that are asked for, known to be able to time `spec`; of `all` the others are told in a note.

        Raises:
            DsconvError: an unknown name, or one that is not installed or cannot time it.
        """
        if settings is None:
            return ()
        names = [name.strip() for name in self.runtime.split(",")] if self.runtime else [DEFAULT]
        if DEFAULT in names:
            # No extra that was forgotten but what everything rests on: work that cannot be done.
            need(DEFAULT)
        for name in names:
            if name != "all":
                choice("--runtime", name, (*RUNTIMES, "all"))
                settings.on(name).refuse_impossible(spec)
        found = dict.fromkeys(name for name in names if name != "all")
        if "all" in names:
            found.update(dict.fromkeys(_able(settings, spec, streams)))
        if settings.channels_last and all(RUNTIMES[name].layout for name in found):
            raise DsconvError(f"--channels-last works only with torch, not with {', '.join(found)}")
        return tuple(found)


@dataclass(frozen=True)
class ChainOptions(RuntimeOptions):
    """How time is measured, on what, and of how many layers in a row."""

    chain: str = valued("Run this many such layers in a row, as in a network; times are per layer.", "INT", default="1")

    def settings(self, wanted: bool) -> TimingSettings | None:
        """As `RuntimeOptions.settings`."""
        found = super().settings(wanted)
        return found and replace(found, chain=integer(self.chain, "--chain", most=_LONGEST_CHAIN))


def _able(settings: TimingSettings, spec: ConvSpec, streams: Streams) -> Iterator[str]:
    """The runtimes that can time `spec` here."""
    reasons = []
    for name in RUNTIMES:
        try:
            settings.on(name).refuse_impossible(spec)
        except DsconvError as error:
            reasons.append(error)
            streams.note(f"left out: {error}")
        else:
            yield name
    if len(reasons) == len(RUNTIMES):
        raise reasons[0]


def timers_of(settings: TimingSettings | None, runtimes: tuple[str, ...]) -> AbstractContextManager[Timers | None]:
    """A timer for each of `runtimes`, whose processes end with the block, or None. Without it nothing is loaded."""
    if settings is None:
        return nullcontext()
    from dsconv_cli.timing.timers import Timers

    return Timers(settings, runtimes)


def seconds(text: str) -> float:
    """`--budget`: a positive number of seconds, of at most `_MOST_SECONDS`.

    Raises:
        DsconvError: the text is anything else.
    """
    wanted = f"a number of seconds above 0, at most {_MOST_SECONDS:,}, which is four months"
    return float(number(text, "--budget", wanted, lambda value: 0 < value <= _MOST_SECONDS))


def _fraction(text: str) -> float:
    """`--precision`: between 0 and 1."""
    wanted = "a fraction between 0 and 1, such as 0.05"
    return float(number(text, "--precision", wanted, lambda value: 0 < value < 1))

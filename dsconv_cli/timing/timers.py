"""Timing a layer on several runtimes, one after another, each as `Timer` does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.processes import Laboratory, ProcessLaboratory
from dsconv_cli.timing.result import Times, Timing
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timer import Clock, Timer, Watcher


class Timers:
    """A `Timer` for each runtime, in one laboratory. A context manager: leaving it ends every process.

    Raises:
        CannotMeasureError: torch is not installed.
    """

    def __init__(
        self,
        settings: TimingSettings,
        runtimes: Sequence[str],
        *,
        laboratory: Laboratory | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """`settings.budget_s` is for a layer on one of them; `limit` changes it."""
        self._laboratory: Laboratory = ProcessLaboratory() if laboratory is None else laboratory
        self._timers = {name: Timer(settings.on(name), laboratory=self._laboratory, clock=clock) for name in runtimes}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._laboratory.close()

    def limit(self, budget_s: float, share: float) -> None:
        """Seconds that a layer may take on all of them together, from now on, and what part of the user's that is."""
        for timer in self._timers.values():
            timer.settings = replace(timer.settings, budget_s=budget_s, share=share).part(1 / len(self._timers))

    def check(self, spec: ConvSpec) -> None:
        """As `Timer.check`, on each runtime."""
        for timer in self._timers.values():
            timer.check(spec)

    def time(self, spec: ConvSpec, progress: Callable[[str], Watcher] | None = None) -> Times:
        """The time on each. `progress` gives a watcher whose lines begin with the words that it is given.

        A runtime that fails, be it that it crashes, costs its own time and no other's.

        Raises:
            DsconvError: the device is absent or cannot run the dtype.
            CannotMeasureError: all failed; the message is that of the first.
        """
        timings: dict[str, Timing | None] = {}
        failures: dict[str, str] = {}
        alone = len(self._timers) == 1
        for name, timer in self._timers.items():
            try:
                timings[name] = timer.time(spec, None if progress is None else progress("" if alone else f"{name}: "))
            except CannotMeasureError as error:
                if alone:
                    raise
                timings[name] = None
                failures[name] = str(error)
        if not any(timings.values()):
            name, reason = next(iter(failures.items()))
            raise CannotMeasureError(f"{name}: {reason}")
        return Times(timings, failures)

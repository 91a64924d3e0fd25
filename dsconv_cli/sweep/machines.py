"""What runs on each of several machines: it says which one it is, and measures what it is sent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dsconv_cli._version import __version__
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.environment import Machine, machine
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.parallel import count_one
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timers import Timers


@dataclass(frozen=True, slots=True)
class Request:
    """Layers with their names, and what is to be known of them: the time only with `timing`."""

    layers: tuple[tuple[ConvSpec, str], ...]
    profiler: str
    timing: TimingSettings | None = None
    runtimes: tuple[str, ...] = ()


class Answer(NamedTuple):
    """The rows as documents, which hold on any machine; of each why runtimes failed; and the seconds that all took."""

    documents: tuple[Mapping[str, Any], ...]
    failures: tuple[Mapping[str, str], ...]
    seconds: float


class _Kept:
    """The timers of this process: their own processes load torch once, and peaks are measured once."""

    asked: tuple[TimingSettings, tuple[str, ...]] | None = None
    timers: Timers | None = None


def identify() -> tuple[Machine, str]:
    """Which machine this is, and which version of this program it has."""
    return machine(), __version__


def measure(request: Request) -> Answer:
    """Measure the layers, one after the other. What went wrong with one is in its row, for it would again."""
    begun = time.monotonic()
    keys = keys_of(request.runtimes, named=True, shared=True)
    rows = [replace(_measured(closed_forms(*layer), request), machine=machine()) for layer in request.layers]
    failures = tuple(dict(one.failures) for one in rows)
    return Answer(tuple(map(keys.document, rows)), failures, time.monotonic() - begun)


def _measured(closed: Comparison, request: Request) -> Comparison:
    try:
        one = count_one(closed, request.profiler)
        if request.timing is None:
            return one
        timers = _timers(request.timing, request.runtimes)
        timers.limit(request.timing.budget_s, request.timing.share)
        timed = one.with_times(timers.time(one.spec))
        return timed if request.runtimes else replace(timed, times=None)
    except DsconvError as error:
        return replace(closed, error=str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the other layers go on
        return replace(closed, error=f"{type(error).__name__}: {error}")


def _timers(settings: TimingSettings, runtimes: tuple[str, ...]) -> Timers:
    """Those that there are; new ones where something else is asked than before."""
    asked = (replace(settings, budget_s=1.0, share=1.0), runtimes)
    if _Kept.timers is None or _Kept.asked != asked:
        if _Kept.timers is not None:
            _Kept.timers.__exit__()
        _Kept.timers, _Kept.asked = Timers(settings, runtimes or (settings.runtime,)), asked
    return _Kept.timers

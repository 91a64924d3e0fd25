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
from dsconv_cli.timing.timer import Timer


@dataclass(frozen=True, slots=True)
class Request:
    """Layers with their names, and what is to be known of them: the time only with `timing`."""

    layers: tuple[tuple[ConvSpec, str], ...]
    profiler: str
    timing: TimingSettings | None


class Answer(NamedTuple):
    """The rows as documents, which hold on any machine, and the seconds that they took."""

    documents: tuple[Mapping[str, Any], ...]
    seconds: float


class _Kept:
    """The timer of this process: its own processes load torch once, and its peaks are measured once."""

    timer: Timer | None = None


class Introduction(NamedTuple):
    """Which machine it is, and which version of this program it has."""

    machine: Machine
    dsconv: str


def identify() -> Introduction:
    """Which machine this is."""
    return Introduction(machine(), __version__)


def measure(request: Request) -> Answer:
    """Measure the layers, one after the other. What went wrong with one is in its row, for it would again."""
    begun = time.monotonic()
    keys = keys_of(named=True, shared=True)
    rows = [_measured(closed_forms(*layer), request) for layer in request.layers]
    documents = tuple(keys.document(replace(one, machine=machine())) for one in rows)
    return Answer(documents, time.monotonic() - begun)


def _measured(closed: Comparison, request: Request) -> Comparison:
    try:
        one = count_one(closed, request.profiler)
        return one if request.timing is None else replace(one, time=_timer(request.timing).time(one.spec))
    except DsconvError as error:
        return replace(closed, error=str(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the other layers go on
        return replace(closed, error=f"{type(error).__name__}: {error}")


def _timer(settings: TimingSettings) -> Timer:
    """The one that there is, with another budget; a new one where more is asked."""
    kept = _Kept.timer
    if kept is not None and replace(kept.settings, budget_s=settings.budget_s) != settings:
        kept.close()
        kept = None
    if kept is None:
        kept = Timer(settings)
    kept.settings = settings
    _Kept.timer = kept
    return kept

"""The keys of what `dsconv doctor` found."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Final

from dsconv_cli._version import __version__
from dsconv_cli.keys import (
    FROM_ZERO,
    POSITIVE,
    SCHEMA_VERSION,
    SHARE,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Key,
    Keys,
    Section,
    constant,
    lifted,
)
from dsconv_cli.timing.doctor import Examination, RuntimeFound
from dsconv_cli.timing.keys import FASTEST, INTERVAL, PEAKS
from dsconv_cli.timing.result import Interval
from dsconv_cli.timing.runtimes import RUNTIMES

_FLOOR: Final[tuple[Key[Interval], ...]] = (
    *lifted(INTERVAL, lambda one: one, "ratio."),
    Key("half_width", FROM_ZERO, lambda one: one.half_width),
)


_RUNTIME: Final[tuple[Key[RuntimeFound], ...]] = (
    Key("version", TEXT, lambda one: one.version, nullable=True),
    Key("missing", TEXT, lambda one: one.reason, says="Why it cannot be timed here.", nullable=True),
    Key(
        "call_s",
        FROM_ZERO,
        lambda one: one.call_s,
        "seconds",
        "Call overhead: what a call costs that has almost nothing to compute",
        nullable=True,
    ),
    *lifted(_FLOOR, "noise.speedup", "noise."),
)


def _runtime(name: str) -> Callable[[Examination], RuntimeFound]:
    return lambda one: next(found for found in one.runtimes if found.name == name)


def _has_noise(name: str) -> Callable[[Examination], bool]:
    return lambda one: _runtime(name)(one).noise is not None


KEYS: Final[Keys[Examination]] = Keys(
    (
        Key("schema_version", constant(SCHEMA_VERSION), lambda _: SCHEMA_VERSION),
        Key("command", constant("doctor"), lambda _: "doctor"),
        Key("versions.dsconv", TEXT, lambda _: __version__),
        Key("versions.python", TEXT, lambda _: platform.python_version()),
        Key("versions.torch", TEXT, lambda one: one.machine.torch),
        Key("versions.thop", TEXT, "survey.thop", says="The distribution that provides thop, with its version."),
        Key("platform", TEXT, lambda one: one.survey.platform),
        Key("cpu", TEXT, lambda one: one.survey.cpu),
        Key("cores.machine", POSITIVE, lambda one: one.survey.cores),
        Key("cores.available", POSITIVE, lambda one: one.machine.cores),
        Key("threads.torch", POSITIVE, lambda one: one.machine.default_threads),
        Key("threads.timed", POSITIVE, lambda one: one.settings.threads),
        Key("clock", TEXT, lambda one: one.machine.clock),
        Key("load", FROM_ZERO, lambda one: one.survey.load, says="Of the last minute.", nullable=True),
        Key("memory_free", WHOLE, lambda one: one.machine.free_bytes, "bytes", nullable=True),
        Key("device", TEXT, lambda one: one.settings.device),
        Key("dtype", TEXT, lambda one: one.dtype),
        Key("layout", TEXT, lambda one: one.settings.layout),
        Key("notes", TEXTS, lambda one: one.machine.notes),
        Key(
            "devices",
            TEXTS,
            lambda one: tuple(found.device for found in one.devices if found.usable),
            says="Those that can be used.",
        ),
        *lifted(PEAKS, lambda one: one.peaks, "peaks."),
        *lifted(_FLOOR, lambda one: one.noise.speedup, "noise."),
        *lifted(_FLOOR, lambda one: one.noise.fastest.speedup, "noise.fastest."),
        Key("noise.processes", POSITIVE, lambda one: one.noise.processes),
        Key("noise.pairs", POSITIVE, lambda one: one.noise.pairs),
        Key("noise.disturbed", SHARE, lambda one: one.noise.disturbed),
        Key("noise.stolen", SHARE, lambda one: one.noise.stolen),
        *(key for name in RUNTIMES for key in lifted(_RUNTIME, _runtime(name), f"runtimes.{name}.")),
        Key("warnings", TEXTS, lambda one: tuple(caution.text for caution in one.noise.cautions)),
        Key("advice", TEXTS, lambda one: one.advice),
        Key("trusted", TRUTH, lambda one: one.trusted),
    ),
    (
        Section("noise.ratio", "A convolution timed against itself: 1 in truth."),
        Section("noise.fastest", FASTEST),
        Section("peaks", "What this machine reaches."),
        Section("runtimes", "What executes layers here."),
        *(Section(f"runtimes.{name}.noise", "As `noise`, measured.", _has_noise(name)) for name in RUNTIMES),
    ),
    "What dsconv doctor prints.",
)

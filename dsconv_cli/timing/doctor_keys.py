"""The keys of what `dsconv doctor` found."""

from __future__ import annotations

import platform
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
from dsconv_cli.timing.doctor import Examination
from dsconv_cli.timing.keys import FASTEST, INTERVAL, PEAKS
from dsconv_cli.timing.result import Interval

_FLOOR: Final[tuple[Key[Interval], ...]] = (
    *lifted(INTERVAL, lambda one: one, "ratio."),
    Key("half_width", FROM_ZERO, lambda one: one.half_width),
)

KEYS: Final[Keys[Examination]] = Keys(
    (
        Key("schema_version", constant(SCHEMA_VERSION), lambda _: SCHEMA_VERSION),
        Key("command", constant("doctor"), lambda _: "doctor"),
        Key("versions.dsconv", TEXT, lambda _: __version__),
        Key("versions.python", TEXT, lambda _: platform.python_version()),
        Key("versions.torch", TEXT, lambda one: one.machine.torch),
        Key(
            "versions.thop",
            TEXT,
            lambda one: one.survey.thop,
            says="The distribution that provides thop, with its version.",
        ),
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
        Key("warnings", TEXTS, lambda one: tuple(caution.text for caution in one.noise.cautions)),
        Key("advice", TEXTS, lambda one: one.advice),
        Key("trusted", TRUTH, lambda one: one.trusted),
    ),
    (
        Section("noise.ratio", "A convolution timed against itself: 1 in truth."),
        Section("noise.fastest", FASTEST),
        Section("peaks", "What this machine reaches."),
    ),
    "What dsconv doctor prints.",
)

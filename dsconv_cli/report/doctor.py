"""`dsconv doctor`: its keys, and its answer as a page of one screen."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli import comparison
from dsconv_cli._version import __version__
from dsconv_cli.comparison import SCHEMA_VERSION, Value
from dsconv_cli.numbers import scaled, significant
from dsconv_cli.report.page import Facts, Item, Items, Line, Page, Report
from dsconv_cli.timing.doctor import Examination

Getter = Callable[[Examination], Value]

#: The keys of `dsconv doctor`, in their order; lists of devices are added by `document`.
KEYS: Final[Mapping[str, Getter]] = MappingProxyType(
    {
        "schema_version": lambda _: SCHEMA_VERSION,
        "command": lambda _: "doctor",
        "versions.dsconv": lambda _: __version__,
        "versions.python": lambda _: platform.python_version(),
        "versions.torch": lambda one: one.machine.torch,
        "versions.thop": lambda one: one.survey.thop,
        "platform": lambda one: one.survey.platform,
        "cpu": lambda one: one.survey.cpu,
        "cores.machine": lambda one: one.survey.cores,
        "cores.available": lambda one: one.machine.cores,
        "threads.torch": lambda one: one.machine.default_threads,
        "threads.timed": lambda one: one.settings.threads,
        "clock": lambda one: one.machine.clock,
        "load": lambda one: one.survey.load,
        "memory_free": lambda one: one.machine.free_bytes,
        "device": lambda one: one.settings.device,
        "dtype": lambda one: one.dtype,
        "layout": lambda one: one.settings.layout,
        "notes": lambda one: one.machine.notes,
        "devices": lambda one: tuple(found.device for found in one.devices if found.usable),
        "peaks.matmul_flops_per_s": lambda one: one.peaks.matmul_flops,
        "peaks.copy_bytes_per_s": lambda one: one.peaks.copy_bytes,
        "peaks.conv_flops_per_s": lambda one: one.peaks.conv_flops,
        "noise.ratio.value": lambda one: one.noise.speedup.value,
        "noise.ratio.low": lambda one: one.noise.speedup.low,
        "noise.ratio.high": lambda one: one.noise.speedup.high,
        "noise.ratio.level": lambda one: one.noise.speedup.level,
        "noise.half_width": lambda one: one.noise.speedup.half_width,
        "noise.processes": lambda one: one.noise.processes,
        "noise.pairs": lambda one: one.noise.pairs,
        "noise.disturbed": lambda one: one.noise.disturbed,
        "noise.stolen": lambda one: one.noise.stolen,
        "warnings": lambda one: tuple(caution.text for caution in one.noise.cautions),
        "advice": lambda one: one.advice,
        "trusted": lambda one: one.trusted,
    }
)


def find_key(key: str) -> str:
    """The key of `KEYS` that the user's `key` means. Raises as `comparison.find_key` does."""
    return comparison.find_key(key, KEYS)


def document(one: Examination) -> dict[str, Any]:
    """The JSON document, schema version 1."""
    nested: dict[str, Any] = {}
    for key, getter in KEYS.items():
        comparison.put(nested, key, getter(one))
    return nested


def report(one: Examination) -> Report:
    """The result for every format."""
    return Report(
        page=partial(page, one),
        document=partial(document, one),
        rows=lambda: (KEYS, (getter(one) for getter in KEYS.values())),
    )


def page(one: Examination) -> Page:
    """What was found, whether timings can be trusted, and what would make them better."""
    cautions = Items(tuple(Item(caution.text) for caution in one.noise.cautions))
    advice = (Line("To get better timings:", "lead"), Items(tuple(map(Item, one.advice))))
    return Page(((Facts(tuple(_facts(one))),), (Line(one.verdict), cautions), *([advice] if one.advice else [])))


def _facts(one: Examination) -> Iterator[tuple[str, str]]:
    """What was found, in the order in which a person asks."""
    seen, machine, peaks, gain = one.survey, one.machine, one.peaks, one.noise.speedup
    python = platform.python_version()
    yield "versions", f"dsconv {__version__}, Python {python}, torch {machine.torch}, {seen.thop}"
    yield "system", seen.platform + (", virtual machine" if seen.virtual else "")
    yield "CPU", seen.cpu
    yield "cores", f"{machine.cores} for this process, of {seen.cores}"
    timed = f"{one.settings.threads} for timing, by {machine.clock}"
    yield "threads", f"{machine.default_threads} by torch's default, {timed}"
    if seen.load is not None:
        yield "load", f"{seen.load:.2f} over the last minute"
    if machine.free_bytes is not None:
        yield "memory", f"{scaled(machine.free_bytes, 'B')} free"
    yield "devices", "; ".join(_device(found.device, found.usable, found.description) for found in one.devices)
    yield "measured on", ", ".join([one.settings.device, one.dtype, one.settings.layout, *machine.notes])
    matmul, conv, copy = (significant(rate / 1e9) for rate in (peaks.matmul_flops, peaks.conv_flops, peaks.copy_bytes))
    yield "peaks", f"matrix product {matmul} GFLOP/s, convolution {conv} GFLOP/s, copy {copy} GB/s"
    interval = f"{gain.level:.0%} interval {gain.low:.3f} to {gain.high:.3f}"
    spread = f"(±{gain.half_width:.1%}; {one.noise.processes} processes, {one.noise.pairs} pairs)"
    yield "noise floor", f"a layer against itself reads {gain.value:.3f}, {interval} {spread}"


def _device(name: str, usable: bool, description: str) -> str:
    if usable:
        return f"{name} ({description})" if description else name
    return f"no {name}"

"""`dsconv doctor`: its answer as a page of one screen."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import partial

from dsconv_cli._version import __version__
from dsconv_cli.numbers import scaled, seconds, significant
from dsconv_cli.report.page import Block, Facts, Item, Items, Line, Page, Report, report_of
from dsconv_cli.timing.doctor import Examination, RuntimeFound
from dsconv_cli.timing.doctor_keys import KEYS
from dsconv_cli.timing.result import Interval
from dsconv_cli.timing.runtimes import RUNTIMES


def report(one: Examination) -> Report:
    """The result for every format."""
    return report_of(KEYS, one, partial(page, one))


def page(one: Examination) -> Page:
    """Whether timings can be trusted, what would make them better, and what was found."""
    cautions = Items(tuple(Item(caution.text) for caution in one.noise.cautions))
    advice = (Line("To get better timings:", "lead"), Items(tuple(map(Item, one.advice))))
    verdict: tuple[Block, ...] = (Line(one.verdict, "strong"), *([cautions] if cautions.items else []))
    return Page((verdict, *([advice] if one.advice else []), (Facts(tuple(_facts(one))),)))


def _facts(one: Examination) -> Iterator[tuple[str, str]]:
    """What was found, in the order in which a person asks."""
    seen, machine, peaks = one.survey, one.machine, one.peaks
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
    counts = f"{one.noise.processes} processes, {one.noise.pairs} pairs"
    yield "noise floor", f"a layer against itself reads {_floor(one.noise.speedup)}; {counts}"
    yield "", f"in its fastest times {_floor(one.noise.fastest.speedup)}"
    for place, found in enumerate(one.runtimes):
        yield "" if place else "runtimes", _runtime(found)


def _runtime(one: RuntimeFound) -> str:
    title = RUNTIMES[one.name].title
    if one.version is None:
        return f"no {title}: {one.remedy}"
    if one.noise is None:
        return f"{title} {one.version}: {(one.reason or '').partition(';')[0]}"
    call = "" if one.call_s is None else f"call overhead {seconds(one.call_s)}, "
    gain = one.noise.speedup
    return f"{title} {one.version}: {call}noise {gain.value:.3f} ±{gain.half_width:.1%}"


def _floor(gain: Interval) -> str:
    return f"{gain.value:.3f}, {gain.level:.0%} interval {gain.low:.3f} to {gain.high:.3f} (±{gain.half_width:.1%})"


def _device(name: str, usable: bool, description: str) -> str:
    if usable:
        return f"{name} ({description})" if description else name
    return f"no {name}"

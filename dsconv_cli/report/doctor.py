"""`dsconv doctor`: its keys, and its answer as text: one screen, JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
import platform
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli import comparison
from dsconv_cli._version import __version__
from dsconv_cli.comparison import SCHEMA_VERSION, Value
from dsconv_cli.numbers import ascii_text, scaled, significant
from dsconv_cli.report import View
from dsconv_cli.report.csv_ import cell
from dsconv_cli.timing.doctor import Examination

_READING_WIDTH: Final = 80
_LABEL_WIDTH: Final = 12

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


class Entry(NamedTuple):
    """One line of the screen."""

    label: str
    text: str


def entries(one: Examination) -> Iterator[Entry]:
    """What was found, in the order in which a person asks."""
    seen, machine, peaks = one.survey, one.machine, one.peaks
    python = platform.python_version()
    yield Entry("versions", f"dsconv {__version__}, Python {python}, torch {machine.torch}, {seen.thop}")
    yield Entry("system", seen.platform + (", virtual machine" if seen.virtual else ""))
    yield Entry("CPU", seen.cpu)
    yield Entry("cores", f"{machine.cores} for this process, of {seen.cores}")
    yield Entry(
        "threads",
        f"{machine.default_threads} by torch's default, {one.settings.threads} for timing, by {machine.clock}",
    )
    if seen.load is not None:
        yield Entry("load", f"{seen.load:.2f} over the last minute")
    if machine.free_bytes is not None:
        yield Entry("memory", f"{scaled(machine.free_bytes, 'B')} free")
    yield Entry("devices", "; ".join(_device(found.device, found.usable, found.description) for found in one.devices))
    yield Entry("measured on", ", ".join([one.settings.device, one.dtype, one.settings.layout, *machine.notes]))
    yield Entry(
        "peaks",
        f"matrix product {significant(peaks.matmul_flops / 1e9)} GFLOP/s, convolution "
        f"{significant(peaks.conv_flops / 1e9)} GFLOP/s, copy {significant(peaks.copy_bytes / 1e9)} GB/s",
    )
    gain = one.noise.speedup
    yield Entry(
        "noise floor",
        f"a layer against itself reads {gain.value:.3f}, {gain.level:.0%} interval {gain.low:.3f} to {gain.high:.3f} "
        f"(±{gain.half_width:.1%}; {one.noise.processes} processes, {one.noise.pairs} pairs)",
    )


def _device(name: str, usable: bool, description: str) -> str:
    if usable:
        return f"{name} ({description})" if description else name
    return f"no {name}"


def _table(one: Examination, view: View) -> str:
    return "\n".join(_lines(one, min(view.width or _READING_WIDTH, _READING_WIDTH))) + "\n"


def _lines(one: Examination, width: int) -> Iterator[str]:
    width = max(width, 2 * _LABEL_WIDTH)
    for label, text in entries(one):
        yield from _wrapped(f"{label:<{_LABEL_WIDTH}}", text, width)
    yield ""
    yield from _wrapped("", one.verdict, width)
    for caution in one.noise.cautions:
        yield from _wrapped("  - ", caution.text, width)
    if one.advice:
        yield ""
        yield "To get better timings:"
        for line in one.advice:
            yield from _wrapped("  - ", line, width)


def _wrapped(first: str, text: str, width: int) -> list[str]:
    """`text` after `first`, continued under its own beginning."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _markdown(one: Examination, _: View) -> str:
    lines = [
        "| | found |",
        "| :--- | :--- |",
        *(f"| {label} | {text} |" for label, text in entries(one)),
        "",
        one.verdict,
    ]
    for heading, items in (("", [c.text for c in one.noise.cautions]), ("To get better timings:", list(one.advice))):
        if items:
            lines += ["", *([heading, ""] if heading else []), *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"


def _json(one: Examination, _: View) -> str:
    return json.dumps(document(one), indent=2, allow_nan=False) + "\n"


def _jsonl(one: Examination, _: View) -> str:
    return json.dumps(document(one), allow_nan=False) + "\n"


def _csv(one: Examination, _: View) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerow(cell(getter(one)) for getter in KEYS.values())
    return out.getvalue()


#: Format → its function.
RENDERERS: Final[Mapping[str, Callable[[Examination, View], str]]] = MappingProxyType(
    {"table": _table, "json": _json, "jsonl": _jsonl, "csv": _csv, "markdown": _markdown}
)


def render(name: str, one: Examination, view: View) -> str:
    """`one` in the format `name`."""
    text = RENDERERS[name](one, view)
    return text if view.unicode else ascii_text(text)

"""`dsconv doctor`: its keys, and its answer as text: one screen, JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
import platform
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dsconv_cli._version import __version__
from dsconv_cli.numbers import ascii_text, scaled, significant
from dsconv_cli.report import View
from dsconv_cli.report.csv_ import cell
from dsconv_cli.timing.doctor import Examination
from dsconv_cli.timing.doctor_keys import KEYS
from dsconv_cli.timing.result import Interval

_READING_WIDTH: Final = 80
_LABEL_WIDTH: Final = 12


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
    counts = f"{one.noise.processes} processes, {one.noise.pairs} pairs"
    yield Entry("noise floor", f"a layer against itself reads {_floor(one.noise.speedup)}; {counts}")
    yield Entry("", f"in its fastest times {_floor(one.noise.fastest.speedup)}")


def _floor(gain: Interval) -> str:
    return f"{gain.value:.3f}, {gain.level:.0%} interval {gain.low:.3f} to {gain.high:.3f} (±{gain.half_width:.1%})"


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
    return json.dumps(KEYS.document(one), indent=2, allow_nan=False) + "\n"


def _jsonl(one: Examination, _: View) -> str:
    return json.dumps(KEYS.document(one), allow_nan=False) + "\n"


def _csv(one: Examination, _: View) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerow(cell(value) for _, value in KEYS.flat(one))
    return out.getvalue()


#: Format → its function.
RENDERERS: Final[Mapping[str, Callable[[Examination, View], str]]] = MappingProxyType(
    {"table": _table, "json": _json, "jsonl": _jsonl, "csv": _csv, "markdown": _markdown}
)


def render(name: str, one: Examination, view: View) -> str:
    """`one` in the format `name`."""
    text = RENDERERS[name](one, view)
    return text if view.unicode else ascii_text(text)

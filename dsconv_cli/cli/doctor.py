"""`dsconv doctor`: what this machine can measure."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from dsconv_cli.cli import options as opt
from dsconv_cli.cli.groups import grouped
from dsconv_cli.cli.progress import timing_line
from dsconv_cli.cli.streams import has_unicode, is_terminal, terminal_width, write_out
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import check_targets, replace_file
from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.report import View, format_of
from dsconv_cli.report.csv_ import cell

_ON_STDOUT = ("table", "json", "csv", "markdown")
_FILES = (*_ON_STDOUT, "jsonl")


PlainFormatName = Annotated[
    str,
    opt.option(
        "--format",
        text="What stdout gets.",
        panel=opt.OUTPUT,
        metavar="table|json|csv|markdown",
        envvar="DSCONV_FORMAT",
    ),
]
PlainOutputPath = Annotated[
    list[str] | None,
    opt.option(
        "--output",
        text="Also write a file; the format comes from its ending (.json .jsonl .csv .md .txt) or the prefix. "
        "Repeatable.",
        panel=opt.OUTPUT,
        metavar="[FORMAT:]PATH",
    ),
]
DoctorKey = Annotated[
    str | None,
    opt.option(
        "--get", text="Print one bare value, such as noise.ratio, and nothing else.", panel=opt.OUTPUT, metavar="KEY"
    ),
]


@grouped
def doctor(
    *,
    timing: opt.TimingOptions,
    format_name: PlainFormatName = "table",
    output: PlainOutputPath = None,
    get: DoctorKey = None,
    speech: opt.StreamOptions,
) -> None:
    """Tell what this machine can measure, and how far its timings can be trusted.

    Measures the machine's peaks, and its noise: a convolution timed against itself, whose ratio is 1 in truth.
    """
    streams = speech.streams()
    dtype = opt.choice("--dtype", timing.dtype, FLOATS)
    if format_name == "github" == os.environ.get("DSCONV_FORMAT"):
        # A job that sets it for its gates has none here.
        format_name = "table"
    opt.choice("--format", format_name, _ON_STDOUT)
    files = [_file(text) for text in output or ()]
    check_targets([path for _, path in files])
    settings = timing.settings(True)
    assert settings is not None
    from dsconv_cli.report.doctor import render
    from dsconv_cli.timing.doctor import examine
    from dsconv_cli.timing.doctor_keys import KEYS

    key = None if get is None else KEYS.find(get)
    with timing_line(quiet=streams.quiet) as watch:
        found = examine(settings, dtype, watch)
    for name, path in files:
        replace_file(path, render(name, found, View()))
    if key is not None:
        write_out(cell(KEYS.read(found, key)) + "\n")
        return
    width = terminal_width() if is_terminal(sys.stdout) else None
    write_out(render(format_name, found, View(width=width, unicode=has_unicode(sys.stdout))))


def _file(text: str) -> tuple[str, Path]:
    prefix, colon, rest = text.partition(":")
    if colon and prefix in _FILES and rest:
        return prefix, Path(rest)
    name = format_of(text)
    if name not in _FILES:
        raise DsconvError(f"--output {text}: its ending names no format of this command; they are {', '.join(_FILES)}")
    return name, Path(text)

"""`dsconv doctor`: what this machine can measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from dsconv_cli.cli import options as opt
from dsconv_cli.cli.destinations import choose, parse_file
from dsconv_cli.cli.groups import grouped
from dsconv_cli.cli.progress import timing_line
from dsconv_cli.layer.fields import FLOATS

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
    files = [parse_file("doctor", text) for text in output or ()]
    to = choose("doctor", streams, format_name, files)
    settings = timing.settings(True)
    assert settings is not None
    from dsconv_cli.report.doctor import report
    from dsconv_cli.timing.doctor import examine
    from dsconv_cli.timing.doctor_keys import KEYS

    to = replace(to, key=None if get is None else KEYS.find(get))
    with timing_line(quiet=streams.quiet) as watch:
        found = examine(settings, dtype, watch)
    to.deliver(report(found), KEYS, found)

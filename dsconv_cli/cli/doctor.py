"""`dsconv doctor`: what this machine can measure."""

from __future__ import annotations

from typing import Annotated

from dsconv_cli.cli import options as opt
from dsconv_cli.cli.destinations import choose, parse_file
from dsconv_cli.cli.groups import grouped
from dsconv_cli.cli.progress import timing_line
from dsconv_cli.layer.fields import FLOATS

FormatName = Annotated[str, opt.format_option("doctor")]
OutputPath = Annotated[list[str] | None, opt.output_option("doctor")]
GetKey = Annotated[str | None, opt.get_option("noise.ratio")]


@grouped
def doctor(
    *,
    timing: opt.TimingOptions,
    format_name: FormatName = "table",
    output: OutputPath = None,
    get: GetKey = None,
    speech: opt.StreamOptions,
) -> None:
    """Show what this machine can measure, and how far its timings can be trusted.

    Measures the machine's peaks, and its noise: a convolution timed against itself, whose true ratio is 1.
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
    from dsconv_cli.timing.timer import Timer

    to = to._replace(key=None if get is None else KEYS.find(get))
    with timing_line(quiet=streams.quiet) as watch, Timer(settings) as timer:
        found = examine(timer, dtype, watch)
    to.deliver(report, KEYS, found)

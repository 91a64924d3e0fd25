"""`dsconv doctor`: what this machine can measure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from dsconv_cli.cli import output_options as out
from dsconv_cli.cli import timing_options as timed
from dsconv_cli.cli.destinations import Destinations, choose, parse_files
from dsconv_cli.cli.options import Text, Texts, choice, grouped
from dsconv_cli.cli.progress import timing_lines
from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.timing.runtimes import RUNTIMES


@dataclass(frozen=True)
class DoctorOutputOptions(out.OutputOptions):
    """What is written, and where to."""

    format_name: Annotated[str, out.format_option("doctor")] = "table"
    output: Annotated[Texts, out.output_option("doctor")] = None
    get: Annotated[Text, out.get_option("noise.ratio")] = None


def _asked_about(to: Destinations) -> Collection[str]:
    """The runtimes that a run shows anything of: one bare value shows at most one."""
    if to.key is None or to.files:
        return RUNTIMES
    return [name for name in RUNTIMES if to.key.startswith(f"runtimes.{name}.")]


@grouped
def doctor(
    *,
    timing: timed.TimingOptions,
    output: DoctorOutputOptions,
    speech: out.StreamOptions,
) -> None:
    """Show what this machine can measure, and how far its timings can be trusted.

    Measures the machine's peaks, and its noise: a convolution timed against itself, whose true ratio is 1.
    """
    streams = speech.streams()
    dtype = choice("--dtype", timing.dtype, FLOATS)
    files = list(parse_files("doctor", output))
    to = choose("doctor", streams, output.format_name, files)
    settings = timing.settings(True)
    assert settings is not None
    from dsconv_cli.report.doctor import report
    from dsconv_cli.timing.doctor import examine
    from dsconv_cli.timing.doctor_keys import KEYS
    from dsconv_cli.timing.timer import Timer

    to = to._replace(key=None if output.get is None else KEYS.find(output.get))
    with timing_lines(quiet=streams.quiet) as watch, Timer(settings) as timer:
        found = examine(timer, dtype, watch, _asked_about(to))
    to.deliver(report, KEYS, found)

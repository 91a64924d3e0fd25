"""`dsconv compare`: one layer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli.destinations import Destinations, asked, choose, parse_file
from dsconv_cli.cli.groups import grouped
from dsconv_cli.cli.progress import timing_line, timing_text
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison, closed_forms, profile
from dsconv_cli.counting.profilers import choices, load, refuse_uncountable
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec

if TYPE_CHECKING:
    from dsconv_cli.cli.streams import Streams
    from dsconv_cli.report.page import Report
    from dsconv_cli.timing.settings import TimingSettings
    from dsconv_cli.timing.timer import Timer

Explain = Annotated[
    bool, opt.option("--explain", text="Derive R×S step by step with this layer's numbers.", panel=opt.OUTPUT)
]


@grouped
def compare(
    *,
    layer: opt.LayerOptions,
    profiler: opt.Profiler = "thop",
    time: opt.Time = False,
    timing: opt.TimingOptions,
    output: opt.OutputOptions,
    explain: Explain = False,
    gates: opt.GateOptions,
    speech: opt.StreamOptions,
) -> None:
    """Compare one ordinary convolution with its depthwise separable replacement.

    Builds both with the same input and output shapes, profiles both, and prints parameters, MACs, memory
    traffic, their ratios (ordinary / separable), and how far off R×S is as an approximation.
    """
    streams = speech.streams()
    spec = layer.spec(timing.dtype)
    opt.choice("--profiler", profiler, choices())
    settings = timing.settings(time)
    absent = (*(["measured"] if profiler == "none" else []), *([] if time else ["time"]))
    key, checks = asked(KEYS, absent, output.get, gates)
    files = [parse_file("compare", text) for text in output.output or ()]
    to = choose("compare", streams, output.format_name, files, key=key, gates=checks, absent=absent)
    if explain and not any(one.part == "page" for one in to.formats):
        raise DsconvError("--explain is text for people: it goes with --format table or markdown, or such an --output")
    result = _measure(spec, profiler, to, settings)
    if result.counted is not None and not result.counted.exact:
        streams.note("thop counts in doubles, which are not exact above 2^53; the figures are the closed forms")
    raise typer.Exit(to.deliver(partial(_report, explain=explain), KEYS, result))


def _report(one: Comparison, *, explain: bool) -> Report:
    # A bare value needs none.
    from dsconv_cli.report.compare import report

    return report(one, explain=explain)


def _measure(spec: ConvSpec, profiler: str, to: Destinations, settings: TimingSettings | None) -> Comparison:
    """The result, of which the first figures are shown where somebody looks on."""
    closed = closed_forms(spec)
    refuse_uncountable(spec, closed.cost, profiler)
    # The measuring process loads torch while this one does: both together take hardly longer than one.
    with opt.timer_of(settings) as timer:
        if not to.live or (profiler == "none" and timer is None):
            return _without_screen(closed, profiler, timer, to.streams)
        from dsconv_cli.cli.live import Show, show_while

        def work(show: Show) -> Comparison:
            counted = _counted(closed, profiler, timer)
            if timer is None:
                return counted
            show(counted, "", "timing: loading torch")
            return replace(counted, time=timer.time(spec, lambda one: show(counted, "", timing_text(one))))

        return show_while(closed, work, profiler, to.view)


def _without_screen(closed: Comparison, profiler: str, timer: Timer | None, streams: Streams) -> Comparison:
    counted = _counted(closed, profiler, timer)
    if timer is None:
        return counted
    with timing_line(quiet=streams.quiet) as watch:
        return replace(counted, time=timer.time(closed.spec, watch))


def _counted(closed: Comparison, profiler: str, timer: Timer | None) -> Comparison:
    """What the profiler counts, once it is known that the layer can be timed as well."""
    if timer is not None:
        if profiler != "none":
            # Loads torch here while the measuring process loads it there.
            load()
        timer.check(closed.spec)
    return profile(closed, profiler)

"""`dsconv compare`: one layer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dsconv_cli.cli import output_options as out
from dsconv_cli.cli import timing_options as timed
from dsconv_cli.cli.destinations import Destinations, asked, choose, for_people, parse_files
from dsconv_cli.cli.layer_options import LayerOptions
from dsconv_cli.cli.options import OUTPUT, choice, grouped, option
from dsconv_cli.cli.progress import timing_lines, timing_text
from dsconv_cli.cli.streams import say
from dsconv_cli.comparison.keys import RUNTIMES, keys_of
from dsconv_cli.comparison.result import Comparison, closed_forms, profile
from dsconv_cli.counting.profilers import choices, load, refuse_uncountable
from dsconv_cli.errors import CANNOT_MEASURE
from dsconv_cli.layer.spec import ConvSpec

if TYPE_CHECKING:
    from dsconv_cli.cli.streams import Streams
    from dsconv_cli.report.page import Report
    from dsconv_cli.timing.timer import Watcher
    from dsconv_cli.timing.timers import Timers

Explain = Annotated[
    bool, option("--explain", text="Derive R×S step by step, with the numbers of this layer.", panel=OUTPUT)
]


@grouped
def compare(
    *,
    layer: LayerOptions,
    profiler: timed.Profiler = "thop",
    time: timed.Time = False,
    how: timed.ChainOptions,
    output: out.OutputOptions,
    explain: Explain = False,
    details: out.Details = False,
    gates: out.GateOptions,
    speech: out.StreamOptions,
) -> None:
    """Compare one ordinary convolution with its depthwise separable replacement.

    Builds both with the same input and output shapes, profiles both, and prints parameters, MACs, memory
    traffic, their ratios (ordinary / separable), and how far off R×S is as an approximation.
    """
    streams = speech.streams()
    spec = layer.spec(how.dtype)
    choice("--profiler", profiler, choices())
    settings = how.settings(time)
    runtimes = how.runtimes(settings, spec, streams)
    keys = keys_of(runtimes if how.runtime else ())
    measured = {"measured": profiler != "none", "time": settings, RUNTIMES: how.runtime}
    absent = [section for section, asked_for in measured.items() if not asked_for]
    key, checks = asked(keys, absent, output.get, gates)
    files = list(parse_files("compare", output))
    baseline = None
    if gates.compares:
        # What reads JSON is loaded only where there is some.
        from dsconv_cli.cli.baseline import of_layer, path_of

        baseline = of_layer(path_of(gates, files, streams), gates, keys, absent, spec)
    to = choose("compare", streams, output.format_name, files, key=key, gates=checks, baseline=baseline, absent=absent)
    for_people(to, {"--explain": explain, "--details": details})
    with timed.timers_of(settings, runtimes) as timers:
        result = _measure(spec, profiler, to, timers)
    if not how.runtime:
        result = replace(result, times=None)
    if result.counted is not None and not result.counted.exact:
        streams.note("thop counts in doubles, which are not exact above 2^53; the figures are those of the formulas")
    code = _without_lost(to, result).deliver(partial(_report, explain=explain, details=details), keys, result)
    for name, reason in result.failures.items():
        say("error", f"{name}: {reason}", streams.color)
    raise typer.Exit(code or (CANNOT_MEASURE if result.failures else 0))


def _without_lost(to: Destinations, result: Comparison) -> Destinations:
    """What there is to give where a runtime failed: not its figures."""
    lost = tuple(f"{RUNTIMES}.{name}." for name in result.failures)
    if result.failures and result.time is None:
        lost = (*lost, "time.")
    files = tuple(file for file in to.files if f"{file.format.section}." not in lost)
    return to._replace(files=files).without(lost)


def _report(one: Comparison, **wishes: bool) -> Report:
    # A bare value needs none.
    from dsconv_cli.report.compare import report

    return report(one, **wishes)


def _measure(spec: ConvSpec, profiler: str, to: Destinations, timers: Timers | None) -> Comparison:
    """The result, of which the first figures are shown where somebody looks on."""
    closed = closed_forms(spec)
    refuse_uncountable(spec, closed.cost, profiler)
    # The measuring process loads torch while this one does: both together take hardly longer than one.
    if not to.live or (profiler == "none" and timers is None):
        return _without_screen(closed, profiler, timers, to.streams)
    from dsconv_cli.cli.live import Show, show_while

    def work(show: Show) -> Comparison:
        counted = _counted(closed, profiler, timers)

        def watcher(prefix: str) -> Watcher:
            show(counted, "", f"{prefix}timing: loading")
            return lambda one: show(counted, "", prefix + timing_text(one))

        return counted if timers is None else counted.with_times(timers.time(spec, watcher))

    return show_while(closed, work, profiler, to.streams.view)


def _without_screen(closed: Comparison, profiler: str, timers: Timers | None, streams: Streams) -> Comparison:
    counted = _counted(closed, profiler, timers)
    if timers is None:
        return counted
    with timing_lines(quiet=streams.quiet) as watcher:
        return counted.with_times(timers.time(closed.spec, watcher))


def _counted(closed: Comparison, profiler: str, timers: Timers | None) -> Comparison:
    """What the profiler counts, once it is known that the layer can be timed as well."""
    if timers is not None:
        if profiler != "none":
            # Loads torch here while the measuring process loads it there.
            load()
        timers.check(closed.spec)
    return profile(closed, profiler)

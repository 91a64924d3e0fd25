"""`dsconv compare`: one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import timed
from dsconv_cli.cli.report import Plan, plan
from dsconv_cli.cli.streams import ColorChoice, Streams
from dsconv_cli.comparison.result import Comparison, closed_forms, profile
from dsconv_cli.counting.profilers import choices, refuse_uncountable
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer import reading
from dsconv_cli.layer.spec import DTYPE_BYTES, Bias, ConvSpec

if TYPE_CHECKING:
    from dsconv_cli.timing.timer import Timer, TimingSettings


def compare(
    k: opt.K,
    c: opt.C,
    r: opt.R = "3",
    s: opt.S = "3",
    h: opt.H = "56",
    w: opt.W = "56",
    batch: opt.Batch = "1",
    stride: opt.Stride = "1",
    padding: opt.Padding = "half",
    dilation: opt.Dilation = "1",
    depth_multiplier: opt.DepthMultiplier = "1",
    bias: opt.BiasAll = False,
    ordinary_bias: opt.OrdinaryBias = None,
    depthwise_bias: opt.DepthwiseBias = None,
    pointwise_bias: opt.PointwiseBias = None,
    profiler: opt.Profiler = "thop",
    time: opt.Time = False,
    device: opt.Device = timed.DEVICE,
    dtype: opt.Dtype = "float32",
    threads: opt.Threads = None,
    channels_last: opt.ChannelsLast = False,
    budget: opt.Budget = timed.BUDGET,
    format_name: opt.FormatName = "table",
    output: opt.OutputPath = None,
    get: opt.GetKey = None,
    explain: opt.Explain = False,
    fail_under: opt.FailUnder = None,
    fail_over: opt.FailOver = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.Color = "auto",
) -> None:
    """Compare one ordinary convolution with its depthwise separable replacement.

    Builds both with the same input and output shapes, profiles both, and prints parameters, MACs, memory
    traffic, their ratios (ordinary / separable), and how far off R×S is as an approximation.
    """
    streams = make_streams(color, quiet=quiet, verbose=verbose)
    texts = {
        "k": k, "c": c, "r": r, "s": s, "h": h, "w": w, "batch": batch, "stride": stride,
        "padding": padding, "dilation": dilation, "depth_multiplier": depth_multiplier,
        "dtype": choice("--dtype", dtype, DTYPE_BYTES),
    }  # fmt: skip
    spec = reading.layer(texts, bias=biases(bias, ordinary_bias, depthwise_bias, pointwise_bias))
    choice("--profiler", profiler, choices())
    settings = timed.settings(time, device=device, threads=threads, channels_last=channels_last, budget=budget)
    wishes = plan(
        streams,
        format_name=format_name,
        outputs=output or (),
        key=get,
        fail_under=fail_under or (),
        fail_over=fail_over or (),
        explain=explain,
        absent=(*(["measured"] if profiler == "none" else []), *([] if time else ["time"])),
    )
    result, shown = _measure(spec, profiler, wishes, settings)
    if result.counted is not None and not result.counted.exact:
        streams.note("thop counts in doubles, which are not exact above 2^53; the figures are the closed forms")
    raise typer.Exit(wishes.deliver(result, shown=shown))


def biases(every: bool, ordinary: bool | None, depthwise: bool | None, pointwise: bool | None) -> Bias:
    """`--bias` and its three overrides."""
    return Bias(*(every if one is None else one for one in (ordinary, depthwise, pointwise)))


def choice(option: str, value: str, choices: Sequence[str] | dict[str, int]) -> str:
    """`value` if it is one of `choices`.

    Raises:
        DsconvError: it is not.
    """
    if value not in choices:
        raise DsconvError(f"{option} must be one of {', '.join(choices)}, not {value!r}")
    return value


def make_streams(color: str, *, quiet: bool, verbose: bool) -> Streams:
    """The streams as the options want them."""
    if quiet and verbose:
        raise DsconvError("--quiet and --verbose contradict each other")
    return Streams(cast("ColorChoice", choice("--color", color, ("auto", "always", "never"))), quiet, verbose)


def _measure(spec: ConvSpec, profiler: str, wishes: Plan, settings: TimingSettings | None) -> tuple[Comparison, bool]:
    """The result, and whether it stands on the screen already."""
    closed = closed_forms(spec)
    refuse_uncountable(spec, closed.cost, profiler)
    # The measuring process loads torch while this one does: both together take hardly longer than one.
    with timed.timer(settings) as timer:
        if not wishes.live or (profiler == "none" and timer is None):
            return _without_screen(closed, profiler, timer, wishes), False
        from dsconv_cli.cli.live import Show, show_while

        def work(show: Show) -> Comparison:
            counted = _counted(closed, profiler, timer)
            if timer is None:
                return counted
            show(counted, "", "timing: loading torch")
            return replace(counted, time=timer.time(spec, lambda one: show(counted, "", timed.progress_text(one))))

        return show_while(closed, work, profiler, wishes.view()), True


def _without_screen(closed: Comparison, profiler: str, timer: Timer | None, wishes: Plan) -> Comparison:
    counted = _counted(closed, profiler, timer)
    if timer is None:
        return counted
    with timed.progress_line(wishes.streams) as watch:
        return replace(counted, time=timer.time(closed.spec, watch))


def _counted(closed: Comparison, profiler: str, timer: Timer | None) -> Comparison:
    """What the profiler counts, once it is known that the layer can be timed as well."""
    if timer is not None:
        if profiler != "none":
            # Loads torch here while the measuring process loads it there.
            import dsconv_cli.counting.profilers  # noqa: F401
        timer.check(closed.spec)
    return profile(closed, profiler)

"""`dsconv sweep`: a grid of layers, or layers from a file. The options; the work is in `sweeping`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Annotated, Final, get_args

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import timed
from dsconv_cli.cli.options import MEASUREMENT, OUTPUT, _option
from dsconv_cli.errors import DsconvError

GRID = "The layers of a sweep"
PICTURE = "The picture"
RUN = "Long runs"

#: What a layer is where no option and no file says otherwise; in the order in which a grid nests, slowest first.
DEFAULTS: Final[Mapping[str, str]] = {
    "k": "", "c": "", "r": "3", "s": "3", "h": "56", "w": "56", "batch": "1", "stride": "1", "padding": "half",
    "dilation": "1", "depth_multiplier": "1", "dtype": "float32",
}  # fmt: skip

From = Annotated[
    list[str] | None,
    _option("--from", text="Layers from CSV or JSON Lines; - is stdin.", panel=GRID, metavar="FILE|-"),
]
Zip = Annotated[
    list[str] | None,
    _option(
        "--zip",
        text="Tie one value to another: c=k, w=h, s=r, c=k/2; or k,c to walk two lists in step. Repeatable.",
        panel=GRID,
        metavar="TIE",
    ),
]
Strict = Annotated[
    bool, _option("--strict", text="Fail if a kernel does not fit, where it would be skipped.", panel=GRID)
]
Budget = Annotated[
    str,
    _option(
        "--budget",
        text=f"Seconds that --time may take, split over the layers; {timed.BUDGET} for each by default.",
        panel=MEASUREMENT,
        metavar="SECONDS",
    ),
]
Where = Annotated[
    list[str] | None,
    _option(
        "--where",
        text="Only layers for which this holds, such as 'macs.ratio < 6 and k >= 64'. Repeatable: all must hold.",
        panel=OUTPUT,
        metavar="CONDITION",
    ),
]
Sort = Annotated[
    str | None,
    _option("--sort", text="Rows by this key, the largest first.", panel=OUTPUT, metavar="KEY[:asc|:desc]"),
]
Top = Annotated[
    str | None,
    _option(
        "--top",
        text="Only the first N rows; sorted by macs.ratio, or with --time by time.speedup, if by nothing else.",
        panel=OUTPUT,
        metavar="N",
    ),
]
Columns = Annotated[
    str | None,
    _option(
        "--columns",
        text="Only these keys; a section such as macs stands for all of its keys.",
        panel=OUTPUT,
        metavar="KEY,...",
    ),
]
SummaryFlag = Annotated[
    bool,
    _option(
        "--summary",
        text="In place of the rows: least, median, geometric mean and greatest of each ratio, and where it is below 1.",
        panel=OUTPUT,
    ),
]
PlotTo = Annotated[
    list[str] | None,
    _option(
        "--plot",
        text="Draw a ratio to PATH.svg or PATH.png, or with - in the terminal. Repeatable.",
        panel=PICTURE,
        metavar="PATH|-",
    ),
]
PlotX = Annotated[
    str | None,
    _option("--plot-x", text="What goes to the right; by default what has most values.", panel=PICTURE, metavar="NAME"),
]
PlotBy = Annotated[str | None, _option("--plot-by", text="What makes one line a value.", panel=PICTURE, metavar="NAME")]
PlotY = Annotated[
    str | None,
    _option(
        "--plot-y", text="The ratio; by default macs.ratio, or time.speedup with --time.", panel=PICTURE, metavar="KEY"
    ),
]
Resume = Annotated[
    bool,
    _option("--resume", text="Go on with the rows that --output FILE.jsonl holds already.", panel=RUN),
]
Jobs = Annotated[
    str,
    _option(
        "--jobs",
        text="Processes that count. Timing uses one at a time, for two would disturb each other.",
        panel=RUN,
        metavar="N",
    ),
]
ShardOf = Annotated[
    str | None,
    _option(
        "--shard",
        text="Only part I of N, from 1; the outputs of all parts in order are that of the whole.",
        panel=RUN,
        metavar="I/N",
    ),
]


def sweep(
    k: opt.K = "",
    c: opt.C = "",
    r: opt.R = "",
    s: opt.S = "",
    h: opt.H = "",
    w: opt.W = "",
    batch: opt.Batch = "",
    stride: opt.Stride = "",
    padding: opt.Padding = "",
    dilation: opt.Dilation = "",
    depth_multiplier: opt.DepthMultiplier = "",
    bias: opt.BiasAll = False,
    ordinary_bias: opt.OrdinaryBias = None,
    depthwise_bias: opt.DepthwiseBias = None,
    pointwise_bias: opt.PointwiseBias = None,
    from_file: From = None,
    zips: Zip = None,
    strict: Strict = False,
    profiler: opt.Profiler = "thop",
    time: opt.Time = False,
    device: opt.Device = timed.DEVICE,
    dtype: opt.Dtype = "",
    threads: opt.Threads = None,
    channels_last: opt.ChannelsLast = False,
    budget: Budget = "",
    format_name: opt.FormatName = "",
    output: opt.OutputPath = None,
    get: opt.GetKey = None,
    where: Where = None,
    sort: Sort = None,
    top: Top = None,
    columns: Columns = None,
    summary: SummaryFlag = False,
    fail_under: opt.FailUnder = None,
    fail_over: opt.FailOver = None,
    plot: PlotTo = None,
    plot_x: PlotX = None,
    plot_by: PlotBy = None,
    plot_y: PlotY = None,
    resume: Resume = False,
    jobs: Jobs = "1",
    shard: ShardOf = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.Color = "auto",
) -> None:
    """Compare a grid of layers, or layers from a file, one row a layer.

    Layer options take lists and ranges: 16,32,64; 7:112:7 (from 7 to 112 in steps of 7); 16:512:*2 (doubling);
    1,3,8:64:8. A comma separates values, so that a lopsided stride, dilation or padding is HEIGHTxWIDTH, as in 2x1.

    json is one document a line. json and csv are written row by row, whatever their number. Where --output is
    given, stdout stays empty unless --format asks for something.
    """
    from dsconv_cli.cli.sweeping import Request, run

    texts = {
        "k": k, "c": c, "r": r, "s": s, "h": h, "w": w, "batch": batch, "stride": stride, "padding": padding,
        "dilation": dilation, "depth_multiplier": depth_multiplier, "dtype": dtype,
    }  # fmt: skip
    request = Request(
        layer={name: text for name, text in texts.items() if text},
        biases=(bias, ordinary_bias, depthwise_bias, pointwise_bias),
        from_file=_one_file(from_file),
        zips=tuple(zips or ()),
        strict=strict,
        profiler=profiler,
        time=time,
        device=device,
        threads=threads,
        channels_last=channels_last,
        budget=budget,
        format_name=format_name,
        outputs=tuple(output or ()),
        get=get,
        where=" and ".join(where if len(where) == 1 else [f"({one})" for one in where]) if where else None,
        sort=sort,
        top=top,
        columns=columns,
        summary=summary,
        fail_under=tuple(fail_under or ()),
        fail_over=tuple(fail_over or ()),
        plots=tuple(plot or ()),
        plot_axes={"x": plot_x, "by": plot_by, "y": plot_y},
        resume=resume,
        jobs=jobs,
        shard=shard,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    raise typer.Exit(run(request))


_PAIR: Final = "Numbers, or HEIGHTxWIDTH."
_SHARED: Final[Mapping[str, tuple[object, str]]] = {
    "k": (opt.K, ""), "c": (opt.C, ""), "r": (opt.R, ""), "s": (opt.S, ""), "h": (opt.H, ""), "w": (opt.W, ""),
    "batch": (opt.Batch, ""), "stride": (opt.Stride, _PAIR), "padding": (opt.Padding, ""),
    "dilation": (opt.Dilation, _PAIR), "depth_multiplier": (opt.DepthMultiplier, ""), "dtype": (opt.Dtype, ""),
}  # fmt: skip


def _as_list(shared: object, text: str, default: str) -> object:
    """A shared option as a sweep takes it: a list, whose default applies only where no file sets the value."""
    kind, option = get_args(shared)
    mine = copy(option)
    mine.metavar = "LIST"
    mine.help = (text or mine.help) + (f" [default: {default}]" if default else "")
    return Annotated[kind, mine]


sweep.__annotations__.update({name: _as_list(*shared, DEFAULTS[name]) for name, shared in _SHARED.items()})


def _one_file(files: list[str] | None) -> str | None:
    if files and len(files) > 1:
        raise DsconvError("--from takes one file; put several together with cat, or run once for each")
    return files[0] if files else None

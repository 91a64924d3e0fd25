"""`dsconv model`: a whole network."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import stdout, timed
from dsconv_cli.cli.compare import choice, make_streams
from dsconv_cli.cli.options import _option
from dsconv_cli.layer.spec import DTYPE_BYTES

NETWORK = "The network"
WHAT_IF = "What if"

#: A network has many layers, and this is for all of them.
BUDGET: Final = "60"

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="package.module:factory or path/to/file.py:factory, something that makes a network or is one; or a "
        "torch.export program, path.pt2.",
    ),
]
Arg = Annotated[
    list[str] | None,
    _option(
        "--arg",
        text="An argument of the factory, as Python writes it. Repeatable.",
        panel=NETWORK,
        metavar="NAME=VALUE",
    ),
]
Input = Annotated[
    list[str] | None,
    _option(
        "--input",
        text="Shape of an input, such as 1,3,224,224, with a name for a keyword. Repeatable, in the order of forward. "
        "A .pt2 file brings its own.",
        panel=NETWORK,
        metavar="[NAME=]INT,...",
    ),
]
InputDtype = Annotated[
    list[str] | None,
    _option(
        "--input-dtype",
        text="Type of the inputs' elements, once for all or once for each; by default that of the weights.",
        panel=NETWORK,
        metavar="DTYPE",
    ),
]
Keep = Annotated[
    list[str] | None,
    _option("--keep", text="Do not replace these layers; * crosses dots. Repeatable.", panel=WHAT_IF, metavar="GLOB"),
]
Only = Annotated[
    list[str] | None,
    _option("--only", text="Replace these layers only. Repeatable.", panel=WHAT_IF, metavar="GLOB"),
]
MinRatio = Annotated[
    str | None,
    _option(
        "--min-ratio",
        text="Do not replace a layer whose MACs (ordinary / separable) gain less than this.",
        panel=WHAT_IF,
        metavar="NUMBER",
    ),
]
Multiplier = Annotated[
    str, _option("--depth-multiplier", text="Depthwise filters an input channel M.", panel=WHAT_IF, metavar="INT")
]
TargetMacs = Annotated[
    str | None,
    _option(
        "--target-macs",
        text="Replace as few layers as bring the network to at most so many MACs.",
        panel=WHAT_IF,
        metavar="COUNT[k|M|G|T]",
    ),
]
TargetParams = Annotated[
    str | None,
    _option(
        "--target-params",
        text="The same for parameters; with both targets, as few layers as reach both.",
        panel=WHAT_IF,
        metavar="COUNT[k|M|G|T]",
    ),
]
Time = Annotated[
    bool,
    _option(
        "--time",
        text="Also measure time: of each eligible layer, the same shape once, and of the whole network.",
        panel=opt.MEASUREMENT,
    ),
]
Dtype = Annotated[
    str | None,
    _option(
        "--dtype",
        text="Convert the network's floating numbers to this type; by default they stay what they are.",
        panel=opt.MEASUREMENT,
        metavar="float32|float64|bfloat16|float16",
    ),
]
Budget = Annotated[
    str,
    _option(
        "--budget",
        text="Seconds that --time may take in all, divided among the shapes and the network.",
        panel=opt.MEASUREMENT,
        metavar="SECONDS",
    ),
]
Depth = Annotated[
    str | None,
    _option(
        "--depth",
        text="Levels of the tree of modules; what lies deeper is summed up. By default as many as fit one screen.",
        panel=opt.OUTPUT,
        metavar="INT",
    ),
]
Top = Annotated[
    str | None,
    _option(
        "--top",
        text="Instead of the tree, the layers with the most MACs and the rest.",
        panel=opt.OUTPUT,
        metavar="INT",
    ),
]
OutputPath = Annotated[
    list[str] | None,
    _option(
        "--output",
        text="Also write a file; the format comes from its ending (.json .jsonl .csv .md .svg .txt, and the plot as "
        ".png .pdf) or the prefix. Repeatable.",
        panel=opt.OUTPUT,
        metavar="[FORMAT:]PATH",
    ),
]
GetKey = Annotated[
    str | None,
    _option(
        "--get",
        text="Print one bare value, such as totals.macs.ratio, and nothing else.",
        panel=opt.OUTPUT,
        metavar="KEY",
    ),
]
Plot = Annotated[
    str | None,
    _option(
        "--plot",
        text="Draw where the MACs are and where they would go (.svg .png .pdf; needs the extra 'plot').",
        panel=opt.OUTPUT,
        metavar="PATH",
    ),
]
Layers = Annotated[
    str | None,
    _option(
        "--layers",
        text="Write the eligible layers (.csv .jsonl) as 'dsconv sweep --from' reads them.",
        panel=opt.OUTPUT,
        metavar="PATH",
    ),
]


def model(
    target: Target,
    arg: Arg = None,
    input_shape: Input = None,
    input_dtype: InputDtype = None,
    keep: Keep = None,
    only: Only = None,
    min_ratio: MinRatio = None,
    depth_multiplier: Multiplier = "1",
    target_macs: TargetMacs = None,
    target_params: TargetParams = None,
    depth: Depth = None,
    top: Top = None,
    plot: Plot = None,
    layers: Layers = None,
    time: Time = False,
    dtype: Dtype = None,
    device: opt.Device = timed.DEVICE,
    threads: opt.Threads = None,
    channels_last: opt.ChannelsLast = False,
    budget: Budget = BUDGET,
    format_name: opt.FormatName = "table",
    output: OutputPath = None,
    get: GetKey = None,
    fail_under: opt.FailUnder = None,
    fail_over: opt.FailOver = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.Color = "auto",
) -> None:
    """Tell what replacing the convolutions of a whole network buys, layer by layer, before and after.

    The network is run once as it is and once with the chosen layers really replaced, on the meta device where it
    allows that: then nothing is computed and no memory used, at any resolution.

    TARGET is code: loading it from a package or a path runs it, so name only what you would run. Nothing is loaded
    from pickles, and a .pt2 file that holds one is refused.
    """
    # What only this command needs is loaded only for it.
    from dsconv_cli.cli import model_run

    streams = make_streams(color, quiet=quiet, verbose=verbose)
    if not time and budget == BUDGET:
        budget = timed.BUDGET
    settings = timed.settings(time, device=device, threads=threads, channels_last=channels_last, budget=budget)
    selection = model_run.selection(
        keep=keep or (),
        only=only or (),
        min_ratio=min_ratio,
        depth_multiplier=depth_multiplier,
        target_macs=target_macs,
        target_params=target_params,
    )
    inputs = model_run.parse_inputs(input_shape or (), input_dtype or ())
    own = "" if dtype is None else choice("--dtype", dtype, DTYPE_BYTES)
    recipe = model_run.Recipe(target, model_run.parse_arguments(arg or ()), inputs, own)
    wishes = model_run.plan(
        streams,
        format_name=format_name,
        outputs=output or (),
        plot=plot,
        layers=layers,
        key=get,
        fail_under=fail_under or (),
        fail_over=fail_over or (),
        with_time=time,
        shown=model_run.levels(depth, top),
    )
    stdout.reserve()
    result = model_run.measure(streams, recipe, selection, settings)
    for note in result.notes:
        streams.note(note)
    raise typer.Exit(wishes.deliver(result))

"""`dsconv model`: a whole network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import Annotated

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import stdout
from dsconv_cli.cli.destinations import asked, choose, parse_file, parse_picture
from dsconv_cli.cli.groups import grouped
from dsconv_cli.files import replace_file
from dsconv_cli.layer.fields import FIELDS, FLOATS

NETWORK = "The network"
WHAT_IF = "What if"

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
    opt.option(
        "--arg",
        text="An argument of the factory, as Python writes it. Repeatable.",
        panel=NETWORK,
        metavar="NAME=VALUE",
    ),
]
Input = Annotated[
    list[str] | None,
    opt.option(
        "--input",
        text="Shape of an input, such as 1,3,224,224, with a name for a keyword. Repeatable, in the order of forward. "
        "A .pt2 file brings its own.",
        panel=NETWORK,
        metavar="[NAME=]INT,...",
    ),
]
InputDtype = Annotated[
    list[str] | None,
    opt.option(
        "--input-dtype",
        text="Type of the inputs' elements, once for all or once for each; by default that of the weights.",
        panel=NETWORK,
        metavar="DTYPE",
    ),
]
Inputs = Annotated[
    str | None,
    opt.option(
        "--inputs",
        text="Instead, a function that gives the arguments as the network takes them, be they tensors, lists, dicts, "
        "numbers or flags: a tuple of them in the order of forward, a dict of them by name, or the only one.",
        panel=NETWORK,
        metavar="MODULE:FUNCTION",
    ),
]
Keep = Annotated[
    list[str] | None,
    opt.option(
        "--keep", text="Do not replace these layers; * crosses dots. Repeatable.", panel=WHAT_IF, metavar="GLOB"
    ),
]
Only = Annotated[
    list[str] | None,
    opt.option("--only", text="Replace these layers only. Repeatable.", panel=WHAT_IF, metavar="GLOB"),
]
MinRatio = Annotated[
    str | None,
    opt.option(
        "--min-ratio",
        text="Do not replace a layer whose MACs (ordinary / separable) gain less than this.",
        panel=WHAT_IF,
        metavar="NUMBER",
    ),
]
Multiplier = Annotated[str, opt.field_option(FIELDS["depth_multiplier"], WHAT_IF)]
TargetMacs = Annotated[
    str | None,
    opt.option(
        "--target-macs",
        text="Replace as few layers as bring the network to at most so many MACs.",
        panel=WHAT_IF,
        metavar="COUNT[k|M|G|T]",
    ),
]
TargetParams = Annotated[
    str | None,
    opt.option(
        "--target-params",
        text="The same for parameters; with both targets, as few layers as reach both.",
        panel=WHAT_IF,
        metavar="COUNT[k|M|G|T]",
    ),
]
Time = Annotated[
    bool,
    opt.option(
        "--time",
        text="Also measure time: of each eligible layer, the same shape once, and of the whole network.",
        panel=opt.MEASUREMENT,
    ),
]
Dtype = Annotated[
    str,
    opt.option(
        "--dtype",
        text="Convert the network's floating numbers to this type; by default they stay what they are.",
        panel=opt.MEASUREMENT,
        metavar="float32|float64|bfloat16|float16",
    ),
]
Budget = Annotated[
    str,
    opt.option(
        "--budget",
        text="Seconds that --time may take in all, divided among the shapes and the network.",
        panel=opt.MEASUREMENT,
        metavar="SECONDS",
    ),
]
Depth = Annotated[
    str | None,
    opt.option(
        "--depth",
        text="Levels of the tree of modules; what lies deeper is summed up. By default as many as fit one screen.",
        panel=opt.OUTPUT,
        metavar="INT",
    ),
]
Top = Annotated[
    str | None,
    opt.option(
        "--top",
        text="Instead of the tree, the layers with the most MACs and the rest.",
        panel=opt.OUTPUT,
        metavar="INT",
    ),
]
FormatName = Annotated[str, opt.format_option("model")]
OutputPath = Annotated[list[str] | None, opt.output_option("model", " A plot ends in .png or .pdf.")]
GetKey = Annotated[str | None, opt.get_option("totals.macs.ratio")]
Plot = Annotated[
    str | None,
    opt.option(
        "--plot",
        text="Draw where the MACs are and where they would go (.svg .png .pdf; needs the extra 'plot').",
        panel=opt.OUTPUT,
        metavar="PATH",
    ),
]
Layers = Annotated[
    str | None,
    opt.option(
        "--layers",
        text="Write the eligible layers (.csv .jsonl) as 'dsconv sweep --from' reads them.",
        panel=opt.OUTPUT,
        metavar="PATH",
    ),
]


@dataclass(frozen=True)
class NetworkTimingOptions(opt.TimingOptions):
    """How time is measured: one budget for the whole network, whose dtype is its own."""

    dtype: Dtype = ""
    budget: Budget = "60"

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """The dtype first: it changes the network whether or not that is timed."""
        return sorted(super().parameters(), key=lambda one: one.name != "dtype")


@dataclass(frozen=True)
class NetworkOutputOptions(opt.OutputOptions):
    """What is written, and where to."""

    format_name: FormatName = "table"
    output: OutputPath = None
    get: GetKey = None


@grouped
def model(
    *,
    target: Target,
    arg: Arg = None,
    input_shape: Input = None,
    input_dtype: InputDtype = None,
    inputs_by: Inputs = None,
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
    timing: NetworkTimingOptions,
    output: NetworkOutputOptions,
    gates: opt.GateOptions,
    speech: opt.StreamOptions,
) -> None:
    """Tell what replacing the convolutions of a whole network buys, layer by layer, before and after.

    The network is run once as it is and once with the chosen layers really replaced, on the meta device where it
    allows that: then nothing is computed and no memory used, at any resolution.

    TARGET is code: loading it from a package or a path runs it, so name only what you would run. What it prints goes
    to stderr. A .pt2 file is looked through before torch reads it, and refused if it holds pickled objects, compiled
    code, expressions that are not arithmetic, operators that are not torch's own, or more than the file has bytes for;
    a file from a stranger is still a file from a stranger.
    """
    # What only this command needs is loaded only for it.
    from dsconv_cli.cli import model_run
    from dsconv_cli.model.keys import KEYS
    from dsconv_cli.model.result import Recipe
    from dsconv_cli.report.network import layers_file, report

    streams = speech.streams()
    settings = timing.settings(time)
    selection = model_run.selection(
        keep=keep or (),
        only=only or (),
        min_ratio=min_ratio,
        depth_multiplier=depth_multiplier,
        target_macs=target_macs,
        target_params=target_params,
    )
    inputs = model_run.parse_inputs(input_shape or (), input_dtype or (), inputs_by)
    own = timing.dtype and opt.choice("--dtype", timing.dtype, FLOATS)
    recipe = Recipe(target, model_run.parse_arguments(arg or ()), inputs, own, inputs_by or "")
    key, checks = asked(KEYS, [] if time else ["totals.time"], output.get, gates)
    files = [parse_file("model", text) for text in output.output or ()]
    files += [] if plot is None else [parse_picture("model", plot)]
    rest = model_run.layers_path(layers)
    beside = [] if rest is None else [rest]
    to = choose("model", streams, output.format_name, files, key=key, gates=checks, beside=beside)
    levels = model_run.levels(depth, top)
    stdout.reserve()
    result = model_run.measure(streams, recipe, selection, settings)
    for note in result.notes:
        streams.note(model_run.in_options(note))
    if rest is not None:
        replace_file(rest, layers_file(result, rest.suffix.lower()))
    raise typer.Exit(to.deliver(partial(report, levels=levels), KEYS, result))

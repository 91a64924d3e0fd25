"""`dsconv model`: a whole network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dsconv_cli import parsing
from dsconv_cli.cli import options as opt
from dsconv_cli.cli import timed
from dsconv_cli.cli.compare import choice, make_streams
from dsconv_cli.cli.model_plan import levels, plan
from dsconv_cli.cli.options import _option
from dsconv_cli.cli.streams import Streams
from dsconv_cli.model.choose import parse_count
from dsconv_cli.model.result import InputShape, ModelResult, Selection
from dsconv_cli.spec import DsconvError

if TYPE_CHECKING:
    from dsconv_cli.timing import TimingSettings

NETWORK = "The network"
WHAT_IF = "What if"

INPUT_DTYPES: Final = (
    *("float32", "float64", "bfloat16", "float16"),
    *("int64", "int32", "int16", "int8", "uint8", "bool", "complex64"),
)

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
        text="Shape of an input, such as 1,3,224,224, with a name for a keyword. Repeatable, in the order of forward.",
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
    device: opt.Device = timed.DEVICE,
    threads: opt.Threads = None,
    channels_last: opt.ChannelsLast = False,
    budget: Budget = BUDGET,
    format_name: opt.FormatName = "table",
    output: opt.OutputPath = None,
    get: opt.GetKey = None,
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
    streams = make_streams(color, quiet=quiet, verbose=verbose)
    selection = Selection(
        keep=tuple(keep or ()),
        only=tuple(only or ()),
        min_ratio=_ratio(min_ratio),
        depth_multiplier=parsing.integer(depth_multiplier, "--depth-multiplier"),
        target_macs=None if target_macs is None else parse_count(target_macs, "--target-macs"),
        target_params=None if target_params is None else parse_count(target_params, "--target-params"),
    )
    if not time and budget == BUDGET:
        budget = timed.BUDGET
    settings = timed.settings(time, device=device, threads=threads, channels_last=channels_last, budget=budget)
    inputs = parse_inputs(input_shape or (), input_dtype or ())
    wishes = plan(
        streams,
        format_name=format_name,
        outputs=output or (),
        plot=plot,
        layers=layers,
        key=get,
        fail_under=fail_under or (),
        fail_over=fail_over or (),
        with_time=time,
        shown=levels(depth, top),
    )
    result = _measure(streams, Recipe(target, arg or (), inputs), selection, settings)
    for note in result.notes:
        streams.note(note)
    raise typer.Exit(wishes.deliver(result))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What names the network and its inputs on the command line."""

    target: str
    arguments: Sequence[str]
    inputs: tuple[InputShape, ...]


def _measure(streams: Streams, recipe: Recipe, selection: Selection, settings: TimingSettings | None) -> ModelResult:
    if settings is None:
        return _analyse(recipe, selection)
    from dsconv_cli.model import timing

    # The measuring process loads torch while this one does.
    with timing.NetworkTimer(settings) as timer:
        result = _analyse(recipe, selection)
        from dsconv_cli.model.target import parse_arguments

        made = timing.Recipe(recipe.target, parse_arguments(recipe.arguments), recipe.inputs)
        return timer.time(result, made, lambda what: timed.progress_line(streams, what))


def _analyse(recipe: Recipe, selection: Selection) -> ModelResult:
    # torch's own code warns on stderr, past Python's filters, of what is no news to someone who counts.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from dsconv_cli.model.analysis import Inputs, analyse_source
    from dsconv_cli.model.target import load_target, parse_arguments

    source = load_target(recipe.target, parse_arguments(recipe.arguments))
    args = tuple(one for one in recipe.inputs if one.name is None)
    kwargs = {one.name: one for one in recipe.inputs if one.name is not None}
    return analyse_source(source, Inputs(args, kwargs), selection)


def parse_inputs(shapes: Sequence[str], dtypes: Sequence[str]) -> tuple[InputShape, ...]:
    """`--input` and `--input-dtype` as inputs; an empty dtype stands for the network's own.

    Raises:
        DsconvError: no shape, an unknown dtype, or as many dtypes as fit no input.
    """
    for dtype in dtypes:
        choice("--input-dtype", dtype, INPUT_DTYPES)
    if len(dtypes) > 1 and len(dtypes) != len(shapes):
        raise DsconvError(
            f"--input-dtype is given {len(dtypes)} times for {len(shapes)} inputs; once, or once for each"
        )
    if dtypes and not shapes:
        raise DsconvError("--input-dtype needs --input")
    each = list(dtypes) * len(shapes) if len(dtypes) == 1 else list(dtypes) or [""] * len(shapes)
    return tuple(_input(text, dtype) for text, dtype in zip(shapes, each, strict=True))


def _input(text: str, dtype: str) -> InputShape:
    name, equals, sizes = text.rpartition("=")
    if equals and not name.isidentifier():
        raise DsconvError(f"--input takes SHAPE or NAME=SHAPE, such as 1,3,224,224, not {text!r}")
    parts = sizes.replace("x", ",").split(",")
    shape = tuple(parsing.integer(part, f"--input {text}: each size") for part in parts)
    return InputShape(name or None, shape, dtype)


def _ratio(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DsconvError(f"--min-ratio must be a number such as 2, not {text!r}")
    return value

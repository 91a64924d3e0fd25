"""`dsconv sweep`: a grid of layers, or layers from a file. The options; what they come to is in `sweep_wishes`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import Annotated, Any

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import output_options as out
from dsconv_cli.cli import timing_options as timed
from dsconv_cli.cli.groups import Group, grouped
from dsconv_cli.cli.layer_options import LAYER, LayerOptions, field_option, with_default
from dsconv_cli.cli.options import MEASUREMENT, OUTPUT
from dsconv_cli.cli.timing_options import BUDGET
from dsconv_cli.layer.fields import FIELDS, SQUARES, Field

GRID = "The layers of a sweep"
PICTURE = "The picture"
RUN = "Long runs"

Text = str | None
Texts = list[str] | None

_of_layers = partial(opt.option, panel=GRID)
_of_output = partial(opt.option, panel=OUTPUT)
_of_picture = partial(opt.option, panel=PICTURE)
_of_run = partial(opt.option, panel=RUN)


@dataclass(frozen=True, slots=True)
class ListOptions(LayerOptions):
    """The fields of the layers as lists and ranges."""

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Lists have names: their order alone would not tell them apart."""
        return cls.of_fields()

    @classmethod
    def valued_option(cls, field: Field) -> Any:
        """The option of one field, which takes a list."""
        return _list_option(field)


def _list_option(field: Field, panel: str = LAYER) -> Any:
    """The option of one field as a sweep takes it: its default applies only where no file says otherwise."""
    one = field_option(field, panel)
    one.metavar = "LIST"
    if field.kind == "pair" and not field.words:
        more = f"{field.help} " if field.name in SQUARES else ""
        one.help = f"{more}Numbers, or HEIGHTxWIDTH."
    return with_default(one, field.default)


@dataclass(frozen=True)
class SweepTimingOptions(timed.TimingOptions):
    """How time is measured: a budget for all layers together."""

    dtype: Annotated[str, _list_option(FIELDS["dtype"], MEASUREMENT)] = ""
    budget: Annotated[
        str | None,
        opt.option(
            text=f"Time limit for all layers together, in seconds; {BUDGET} for each by default.",
            panel=MEASUREMENT,
            metavar="SECONDS",
        ),
    ] = None


@dataclass(frozen=True)
class SweepRuntimeOptions(timed.ChainOptions):
    """The same, and on what."""

    timing: SweepTimingOptions


@dataclass(frozen=True)
class SweepOutputOptions(out.OutputOptions):
    """What is written, and where to; with files, stdout stays empty unless a format was asked for."""

    format_name: Annotated[str, out.format_option("sweep")] = ""
    output: Annotated[Texts, out.output_option("sweep", " A picture ends in .svg or .png.")] = None


@dataclass(frozen=True)
class SourceOptions(Group):
    """Where layers come from, beside the lists of their fields."""

    from_file: Annotated[
        Texts, _of_layers("--from", text="Layers from CSV or JSON Lines; - is stdin.", metavar="FILE|-")
    ] = None
    zips: Annotated[
        Texts,
        _of_layers(
            "--zip",
            text="Tie one value to another: c=k, w=h, s=r, c=k/2; or k,c to walk two lists in step. Repeatable.",
            metavar="TIE",
        ),
    ] = None
    strict: Annotated[
        bool, _of_layers("--strict", text="Fail if a kernel does not fit, instead of skipping the layer.")
    ] = False


@dataclass(frozen=True)
class RowOptions(Group):
    """Which rows are shown, in which order, and what of them."""

    where: Annotated[
        Texts,
        _of_output(
            text="Only layers for which this is true, such as 'macs.ratio < 6 and k >= 64'. Repeatable: all must be "
            "true.",
            metavar="CONDITION",
        ),
    ] = None
    sort: Annotated[
        Text, _of_output(text="Sort the rows by this key, the largest first.", metavar="KEY[:asc|:desc]")
    ] = None
    top: Annotated[
        Text,
        _of_output(
            text="Only the first N rows; sorted by macs.ratio, or by time.speedup with --time, unless --sort says "
            "otherwise.",
            metavar="N",
        ),
    ] = None
    columns: Annotated[
        Text,
        _of_output(
            text="Only these keys; a section such as macs stands for all of its keys, and all for every key.",
            metavar="KEY,...",
        ),
    ] = None
    summary: Annotated[
        bool,
        _of_output(
            "--summary",
            text="Instead of the rows: minimum, median, geometric mean and maximum of each ratio, and where it is "
            "below 1.",
        ),
    ] = False


@dataclass(frozen=True)
class PlotOptions(Group):
    """Pictures, and what their axes are."""

    plot: Annotated[
        Texts,
        _of_picture(
            text="Draw a ratio to PATH.svg or PATH.png, or with - in the terminal. Repeatable.", metavar="PATH|-"
        ),
    ] = None
    plot_x: Annotated[
        Text, _of_picture(text="What the x axis shows; by default what has the most values.", metavar="NAME")
    ] = None
    plot_by: Annotated[
        Text,
        _of_picture(text="What has one line for each of its values; runtime has one for each runtime.", metavar="NAME"),
    ] = None
    plot_y: Annotated[
        Text,
        _of_picture(text="The ratio on the y axis; by default macs.ratio, or time.speedup with --time.", metavar="KEY"),
    ] = None


@dataclass(frozen=True)
class RunOptions(Group):
    """How a long run is done."""

    resume: Annotated[
        bool, _of_run("--resume", text="Continue a run: keep the rows that --output FILE.jsonl has already.")
    ] = False
    jobs: Annotated[
        str,
        _of_run(
            text="Processes to count with. Timing uses one at a time, because two would disturb each other.",
            metavar="N",
        ),
    ] = "1"
    cluster: Annotated[
        Text,
        _of_run(
            text="Measure on the machines of a dask scheduler, one layer at a time on each, whose workers have "
            "--nthreads 1 --resources machine=1. --budget is for all of them together.",
            metavar="tcp://HOST:PORT",
        ),
    ] = None
    allow_mixed: Annotated[
        bool, _of_run("--allow-mixed", text="With --cluster: use machines of several kinds, and keep them apart.")
    ] = False
    shard: Annotated[
        Text,
        _of_run(
            text="Only part I of N, from 1; all outputs put together in order are that of the whole.", metavar="I/N"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SweepOptions(Group):
    """All of them, in the order of the help."""

    layers: ListOptions
    source: SourceOptions
    profiler: timed.Profiler = "thop"
    time: timed.Time = False
    how: SweepRuntimeOptions
    output: SweepOutputOptions
    rows: RowOptions
    gates: out.GateOptions
    pictures: PlotOptions
    run: RunOptions
    speech: out.StreamOptions

    @property
    def drawn_here(self) -> bool:
        """Whether stdout gets a picture."""
        return "-" in (self.pictures.plot or ())


@grouped
def sweep(options: SweepOptions) -> None:
    """Compare a grid of layers, or layers from a file, one row per layer.

    Layer options take lists and ranges: 16,32,64; 7:112:7 (from 7 to 112 in steps of 7); 16:512:*2 (doubling);
    1,3,8:64:8. A comma separates values: a stride, dilation or padding of two numbers is HEIGHTxWIDTH, such as 2x1.

    json is one document per line. json and csv are written row by row, however many there are. With --output, nothing
    is printed on stdout unless --format is given.
    """
    from dsconv_cli.cli.sweep_run import run

    raise typer.Exit(run(options))

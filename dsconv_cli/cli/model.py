"""`dsconv model`: a whole network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter
from typing import Annotated

import typer

from dsconv_cli.cli import options as opt
from dsconv_cli.cli import output_options as out
from dsconv_cli.cli import stdout
from dsconv_cli.cli import timing_options as timed
from dsconv_cli.cli.destinations import asked, choose, for_people, parse_files, parse_picture
from dsconv_cli.cli.groups import Group, grouped
from dsconv_cli.files import replace_file
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.save_kinds import is_graph

NETWORK = "The network"
WHAT_IF = "What if"

Text = str | None
Texts = list[str] | None

_of_network = partial(opt.option, panel=NETWORK)
_of_what_if = partial(opt.option, panel=WHAT_IF)
_of_time = partial(opt.option, panel=opt.MEASUREMENT)
_of_output = partial(opt.option, panel=opt.OUTPUT)


@dataclass(frozen=True)
class NetworkOptions(Group):
    """Which network, and what it is called with."""

    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="path/to/file.py[:factory] or package.module:factory, which makes a network or is one; of a file "
            "alone, the only network in it. Or a torch.export program, path.pt2, or an ONNX graph, path.onnx.",
        ),
    ]
    arg: Annotated[
        Texts,
        _of_network(text="An argument of the factory, as Python writes it. Repeatable.", metavar="NAME=VALUE"),
    ] = None
    input: Annotated[
        Texts,
        _of_network(
            text="Shape of an input, such as 1,3,224,224, with a name for a keyword argument. Repeatable, in the order "
            "of forward. A .pt2 file has its own.",
            metavar="[NAME=]INT,...",
        ),
    ] = None
    input_dtype: Annotated[
        Texts,
        _of_network(
            text="Type of the inputs, once for all or once for each; by default that of the weights.",
            metavar="DTYPE",
        ),
    ] = None
    inputs: Annotated[
        Text,
        _of_network(
            text="Instead, a function that returns the arguments of forward, which may be tensors, lists, dicts, "
            "numbers or flags: a tuple in their order, a dict by name, or the only one.",
            metavar="MODULE:FUNCTION",
        ),
    ] = None
    no_config: Annotated[
        bool, _of_network("--no-config", text="Do not read [tool.dsconv] of the project's pyproject.toml.")
    ] = False


@dataclass(frozen=True)
class WhatIfOptions(Group):
    """Which layers are replaced, and with what."""

    keep: Annotated[
        Texts, _of_what_if(text="Do not replace these layers; * crosses dots. Repeatable.", metavar="GLOB")
    ] = None
    only: Annotated[Texts, _of_what_if(text="Replace these layers only. Repeatable.", metavar="GLOB")] = None
    min_ratio: Annotated[
        Text,
        _of_what_if(
            text="Do not replace a layer whose ratio of MACs (ordinary / separable) is below this.", metavar="NUMBER"
        ),
    ] = None
    depth_multiplier: Annotated[
        str,
        _of_what_if(
            text=f"{FIELDS['depth_multiplier'].help} auto: for each layer the smallest with which it reaches the least "
            "fidelity and saves MACs.",
            metavar="INT|auto",
        ),
    ] = "1"
    target_macs: Annotated[
        Text,
        _of_what_if(
            text="Replace the fewest layers that bring the network down to this many MACs; where fidelity is known, "
            "those that lose least of it.",
            metavar="COUNT[k|M|G|T]",
        ),
    ] = None
    target_params: Annotated[
        Text,
        _of_what_if(
            text="The same for parameters; with both targets, the fewest layers that reach both.",
            metavar="COUNT[k|M|G|T]",
        ),
    ] = None
    fidelity: Annotated[
        bool,
        _of_what_if(
            "--fidelity",
            text="Tell how much of a layer's trained weights its best separable replacement keeps, from 0 to 1.",
        ),
    ] = False
    min_fidelity: Annotated[
        Text, _of_what_if(text="Do not replace a layer of which less than this is kept.", metavar="FRACTION")
    ] = None
    max_error: Annotated[
        Text,
        _of_what_if(
            text="The same as a relative error E of the weights: a least fidelity of 1 - E^2.", metavar="FRACTION"
        ),
    ] = None
    save: Annotated[
        Text,
        _of_what_if(
            text="Write the network with the layers replaced, their weights fitted to the trained ones: .onnx, .pt2 or "
            ".safetensors, for the weights alone. Read back and run once before it is written.",
            metavar="PATH",
        ),
    ] = None
    refit: Annotated[
        bool,
        _of_what_if(
            "--refit",
            text="With --save, fit the pointwise halves to what each layer sees and gives when the network is run on "
            "--inputs.",
        ),
    ] = False


@dataclass(frozen=True)
class NetworkTimingOptions(timed.TimingOptions):
    """How time is measured: one budget for the whole network, whose dtype is its own."""

    dtype: Annotated[
        str,
        _of_time(
            text="Convert the network's floating-point numbers to this type; by default they stay as they are.",
            metavar="float32|float64|bfloat16|float16",
        ),
    ] = ""
    budget: Annotated[
        str,
        _of_time(text="Time limit for all of it, in seconds; the shapes and the network share it.", metavar="SECONDS"),
    ] = "60"

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """The dtype first: it changes the network whether or not that is timed."""
        return sorted(super().parameters(), key=lambda one: one.name != "dtype")


@dataclass(frozen=True)
class NetworkRuntimeOptions(timed.RuntimeOptions):
    """The same, and on what."""

    timing: NetworkTimingOptions


@dataclass(frozen=True)
class NetworkOutputOptions(out.OutputOptions):
    """What is written, and where to."""

    format_name: Annotated[str, out.format_option("model")] = "table"
    output: Annotated[Texts, out.output_option("model", " A plot ends in .png or .pdf.")] = None
    get: Annotated[Text, out.get_option("totals.macs.ratio")] = None


@dataclass(frozen=True)
class ViewOptions(Group):
    """What is shown beside the totals."""

    depth: Annotated[
        Text,
        _of_output(
            text="Levels of the tree of modules to show; what is deeper is summed up. By default as many as "
            "fit one screen.",
            metavar="INT",
        ),
    ] = None
    top: Annotated[Text, _of_output(text="Instead of the tree, show the layers with the most MACs.", metavar="INT")] = (
        None
    )
    plot: Annotated[
        Text,
        _of_output(
            text="Draw where the MACs are and where they would go (.svg .png .pdf; needs the extra 'plot').",
            metavar="PATH",
        ),
    ] = None
    details: out.Details = False
    layers: Annotated[
        Text,
        _of_output(text="Write the eligible layers (.csv .jsonl) as 'dsconv sweep --from' reads them.", metavar="PATH"),
    ] = None


@grouped
def model(
    *,
    network: NetworkOptions,
    what_if: WhatIfOptions,
    view: ViewOptions,
    time: Annotated[
        bool,
        _of_time(
            "--time", text="Also measure run time: of each eligible layer, equal shapes once, and of the whole network."
        ),
    ] = False,
    how: NetworkRuntimeOptions,
    output: NetworkOutputOptions,
    gates: out.GateOptions,
    speech: out.StreamOptions,
) -> None:
    """Show what it saves to replace the convolutions of a network, layer by layer, before and after.

    The network is run once as it is and once with the chosen layers really replaced, on the meta device where it
    allows that: then nothing is computed and no memory used, at any resolution.

    TARGET, inputs, gates and other options may stand in the project's pyproject.toml, under [tool.dsconv], by their
    names without dashes; what stands on the command line counts more.

    TARGET is code: loading it from a package or a path runs it, so name only what you would run. What it prints goes
    to stderr. A .pt2 file is looked through before torch reads it, and refused if it holds pickled objects, compiled
    code, expressions that are not arithmetic, operators that are not torch's own, or more than the file has bytes for;
    a file from a stranger is still a file from a stranger.
    """
    # What only this command needs is loaded only for it.
    from dsconv_cli.cli import model_run
    from dsconv_cli.cli.baseline import of_network, path_of
    from dsconv_cli.cli.place import place_of
    from dsconv_cli.model.keys import keys_of
    from dsconv_cli.report.network import layers_file, report

    streams = speech.streams()
    if time and not how.runtime and is_graph(network.target):
        how = replace(how, runtime="onnxruntime")
    settings = how.settings(time)
    wishes = model_run.wishes(what_if, network.target)
    recipe = model_run.recipe(network, how.timing.dtype)
    found = how.runtimes(settings, ConvSpec(1, 1, dtype=how.timing.dtype or "float32"), streams)
    runtimes = found if how.runtime else ()
    keys = keys_of(runtimes)
    absent = [] if settings else ["totals.time"]
    key, checks = asked(keys, absent, output.get, gates)
    files = list(parse_files("model", output))
    baseline = of_network(path_of(gates, files, streams), gates, keys, absent, wishes.selection)
    files += [parse_picture("model", view.plot)] if view.plot is not None else []
    rest = model_run.layers_path(view.layers)
    beside = [path for path in (rest, wishes.save) if path is not None]
    to = choose("model", streams, output.format_name, files, key=key, gates=checks, baseline=baseline, beside=beside)
    if any(one.name == "github" for one in to.formats):
        to = to._replace(place=place_of(network.target))
    for_people(to, {"--details": view.details})
    levels = model_run.levels(view.depth, view.top)
    stdout.reserve()
    result = model_run.measure(streams, recipe, wishes, settings, runtimes)
    for note in result.notes:
        streams.note(model_run.in_options(note))
    if rest is not None:
        replace_file(rest, layers_file(result, rest.suffix.lower()))
    raise typer.Exit(to.deliver(partial(report, levels=levels, details=view.details), keys, result))

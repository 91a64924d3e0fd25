"""`dsconv model`: a whole network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter
from typing import Annotated

import typer

from dsconv_cli.cli import output_options as out
from dsconv_cli.cli import stdout
from dsconv_cli.cli import timing_options as timed
from dsconv_cli.cli.destinations import asked, choose, for_people, parse_files, parse_picture
from dsconv_cli.cli.options import MEASUREMENT, OUTPUT, Group, Text, Texts, flag, grouped, option, valued
from dsconv_cli.files import replace_file
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.save_kinds import is_graph


@dataclass(frozen=True)
class NetworkOptions(Group):
    """Which network, and what it is called with."""

    panel = "The network"

    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="path/to/file.py[:factory] or package.module:factory, which makes a network or is one; of a file "
            "alone, the only network in it. Or a torch.export program, path.pt2, or an ONNX graph, path.onnx.",
        ),
    ]
    arg: Texts = valued("An argument of the factory, as Python writes it. Repeatable.", "NAME=VALUE")
    input: Texts = valued(
        "Shape of an input, such as 1,3,224,224, with a name for a keyword argument. Repeatable, in the order of "
        "forward. A .pt2 file has its own.",
        "[NAME=]INT,...",
    )
    input_dtype: Texts = valued(
        "Type of the inputs, once for all or once for each; by default that of the weights.", "DTYPE"
    )
    inputs: Text = valued(
        "Instead, a function that returns the arguments of forward, which may be tensors, lists, dicts, numbers or "
        "flags: a tuple in their order, a dict by name, or the only one.",
        "MODULE:FUNCTION",
    )
    no_config: bool = flag("Do not read [tool.dsconv] of the project's pyproject.toml.")


@dataclass(frozen=True)
class WhatIfOptions(Group):
    """Which layers are replaced, and with what."""

    panel = "What if"

    keep: Texts = valued("Do not replace these layers; * crosses dots. Repeatable.", "GLOB")
    only: Texts = valued("Replace these layers only. Repeatable.", "GLOB")
    min_ratio: Text = valued(
        "Do not replace a layer whose ratio of MACs (ordinary / separable) is below this.", "NUMBER"
    )
    depth_multiplier: str = valued(
        f"{FIELDS['depth_multiplier'].help} auto: for each layer the smallest with which it reaches the least fidelity "
        "and saves MACs.",
        "INT|auto",
        default="1",
    )
    target_macs: Text = valued(
        "Replace the fewest layers that bring the network down to this many MACs; where fidelity is known, those that "
        "lose least of it.",
        "COUNT[k|M|G|T]",
    )
    target_params: Text = valued(
        "The same for parameters; with both targets, the fewest layers that reach both.", "COUNT[k|M|G|T]"
    )
    fidelity: bool = flag(
        "Tell how much of a layer's trained weights its best separable replacement keeps, from 0 to 1."
    )
    min_fidelity: Text = valued("Do not replace a layer of which less than this is kept.", "FRACTION")
    max_error: Text = valued("The same as a relative error E of the weights: a least fidelity of 1 - E^2.", "FRACTION")
    save: Text = valued(
        "Write the network with the layers replaced, their weights fitted to the trained ones: .onnx, .pt2 or "
        ".safetensors, for the weights alone. Read back and run once before it is written.",
        "PATH",
    )
    refit: bool = flag(
        "With --save, fit the pointwise halves to what each layer sees and gives when the network is run on --inputs."
    )


@dataclass(frozen=True)
class NetworkTimingOptions(timed.RuntimeOptions):
    """How time is measured, and on what: one budget for the whole network, whose dtype is its own."""

    dtype: str = valued(
        "Convert the network's floating-point numbers to this type; by default they stay as they are.",
        "float32|float64|bfloat16|float16",
        default="",
    )
    budget: str = valued(
        "Time limit for all of it, in seconds; the shapes and the network share it.", "SECONDS", default="60"
    )

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """The dtype first: it changes the network whether or not that is timed."""
        return sorted(super().parameters(), key=lambda one: one.name != "dtype")


@dataclass(frozen=True)
class NetworkOutputOptions(out.OutputOptions):
    """What is written, and where to."""

    format_name: Annotated[str, out.format_option("model")] = "table"
    output: Annotated[Texts, out.output_option("model", " A plot ends in .png or .pdf.")] = None
    get: Annotated[Text, out.get_option("totals.macs.ratio")] = None


@dataclass(frozen=True)
class ViewOptions(Group):
    """What is shown beside the totals."""

    panel = OUTPUT

    depth: Text = valued(
        "Levels of the tree of modules to show; what is deeper is summed up. By default as many as fit one screen.",
        "INT",
    )
    top: Text = valued("Instead of the tree, show the layers with the most MACs.", "INT")
    plot: Text = valued(
        "Draw where the MACs are and where they would go (.svg .png .pdf; needs the extra 'plot').", "PATH"
    )
    details: out.Details = False
    layers: Text = valued("Write the eligible layers (.csv .jsonl) as 'dsconv sweep --from' reads them.", "PATH")


@grouped
def model(
    *,
    network: NetworkOptions,
    what_if: WhatIfOptions,
    view: ViewOptions,
    time: Annotated[
        bool,
        option(
            "--time",
            text="Also measure run time: of each eligible layer, equal shapes once, and of the whole network.",
            panel=MEASUREMENT,
        ),
    ] = False,
    how: NetworkTimingOptions,
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
    recipe = model_run.recipe(network, how.dtype)
    found = how.runtimes(settings, ConvSpec(1, 1, dtype=how.dtype or "float32"), streams)
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

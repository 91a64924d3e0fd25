"""What `dsconv model` does once its options are known: text → settings, and the network → its result."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsconv_cli.cli.options import choice, number
from dsconv_cli.cli.progress import timing_lines
from dsconv_cli.cli.streams import Streams
from dsconv_cli.errors import DsconvError, installed, loading, need
from dsconv_cli.files import replace_file
from dsconv_cli.layer import reading
from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.model.choose import parse_count
from dsconv_cli.model.foreign import same_directory
from dsconv_cli.model.result import AUTO, InputShape, ModelResult, Recipe, Selection
from dsconv_cli.model.save_kinds import checked_path, is_graph
from dsconv_cli.report.network import Levels

if TYPE_CHECKING:
    from dsconv_cli.cli.model import NetworkOptions, WhatIfOptions
    from dsconv_cli.timing.settings import TimingSettings

#: An argument, as the library writes it, and the option. One argument stands for two options.
_OPTIONS: Final = {
    "`inputs`, such as (1, 3, 224, 224)": "inputs, such as --input 1,3,224,224",
    "without `inputs`": "without --input",
    "a function given as `inputs`": "--inputs MODULE:FUNCTION",
    "`weights` 'refit' needs `inputs` that are tensors": "--refit needs tensors from --inputs MODULE:FUNCTION",
    **{f"`{one.name}`": f"--{one.name.replace('_', '-')}" for one in fields(Selection)},
}

_INPUT_DTYPES: Final = (
    *FLOATS,
    *("int64", "int32", "int16", "int8", "uint8", "bool", "complex64"),
)

_LAYERS: Final = (".csv", ".jsonl")


class Wishes(NamedTuple):
    """What is asked of a network: which layers are replaced, their fidelity, where the outcome is saved, and how."""

    selection: Selection
    fidelity: bool
    save: Path | None
    refit: bool


def measure(
    streams: Streams,
    recipe: Recipe,
    chosen: Wishes,
    settings: TimingSettings | None,
    runtimes: Sequence[str],
) -> ModelResult:
    """The network's result, with times where `settings` are given, on `runtimes` if any; the network saved.

    Raises as `analyse` does.
    """
    if is_graph(recipe.target):
        if not installed("onnx"):
            raise DsconvError(f"{recipe.target} needs onnx: pip install 'dsconv-cli[onnx]'")
    else:
        need("torch")
    if settings is None:
        return _analyse(recipe, chosen)
    from dsconv_cli.model.timing import time_network
    from dsconv_cli.timing.timer import Timer

    # The measuring process loads torch while this one does.
    with Timer(settings) as timer:
        result = _analyse(recipe, chosen)
        with timing_lines(quiet=streams.quiet) as watcher:
            return time_network(timer, tuple(runtimes), result, recipe, watcher)


@contextmanager
def _options_named() -> Iterator[None]:
    try:
        yield
    except DsconvError as error:
        error.args = (in_options(str(error)),)
        raise


def in_options(text: str) -> str:
    """What the library says of its arguments, such as `min_ratio`, said of options: --min-ratio."""
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text


def _analyse(recipe: Recipe, chosen: Wishes) -> ModelResult:
    if is_graph(recipe.target):
        return _analyse_graph(recipe, chosen)
    # torch's own code warns on stderr, past Python's filters, of what is no news to someone who counts.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with loading("torch"):
        from dsconv_cli.model.analysis import analyse_source
        from dsconv_cli.model.saving import saved
        from dsconv_cli.model.target import load

    with _options_named(), same_directory():
        source, inputs = load(recipe)
        result = analyse_source(source, inputs, chosen.selection, fidelity=chosen.fidelity)
        if chosen.save is None:
            return result
        kind = chosen.save.suffix.lower()
        content, result = saved(kind, result, source, inputs, "refit" if chosen.refit else "fit")
    # Where the command line said, whatever directory the network's own code has gone to.
    replace_file(chosen.save, content)
    return result


def _analyse_graph(recipe: Recipe, chosen: Wishes) -> ModelResult:
    with loading("onnx"):
        from dsconv_cli.model.graph.analysis import analyse, load
        from dsconv_cli.model.graph.saving import saved

    with _options_named():
        graph = load(recipe)
        result = analyse(graph, recipe.inputs, chosen.selection, fidelity=chosen.fidelity)
        content = b"" if chosen.save is None else saved(graph, result)
    if chosen.save is not None:
        replace_file(chosen.save, content)
    return result


def levels(depth: str | None, top: str | None) -> Levels:
    """`--depth` or `--top`, whichever is given; a DsconvError for both, or for no positive integer."""
    if depth is not None and top is not None:
        raise DsconvError("--depth shows a tree of modules and --top a list of layers; give one of them")
    return Levels(
        None if depth is None else reading.integer(depth, "--depth"),
        None if top is None else reading.integer(top, "--top"),
    )


def layers_path(text: str | None) -> Path | None:
    """`--layers PATH`; a DsconvError for an ending that `sweep --from` does not read."""
    if text is not None and Path(text).suffix.lower() not in _LAYERS:
        raise DsconvError(f"--layers {text}: its ending must be one of {' '.join(_LAYERS)}")
    return None if text is None else Path(text)


def _arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`["num_classes=10", "name=a"]` → `{"num_classes": 10, "name": "a"}`: Python literals, and else text."""
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise DsconvError(f"--arg takes NAME=VALUE, such as num_classes=10, not {text!r}")
        if name in parsed:
            raise DsconvError(f"--arg {name} is given twice")
        parsed[name] = _literal(value)
    return parsed


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _inputs(shapes: Sequence[str], dtypes: Sequence[str], by: str | None) -> tuple[InputShape, ...]:
    """`--input` and `--input-dtype`, an empty dtype for the network's own; neither goes with a function `by`."""
    if by is not None and (shapes or dtypes):
        raise DsconvError(f"--inputs gives all arguments; leave out {'--input' if shapes else '--input-dtype'}")
    for dtype in dtypes:
        choice("--input-dtype", dtype, _INPUT_DTYPES)
    if len(dtypes) > 1 and len(dtypes) != len(shapes):
        raise DsconvError(
            f"--input-dtype is given {len(dtypes)} times for {len(shapes)} inputs; once, or once for each"
        )
    if dtypes and not shapes:
        raise DsconvError("--input-dtype needs --input")
    each = list(dtypes) * len(shapes) if len(dtypes) == 1 else list(dtypes) or [""] * len(shapes)
    found = tuple(_input(text, dtype) for text, dtype in zip(shapes, each, strict=True))
    names = [one.name for one in found if one.name is not None]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DsconvError(f"--input {twice} is given twice")
    return found


def _input(text: str, dtype: str) -> InputShape:
    name, equals, sizes = text.rpartition("=")
    if equals and not name.isidentifier():
        raise DsconvError(f"--input takes SHAPE or NAME=SHAPE, such as 1,3,224,224, not {text!r}")
    parts = sizes.replace("x", ",").split(",")
    shape = tuple(reading.integer(part, f"--input {text}: each size") for part in parts)
    return InputShape(name or None, shape, dtype)


def _ratio(text: str | None) -> float | None:
    if text is None:
        return None
    return float(number(text, "--min-ratio", "a number such as 2", lambda value: 0 <= value <= sys.float_info.max))


def _least_fidelity(least: str | None, error: str | None) -> float | None:
    """`--min-fidelity`, or `--max-error`, whose square is what may be lost."""
    if least is not None and error is not None:
        raise DsconvError("--max-error E is --min-fidelity 1 - E^2; give one of them")
    if error is not None:
        return float(1 - _share(error, "--max-error") ** 2)
    return None if least is None else float(_share(least, "--min-fidelity"))


def _share(text: str, label: str) -> Fraction:
    return number(text, label, "a number from 0 to 1, such as 0.9", lambda value: 0 <= value <= 1)


def selection(what_if: WhatIfOptions) -> Selection:
    """The options that choose layers; a DsconvError where one of them is not what it should be."""
    macs, params, multiplier = what_if.target_macs, what_if.target_params, what_if.depth_multiplier
    with _options_named():
        return Selection(
            keep=tuple(what_if.keep or ()),
            only=tuple(what_if.only or ()),
            min_ratio=_ratio(what_if.min_ratio),
            depth_multiplier=AUTO if multiplier == AUTO else reading.integer(multiplier, "--depth-multiplier"),
            target_macs=None if macs is None else parse_count(macs, "--target-macs"),
            target_params=None if params is None else parse_count(params, "--target-params"),
            min_fidelity=_least_fidelity(what_if.min_fidelity, what_if.max_error),
        )


def wishes(what_if: WhatIfOptions, target: str) -> Wishes:
    """What the options ask of the network at `target`; a DsconvError where one of them is not what it should be."""
    save = None if what_if.save is None else checked_path(what_if.save, target)
    if what_if.refit and save is None:
        raise DsconvError("--refit is about the network that --save writes; give it a path")
    if what_if.refit and is_graph(target):
        raise DsconvError("--refit is for networks that are code or .pt2; an .onnx file is given nothing to go by")
    return Wishes(selection(what_if), what_if.fidelity or save is not None, save, what_if.refit)


def recipe(network: NetworkOptions, dtype: str) -> Recipe:
    """The options that name a network and what it is called with, converted to `dtype` unless that is empty."""
    inputs = _inputs(network.input or (), network.input_dtype or (), network.inputs)
    if dtype:
        choice("--dtype", dtype, FLOATS)
    return Recipe(network.target, _arguments(network.arg or ()), inputs, dtype, network.inputs or "")

"""TARGET on the command line → a network: `package.module:factory`, `path/to/file.py[:factory]`, `program.pt2`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from torch import nn
from torch.export import ExportedProgram

from dsconv_cli.counting.modules import torch_dtype
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.files import existing
from dsconv_cli.model.exported.reading import load_program
from dsconv_cli.model.foreign import blaming
from dsconv_cli.model.inputs import Inputs, inputs_from, once
from dsconv_cli.model.only import only_network, proposed
from dsconv_cli.model.result import Recipe
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source, from_exported, source_of


def load(recipe: Recipe) -> tuple[Source, Inputs]:
    """The network that `recipe` tells how to make, and what it is called with.

    Code in its target is run, that of a file which holds both once; nothing is unpickled.

    Raises:
        DsconvError: nothing there, or nothing that is or makes a network, or that gives the inputs.
        CannotMeasureError: importing it, or reading the program, failed.
    """
    loaded: dict[str, ModuleType] = {}
    source = seeded(lambda: _find(recipe.target, recipe.arguments, loaded))
    source.dtype = torch_dtype(recipe.dtype) if recipe.dtype else None
    if not recipe.inputs_by:
        return source, inputs_from(recipe.inputs)
    return source, seeded(lambda: _inputs_by(recipe.inputs_by, loaded))


def _inputs_by(text: str, loaded: dict[str, ModuleType]) -> Inputs:
    module, place, name = _module(text, loaded, "--inputs must be package.module:function or path/to/file.py:function")
    with blaming(f"looking for {name} in {place}"):
        function = _attribute(module, name, place)
        if not callable(function):
            raise DsconvError(f"{text} is of type {type(function).__name__}: not a function that gives inputs")
        try:
            inspect.signature(function).bind()
        except (TypeError, ValueError) as error:
            raise DsconvError(f"{text} must be a function that is called with nothing: {error}") from None
    return Inputs(given=once(function, text))


def _find(text: str, arguments: Mapping[str, object], loaded: dict[str, ModuleType]) -> Source:
    if text.endswith(".pt2"):
        _refuse_arguments(text, arguments)
        path = existing(text)
        return from_exported(load_program(path), str(path))
    wanted = "TARGET must be package.module:factory, path/to/file.py, path/to/file.py:factory, or a .pt2 or .onnx file"
    if text.endswith(".py"):
        text = f"{text}:{_only(text, arguments, loaded)}"
    module, place, name = _module(text, loaded, wanted)
    # A module may look its names up in a function of its own, and an object be a mock-up that answers to anything.
    with blaming(f"looking for {name} in {place}"):
        found = _attribute(module, name, place)
        if isinstance(found, nn.Module | ExportedProgram):
            _refuse_arguments(text, arguments)
            return source_of(found, text)
        if not callable(found):
            raise DsconvError(
                f"{text} is of type {type(found).__name__}: neither a torch.nn.Module nor a function that makes one"
            )
        _check_arguments(text, found, arguments)
    return Source(text, build=lambda: found(**arguments))


def _only(place: str, arguments: Mapping[str, object], loaded: dict[str, ModuleType]) -> str:
    """The name of the only network in a file."""
    loaded[place] = _from_file(existing(place))
    with blaming(f"looking for a network in {place}"):
        return only_network(loaded[place], place, arguments)


def _module(text: str, loaded: dict[str, ModuleType], wanted: str) -> tuple[ModuleType, str, str]:
    """The module that `text` names before the colon, loaded unless it is, and both parts of the text."""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise DsconvError(f"{wanted}, not {quoted(text)}{proposed(text)}")
    if place not in loaded:
        loaded[place] = _from_file(existing(place)) if place.endswith(".py") else _from_package(place)
    return loaded[place], place, name


def _from_package(name: str) -> ModuleType:
    where = "in this environment"
    # It may have been removed.
    with suppress(OSError):
        here = Path.cwd()
        _look_in(here)
        where = f"{where} or in {here}"
    with blaming(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if name == missing or name.startswith(f"{missing}."):
                raise DsconvError(f"no module named {missing!r}, {where}") from None
            raise


def _from_file(path: Path) -> ModuleType:
    # A name of its own, so that a file called torch.py does not stand for torch.
    name = f"dsconv_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _look_in(path.resolve().parent)
    with blaming(f"running {path}"):
        spec.loader.exec_module(module)
    return module


def _look_in(folder: Path) -> None:
    """As `python file.py` and `python -m` would: what lies beside it can be imported, after what is installed."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _attribute(module: ModuleType, dotted: str, place: str) -> object:
    found: object = module
    for part in dotted.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise DsconvError(f"{place} has no {dotted!r}{hint}")
        found = getattr(found, part)
    return found


def _refuse_arguments(text: str, arguments: Mapping[str, object]) -> None:
    if arguments:
        raise DsconvError(f"--arg {next(iter(arguments))}: {text} is a network already and takes no arguments")


def _check_arguments(text: str, factory: Callable[..., object], arguments: Mapping[str, object]) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise DsconvError(f"{text} takes {signature}: {error}; give them as --arg NAME=VALUE") from None

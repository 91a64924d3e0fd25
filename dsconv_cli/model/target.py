"""TARGET on the command line → a network: `package.module:factory`, `path/to/file.py:factory`, `program.pt2`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from torch.export import ExportedProgram

from dsconv_cli.counting.modules import torch_dtype
from dsconv_cli.errors import DsconvError
from dsconv_cli.model.foreign import blaming
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source, load_exported, source_of


def load_target(text: str, arguments: Mapping[str, Any] | None = None, *, dtype: str = "") -> Source:
    """Find what `text` names. Code in it is run; nothing is unpickled.

    Args:
        text: `package.module:name`, `path/to/file.py:name` or `path/to/program.pt2`.
        arguments: for the factory.
        dtype: what the network's floating numbers are converted to; empty: they stay what they are.

    Raises:
        DsconvError: nothing there, or nothing that is or makes a network.
        CannotMeasureError: importing it, or reading the program, failed.
    """
    source = seeded(lambda: _find(text, dict(arguments or {})))
    source.dtype = torch_dtype(dtype) if dtype else None
    return source


def _find(text: str, arguments: dict[str, Any]) -> Source:
    if text.endswith(".pt2"):
        _refuse_arguments(text, arguments)
        return load_exported(Path(text))
    place, colon, name = text.rpartition(":")
    if not colon or not place or not name:
        raise DsconvError(
            f"TARGET must be package.module:factory, path/to/file.py:factory or a .pt2 file, not {text!r}"
        )
    module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
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


def _from_package(name: str) -> ModuleType:
    here = Path.cwd()
    _look_in(here)
    with blaming(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if name == missing or name.startswith(f"{missing}."):
                raise DsconvError(f"no module named {missing!r}, in this environment or in {here}") from None
            raise


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DsconvError(f"no file {str(path)!r}")
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


def _attribute(module: ModuleType, dotted: str, place: str) -> Any:
    found: Any = module
    for part in dotted.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise DsconvError(f"{place} has no {dotted!r}{hint}")
        found = getattr(found, part)
    return found


def _refuse_arguments(text: str, arguments: Mapping[str, Any]) -> None:
    if arguments:
        raise DsconvError(f"--arg {next(iter(arguments))}: {text} is a network already and takes no arguments")


def _check_arguments(text: str, factory: Any, arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise DsconvError(f"{text} takes {signature}: {error}; give them as --arg NAME=VALUE") from None

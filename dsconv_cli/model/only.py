"""The only network in a file, where none of it is named; or what there is to name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints

from torch import nn
from torch.export import ExportedProgram

from dsconv_cli.errors import DsconvError


class Candidate(NamedTuple):
    """Something by its name in a file. `is_network`: it is a network, or surely makes one; else nobody knows."""

    name: str
    value: Any
    is_network: bool


def only_network(module: ModuleType, place: str, arguments: Mapping[str, object]) -> str:
    """The name of the one thing in `module`, which was loaded from `place`, that is a network or makes one.

    Functions are not called to find out: what they do is not known. They count where nothing else is there, or where
    they are annotated to return a module.

    Args:
        module: the file's module.
        place: the file, as the user wrote it.
        arguments: what a class or function is going to be called with.

    Raises:
        DsconvError: there are several, or none; the message names them.
    """
    every = list(_candidates(module))
    usable = [one for one in every if _takes(one.value, arguments)]
    sure = [one for one in usable if one.is_network]
    found = sure or usable
    if len(found) == 1:
        return found[0].name
    if found:
        names = ", ".join(f"{place}:{one.name}" for one in found)
        kind = "networks" if sure else "functions that may make one"
        raise DsconvError(f"{place} holds several {kind}; name one of {names}")
    given = f" with {', '.join(f'--arg {name}' for name in arguments)}" if arguments else " without arguments"
    others = ", ".join(f"{place}:{one.name}{_signature(one.value)}" for one in every)
    nothing = "is in it: no module, and no class or function for one"
    told = f"can be made{given}; there is {others}" if others else nothing
    raise DsconvError(f"{place}: no network {told}")


def _candidates(module: ModuleType) -> Iterator[Candidate]:
    """What is public and the file's own. A class is left out where an instance of it is there."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    instances = {name: value for name, value in public.items() if isinstance(value, nn.Module | ExportedProgram)}
    made = {type(value) for value in instances.values()}
    for name, value in public.items():
        if name in instances:
            yield Candidate(name, value, is_network=True)
        elif getattr(value, "__module__", None) != module.__name__:
            continue
        elif isinstance(value, type):
            if issubclass(value, nn.Module) and value not in made:
                yield Candidate(name, value, is_network=True)
        elif inspect.isfunction(value) and not inspect.iscoroutinefunction(value):
            yield Candidate(name, value, is_network=_returns_module(value))


def _returns_module(function: Callable[..., object]) -> bool:
    try:
        returned = get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001  an annotation may be anything
        return False
    return isinstance(returned, type) and issubclass(returned, nn.Module)


def _takes(value: Any, arguments: Mapping[str, object]) -> bool:
    """Whether it can be called with them; a network that exists already takes none."""
    if isinstance(value, nn.Module | ExportedProgram):
        return not arguments
    try:
        inspect.signature(value).bind(**arguments)
    except (TypeError, ValueError):
        return False
    return True


def _signature(value: Any) -> str:
    if isinstance(value, nn.Module | ExportedProgram):
        return ""
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""


def proposed(text: str) -> str:
    """The target that a text without a colon means: `torchvision.models:resnet18` for one with only dots; or ""."""
    module, dot, name = text.rpartition(".")
    is_path = module.endswith(".py")
    if dot and name.isidentifier() and (is_path or all(part.isidentifier() for part in module.split("."))):
        return f"; did you mean {module}:{name}?"
    return ""

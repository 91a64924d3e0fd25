"""Options that belong together travel as one frozen value.

typer takes one parameter an option. A command declares a parameter a group instead, and `grouped` turns the one
into the other:

    @dataclass(frozen=True, slots=True)
    class Speech(Group):
        quiet: Quiet = False        # an Annotated type with typer.Option
        color: Color = "auto"

    @grouped
    def compare(*, speech: Speech) -> None: ...     # typer sees (quiet, color)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, signature
from typing import Any, Self, get_type_hints


class Group:
    """The options of one subject; a frozen dataclass whose fields are options, or groups of them."""

    __slots__ = ()

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """One an option, as typer reads them."""
        defaults = {one.name: one.default for one in fields(cls)}  # type: ignore[arg-type]
        return _flat(_types(cls), {name: one for name, one in defaults.items() if one is not MISSING})

    @classmethod
    def gathered(cls, values: Mapping[str, Any]) -> Self:
        """The group from what typer found for all parameters of a command."""
        return cls(**_gathered(_types(cls), values))


def parameter(name: str, kind: Any, default: Any) -> Parameter:
    """One option of a command, passed by name."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with one parameter an option where it has one a group."""
    own = signature(command).parameters
    types = {name: kind for name, kind in _types(command).items() if name in own}

    @wraps(command)
    def run(**values: Any) -> None:
        command(**_gathered(types, values))

    flat = _flat(types, {name: one.default for name, one in own.items()})
    run.__signature__ = signature(command).replace(parameters=flat)  # type: ignore[attr-defined]
    return run


def _types(of: Any) -> dict[str, Any]:
    return get_type_hints(of, include_extras=True)


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Group)


def _flat(types: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Parameter]:
    flat: list[Parameter] = []
    for name, kind in types.items():
        if _is_group(kind):
            flat += kind.parameters()
        else:
            flat.append(parameter(name, kind, defaults.get(name, Parameter.empty)))
    return flat


def _gathered(types: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kind.gathered(values) if _is_group(kind) else values[name] for name, kind in types.items()}

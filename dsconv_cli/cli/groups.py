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
    """The options of one subject; a frozen dataclass whose fields are the options."""

    __slots__ = ()

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """One an option, as typer reads them."""
        types = get_type_hints(cls, include_extras=True)
        return [
            parameter(one.name, types[one.name], Parameter.empty if one.default is MISSING else one.default)
            for one in fields(cls)  # type: ignore[arg-type]
        ]

    @classmethod
    def gathered(cls, values: Mapping[str, Any]) -> Self:
        """The group from what typer found for its parameters."""
        return cls(**values)


def parameter(name: str, kind: Any, default: Any) -> Parameter:
    """One option of a command, passed by name."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with one parameter an option where it has one a group."""
    types = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[type[Group], list[Parameter]]] = {}
    flat: list[Parameter] = []
    for name, one in signature(command).parameters.items():
        if isinstance(types[name], type) and issubclass(types[name], Group):
            groups[name] = (types[name], types[name].parameters())
            flat += groups[name][1]
        else:
            flat.append(parameter(name, types[name], one.default))

    @wraps(command)
    def run(**values: Any) -> None:
        for name, (group, own) in groups.items():
            values[name] = group.gathered({one.name: values.pop(one.name) for one in own})
        command(**values)

    run.__signature__ = signature(command).replace(parameters=flat)  # type: ignore[attr-defined]
    return run

"""An option as commands declare it; options that belong together travel as one frozen value.

typer takes one parameter an option. A command declares a parameter a group instead, and `grouped` turns the one
into the other:

    @dataclass(frozen=True)
    class Speech(Group):
        panel = "The output"

        quiet: bool = flag("Print only errors.", "--quiet", "-q")
        color: str = valued("Colours.", "auto|always|never", default="auto")
        level: Annotated[str, …] = "1"          # or what typer itself takes

    @grouped
    def compare(*, speech: Speech) -> None: ...     # typer sees (quiet, color, level)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields
from fractions import Fraction
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Final, Self, get_type_hints

import typer

from dsconv_cli.cli.completion import completion
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.numbers import decimal

MEASUREMENT: Final = "The measurement"
OUTPUT: Final = "The output"

#: What an option holds that may be left out, and that may be repeated.
Text = str | None
Texts = list[str] | None


def option(*names: str, text: str, panel: str, metavar: str | None = None, envvar: str | None = None) -> Any:
    """An option as typer has it, with what a shell completes it to."""
    return typer.Option(
        *names,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        envvar=envvar,
        autocompletion=completion(metavar),
    )


def flag(text: str, *names: str) -> Any:
    """A field of a `Group` that is on where its option is given, called as the field unless `names` say otherwise."""
    return _field(names, False, text=text)


def valued(text: str, metavar: str, *names: str, default: str | None = None) -> Any:
    """The same of an option that takes a value."""
    return _field(names, default, text=text, metavar=metavar)


def _field(names: Iterable[str], default: Any, **said: str) -> Any:
    return field(default=default, metadata={"names": names, "said": said})


class Group:
    """The options of one subject; a frozen dataclass whose fields are options, or groups of them."""

    __slots__ = ()

    #: Where they stand in the help. Without a type: it is no field.
    panel = ""

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """One an option, as typer reads them."""
        types, known = _types(cls), fields(cls)  # type: ignore[arg-type]
        for one in known:
            if one.metadata:
                names = one.metadata["names"] or [f"--{one.name.replace('_', '-')}"]
                types[one.name] = Annotated[types[one.name], option(*names, panel=cls.panel, **one.metadata["said"])]
        return _flat(types, {one.name: one.default for one in known if one.default is not MISSING})

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


def choice(label: str, value: str, choices: Iterable[str]) -> str:
    """`value` if it is one of `choices`.

    Raises:
        DsconvError: it is not.
    """
    known = tuple(choices)
    if value not in known:
        raise DsconvError(f"{label} must be one of {', '.join(known)}, not {quoted(value)}")
    return value


def number(text: str, label: str, wanted: str, fits: Callable[[Fraction], bool]) -> Fraction:
    """A decimal number that `fits`, exactly.

    Raises:
        DsconvError: the text is anything else than what is `wanted`.
    """
    value = decimal(text)
    if value is None or not fits(value):
        raise DsconvError(f"{label} must be {wanted}, not {quoted(text)}")
    return value

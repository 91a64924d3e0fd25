"""An option as commands declare it, and the panels of the help that options stand in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import typer

from dsconv_cli.cli.completion import completion
from dsconv_cli.errors import DsconvError, quoted

MEASUREMENT: Final = "The measurement"
OUTPUT: Final = "The output"


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


def choice(label: str, value: str, choices: Iterable[str]) -> str:
    """`value` if it is one of `choices`.

    Raises:
        DsconvError: it is not.
    """
    known = tuple(choices)
    if value not in known:
        raise DsconvError(f"{label} must be one of {', '.join(known)}, not {quoted(value)}")
    return value

"""Help as plain text in two columns, grouped: readable at 80 columns, in a pipe and without Unicode.

typer's own panels cut long option names off at 80 columns.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import typer
import typer.core

from dsconv_cli.cli.streams import has_unicode, write_out
from dsconv_cli.numbers import ascii_text

_REST = "Options"


class PlainCommand(typer.core.TyperCommand):
    """A command whose options are listed under their panels' names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One definition list a panel, in the order of declaration."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "rich_help_panel", None) or _REST, []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def get_help(self, ctx: Any) -> str:
        """Write the whole text; never returns."""
        return _write(super().get_help(ctx))


class PlainGroup(typer.core.TyperGroup):
    """The list of commands, in the same style."""

    def get_help(self, ctx: Any) -> str:
        """Write the whole text; never returns."""
        return _write(super().get_help(ctx))


def _write(text: str) -> NoReturn:
    """`text` as stdout can show it, and the end.

    Written here and not returned to typer, which answers a closed stdout with exit code 1 or a traceback.
    """
    write_out((text if has_unicode(sys.stdout) else ascii_text(text)) + "\n")
    raise typer.Exit

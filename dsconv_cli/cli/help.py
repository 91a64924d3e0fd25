"""Help as plain text in two columns, grouped: readable at 80 columns, in a pipe and without Unicode.

`-h` has what is used most, `--help` everything. typer's own panels cut long option names off at 80 columns.
"""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import Any, Final, NoReturn

import typer
import typer.core

from dsconv_cli.cli.completion import this_shell
from dsconv_cli.cli.pages import PAGES, HelpPage
from dsconv_cli.cli.streams import has_unicode, write_out
from dsconv_cli.numbers import ascii_text

_REST = "Help"
_ARGUMENTS = "Arguments"
#: Text that is wider is hard to read.
WIDEST: Final = 100


class _Paged:
    """What commands and the list of commands have in common: the page around their options."""

    name: str | None

    @property
    def page(self) -> HelpPage:
        """What the table of pages says of this command."""
        return PAGES[self.name or "dsconv"]

    @cached_property
    def helps(self) -> list[Any]:
        """The two options that show help."""
        return [
            _help_option("-h", "Show the most used options and exit.", short=True),
            _help_option("--help", "Show all options and exit.", short=False),
        ]

    def get_params(self, _: Any) -> list[Any]:
        """Every parameter."""
        return [*self.params, *self.helps]  # type: ignore[attr-defined]

    def collect_usage_pieces(self, _: Any) -> list[str]:
        """What follows the name in the line of usage."""
        return [self.page.usage]

    def format_epilog(self, _: Any, formatter: Any) -> None:
        """Examples stand last, where the eye is when a long page has scrolled by."""
        with formatter.section("Examples"):
            for number, (command, says) in enumerate(self.page.examples.items()):
                if number:
                    formatter.write("\n")
                formatter.write(f"  {command}\n")
                with formatter.indentation():
                    formatter.write_text(says)


class PlainCommand(_Paged, typer.core.TyperCommand):
    """A command whose options are listed under their panels' names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One definition list a panel, in the order of declaration, the arguments first."""
        groups: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                panel = _ARGUMENTS if is_argument else getattr(param, "rich_help_panel", None) or _REST
                groups.setdefault(panel, []).append(record)
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def short_help_text(self, ctx: Any) -> str:
        """The page of `-h`: the first sentence, the arguments, the options that are used most, and examples."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n\n")[0])
        params = {name: param for param in self.get_params(ctx) for name in param.opts}
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        for heading, shown in (
            (_ARGUMENTS, arguments),
            ("Options used most", [params[name] for name in self.page.common]),
        ):
            if shown:
                with formatter.section(heading):
                    formatter.write_dl([_shortened(param.get_help_record(ctx)) for param in shown])
        self.format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(f"All options: {ctx.command_path} --help")
        return str(formatter.getvalue()).rstrip("\n")


class PlainGroup(_Paged, typer.core.TyperGroup):
    """The list of commands, in the same style."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does. Completion is for the user's own shell where none is named."""
        if args and args[-1] in {"--show-completion", "--install-completion"}:
            args = [*args, this_shell()]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands first: they are what is looked for."""
        self.format_commands(ctx, formatter)
        records = [record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Options"):
            formatter.write_dl(records)


#: The first sentence, or what stands before a semicolon; marks inside parentheses end nothing.
_FIRST: Final = re.compile(r"(?:\([^)]*\)|[.;](?! |$)|[^.;(])*")
_DEFAULT: Final = re.compile(r"  \[.*\]$", re.DOTALL)


def _shortened(record: tuple[str, str]) -> tuple[str, str]:
    """An option with the first sentence about it, and its default."""
    name, text = record
    default = _DEFAULT.search(text)
    first = _FIRST.match(text[: default.start()] if default else text)
    return name, f"{first[0] if first else ''}.{default[0] if default else ''}"


def _help_option(name: str, text: str, *, short: bool) -> Any:
    def show(ctx: typer.Context, _: Any, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            command: Any = ctx.command
            is_short = short and isinstance(command, PlainCommand)
            write(command.short_help_text(ctx) if is_short else command.get_help(ctx))

    return typer.core.TyperOption(
        param_decls=[name, f"help_{'short' if short else 'whole'}"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=text,
    )


def write(text: str) -> NoReturn:
    """`text` as stdout can show it, and the end.

    Written here and not returned to typer, which answers a closed stdout with exit code 1 or a traceback.
    """
    write_out((text if has_unicode(sys.stdout) else ascii_text(text)) + "\n")
    raise typer.Exit

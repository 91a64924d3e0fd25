"""The options of the output: formats, files, single values, gates, and how a run speaks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self, cast

import typer

from dsconv_cli.cli.completion import keys_of
from dsconv_cli.cli.options import OUTPUT, Group, Text, Texts, choice, flag, option, valued
from dsconv_cli.cli.streams import ColorChoice, Streams, write_out
from dsconv_cli.errors import DsconvError
from dsconv_cli.report.formats import Command, formats_of

#: What sets the default format.
FORMAT_VARIABLE: Final = "DSCONV_FORMAT"


def format_option(command: Command) -> Any:
    """`--format`, of what a command's stdout can get."""
    known = [one.name for one in formats_of(command).values() if one.on_stdout]
    more = " github adds workflow annotations for failed gates." if "github" in known else ""
    return option(
        *("--format", "-f"),
        text=f"What to print on stdout.{more}",
        panel=OUTPUT,
        metavar="|".join(known),
        envvar=FORMAT_VARIABLE,
    )


def output_option(command: Command, more: str = "") -> Any:
    """`--output`, of what a command can write. `more` is said of its pictures, whose endings alone mean others too."""
    plain = (one for one in formats_of(command).values() if one.in_files and not one.kinds)
    endings = " ".join(ending for one in plain for ending in one.endings)
    return option(
        *("--output", "-o"),
        text=f"Also write a file; its ending ({endings}) or the prefix sets the format.{more} Repeatable.",
        panel=OUTPUT,
        metavar="[FORMAT:]PATH",
    )


def get_option(example: str) -> Any:
    """`--get`, with a key to go by."""
    return option(
        "--get", text=f"Print one bare value, such as {example}, and nothing else.", panel=OUTPUT, metavar="KEY"
    )


Details = Annotated[
    bool,
    option(
        "--details",
        text="Also say what the figures mean and rest on: rates, call overhead, peaks, backends, processes.",
        panel=OUTPUT,
    ),
]


def _list_keys(ctx: typer.Context, wanted: bool) -> None:
    """Write the keys and exit, whatever else is asked for."""
    if wanted and not ctx.resilient_parsing:
        from dsconv_cli.report.keys import page
        from dsconv_cli.report.table import render

        command = ctx.info_name or ""
        write_out(render(page(keys_of(command), command), Streams().view))
        raise typer.Exit


KEYS: Final = typer.Option(
    "--keys",
    help="List the keys that --get, gates and the like take, and exit.",
    rich_help_panel=OUTPUT,
    is_eager=True,
    callback=_list_keys,
)


@dataclass(frozen=True)
class OutputOptions(Group):
    """What is written, and where to."""

    panel = OUTPUT

    format_name: Annotated[str, format_option("compare")] = "table"
    output: Annotated[
        Texts,
        output_option(
            "compare",
            " With --time, roofline:PATH or a file called roofline.svg or .png is a roofline picture; with "
            "--runtime, runtimes:PATH or runtimes.svg or .png has a bar for each runtime.",
        ),
    ] = None
    get: Annotated[Text, get_option("macs.ratio")] = None
    append: bool = flag(
        "Add to what the files of --output hold (.txt .md .jsonl); a GitHub job's summary is always added to."
    )
    json: bool = flag("The same as --format json.")
    keys: Annotated[bool, KEYS] = False

    @classmethod
    def gathered(cls, values: Mapping[str, Any]) -> Self:
        """--json is a format. The variable that sets the default format contradicts nothing."""
        asked = values["format_name"]
        if values["json"]:
            if asked not in {"json", cls.format_name, os.environ.get(FORMAT_VARIABLE)}:
                raise DsconvError(f"--json and --format {asked} contradict each other")
            asked = "json"
        return super().gathered({**values, "format_name": asked})


@dataclass(frozen=True)
class GateOptions(Group):
    """What a CI job fails on."""

    panel = OUTPUT

    fail_under: Texts = valued(
        "Exit with 1 if the value is lower; 20M, 1G and 500k are numbers. Repeatable.", "KEY=NUMBER"
    )
    fail_over: Texts = valued("Exit with 1 if the value is higher. Repeatable.", "KEY=NUMBER")
    baseline: Text = valued("Show what changed since an earlier result that --output wrote.", "FILE.json")
    fail_if_grows: Texts = valued(
        "Exit with 1 if the value is above that of --baseline, by more than the tolerance if there is one. Repeatable.",
        "KEY[=1%]",
    )

    @property
    def compares(self) -> bool:
        """Whether an earlier result is to be compared with."""
        return self.baseline is not None or bool(self.fail_if_grows)


@dataclass(frozen=True)
class StreamOptions(Group):
    """How a run speaks."""

    panel = OUTPUT

    quiet: bool = flag("Print only errors and failed gates on stderr.", "--quiet", "-q")
    verbose: bool = flag("Also print a traceback where the work could not be done.")
    color: str = valued("Colours, on stdout and stderr.", "auto|always|never", default="auto")

    def streams(self) -> Streams:
        """The streams as the options want them, unless these contradict each other."""
        if self.quiet and self.verbose:
            raise DsconvError("--quiet and --verbose contradict each other")
        choice("--color", self.color, ("auto", "always", "never"))
        return Streams(cast("ColorChoice", self.color), self.quiet, self.verbose)

"""The program as a whole: commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from dsconv_cli.cli.compare import compare
from dsconv_cli.cli.doctor import doctor
from dsconv_cli.cli.help import PlainCommand, PlainGroup
from dsconv_cli.cli.model import model
from dsconv_cli.cli.streams import PipeClosedError, say
from dsconv_cli.cli.sweep import sweep
from dsconv_cli.spec import DsconvError

INTERRUPTED = 130

app = typer.Typer(
    name="dsconv",
    cls=PlainGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=PlainCommand, short_help="One layer: both forms, profiled, side by side.")(compare)
app.command(cls=PlainCommand, short_help="Many layers: a grid, or a file of them; tables, pictures, long runs.")(sweep)
app.command(cls=PlainCommand, short_help="A whole network, layer by layer, before and after.")(model)
app.command(cls=PlainCommand, short_help="What this machine can measure, and how far to trust it.")(doctor)


@app.callback(invoke_without_command=True)
def dsconv(
    context: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Tell what replacing a convolution by a depthwise separable one buys, and why that is not R×S.

    Counts parameters, MACs and memory traffic of both forms, measures them, and explains the difference.
    """
    if version:
        from dsconv_cli._version import __version__

        typer.echo(f"dsconv {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 1 a gate failed, 2 wrong use, 3 could not be done, 130."""
    try:
        code = app(arguments, prog_name="dsconv", standalone_mode=False)
    except DsconvError as error:
        return _failed(error)
    except typer.TyperException as error:
        say("error", _usage(error))
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        return _failed(PipeClosedError())
    if code == INTERRUPTED:
        say("error", "interrupted")
    return code if isinstance(code, int) else 0


def _failed(error: DsconvError) -> int:
    if isinstance(error, PipeClosedError):
        # Python flushes stdout once more on its way out, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.exit_code != 2 and "--verbose" in sys.argv:
        traceback.print_exc()
    say("error", str(error))
    return error.exit_code


def _usage(error: typer.TyperException) -> str:
    """What typer says, as one line, with where to read more."""
    text = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "dsconv"
    return f"{text[:1].lower()}{text[1:].rstrip('.')}; see '{path} --help'"

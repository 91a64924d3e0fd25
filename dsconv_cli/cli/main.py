"""The program as a whole: commands, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, Final, cast

import typer
import typer.main

from dsconv_cli import interrupts
from dsconv_cli.cli import stdout
from dsconv_cli.cli.completion import SHELLS, install, prepare, script
from dsconv_cli.cli.help import WIDEST, PlainCommand, PlainGroup, write
from dsconv_cli.cli.options import choice
from dsconv_cli.cli.pages import PAGES
from dsconv_cli.cli.project import ProjectCommand
from dsconv_cli.cli.streams import ColorChoice, ReaderLeftError, line, say, write_out
from dsconv_cli.cli.suggestions import said_of_command, said_of_option
from dsconv_cli.errors import DsconvError

#: As a program that SIGPIPE ends.
READER_LEFT: Final = 141


#: What the list of commands says of each. A module of this folder and a function in it are called as the command is.
COMMANDS: Final[Mapping[str, str]] = {
    "compare": "One layer: both forms, counted and timed, side by side.",
    "sweep": "Many layers: a grid, or a file of them; tables, pictures, long runs.",
    "model": "A whole network, layer by layer, before and after.",
    "doctor": "What this machine can measure, and how far to trust it.",
}


def make_app(wanted: Collection[str]) -> Any:
    """The command line, to be called with its arguments.

    Only commands that are `wanted` can run: to declare the options of one takes 20 ms.
    """
    settings = {"max_content_width": WIDEST}
    app = typer.Typer(
        name="dsconv",
        cls=PlainGroup,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_help_option=False,
        # Ours take the name of any shell.
        add_completion=False,
        context_settings=settings,
    )
    app.callback(invoke_without_command=True)(dsconv)
    for name, summary in COMMANDS.items():
        function = getattr(import_module(f"dsconv_cli.cli.{name}"), name) if name in wanted else _unloaded
        kind = ProjectCommand if name == "model" else PlainCommand
        app.command(name, cls=kind, short_help=summary, add_help_option=False, context_settings=settings)(function)
    prepare()
    return typer.main.get_command(app)


def _unloaded() -> None:
    """In place of a command that nobody has named."""


def _named(words: Iterable[str]) -> set[str]:
    """The commands that stand on the command line, or on the one that a shell completes."""
    completed = (os.environ.get(name, "") for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"))
    return {*words, *" ".join(completed).split()} & set(COMMANDS)


def _for_a_shell(name: str, text: str, answer: Callable[[str], str]) -> Any:
    """An option that takes the name of a shell; the program writes the `answer` for it and ends."""

    def callback(ctx: typer.Context, shell: str | None) -> None:
        if shell is not None and not ctx.resilient_parsing:
            write_out(answer(choice(name, shell, SHELLS)))
            raise typer.Exit

    return typer.Option(name, help=text, metavar="SHELL", callback=callback, is_eager=True)


def dsconv(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and exit.")] = False,
    show_completion: Annotated[  # noqa: ARG001  what it does is done by then
        str | None,
        _for_a_shell("--show-completion", "Print what a shell must read to complete dsconv.", script),
    ] = None,
    install_completion: Annotated[  # noqa: ARG001
        str | None,
        _for_a_shell("--install-completion", "Put it where the shell reads it.", install),
    ] = None,
) -> None:
    """Show what it saves to replace a convolution with a depthwise separable one, and why that is not R×S.

    Counts parameters, MACs and memory traffic of both forms, measures them, and explains the difference.
    """
    if version:
        from dsconv_cli._version import __version__

        write_out(f"dsconv {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        write(context.get_help())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 fine; 1 a gate failed; 2 wrong use; 3 could not be done; 130 interrupted; 141 the reader of stdout has left. A 1
    means a failed gate and nothing else: whatever nobody foresaw is a 3.
    """
    if arguments is None:
        stdout.buffer()
    try:
        return _run(arguments)
    finally:
        if arguments is not None:
            # The process is not ours: whoever called goes on with it.
            stdout.release()


def _run(arguments: list[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    color = _color(words)
    interrupts.say_at_end(line("error", "interrupted", color), lambda: write_out(""))
    try:
        code = make_app(_named(words))(arguments, prog_name="dsconv", standalone_mode=False)
    except typer.TyperException as error:
        say("error", _usage(error, words), color)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = interrupts.INTERRUPTED
    except SystemExit as error:
        # How completion ends, and nothing else: a network's own is an error by now (`model.foreign`). Typer makes it
        # a 1 where nobody reads.
        if isinstance(error.__context__, BrokenPipeError):
            return READER_LEFT
        raise
    except BaseException as error:  # noqa: BLE001  not even what is no Exception may choose the exit code
        return failed(error, color, verbose="--verbose" in words)
    if code == interrupts.INTERRUPTED:
        say("error", "interrupted", color)
    return code if isinstance(code, int) else 0


def failed(error: BaseException, color: ColorChoice = "auto", *, verbose: bool = False) -> int:
    """Say what `error` means, and return the exit code for it."""
    if isinstance(error, ReaderLeftError):
        return READER_LEFT
    exit_code = error.exit_code if isinstance(error, DsconvError) else 3
    if exit_code != 2 and verbose:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, DsconvError):
        say("error", str(error), color)
    else:
        say("error", f"unexpected {type(error).__name__}: {error}; --verbose shows where it happened", color)
    return exit_code


def _color(words: list[str]) -> ColorChoice:
    """What --color asks for, read before anything can go wrong; `auto` if it is not one of the choices."""
    asked = "auto"
    for before, word in pairwise(["", *words]):
        if before == "--color":
            asked = word
        elif word.startswith("--color="):
            asked = word.partition("=")[2]
    return cast("ColorChoice", asked if asked in ("always", "never") else "auto")


def _usage(error: typer.TyperException, words: list[str]) -> str:
    """What typer says, as one line, with what was meant or where to read more."""
    text = " ".join(error.format_message().split())
    named = next((word for word in words if word in COMMANDS), None)
    hint = f"see '{f'dsconv {named}' if named else 'dsconv'} --help'"
    if text.startswith("No such option"):
        option = str(getattr(error, "option_name", ""))
        text = f"no such option: {option}"
        every = make_app(COMMANDS)
        hint = said_of_option(option, every.commands.get(named, every), every.commands) or hint
    elif text.startswith("No such command"):
        text, _, meant = text.partition(". Did you mean ")
        hint = f"did you mean {meant}" if meant else said_of_command(text.partition("'")[2].rstrip("'.")) or hint
    elif named and "argument" in text and "--" not in text:
        hint = f"usage: dsconv {named} {PAGES[named].usage}"
    return f"{text[:1].lower()}{text[1:].rstrip('.')}; {hint}"

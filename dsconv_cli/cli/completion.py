"""What a shell offers where Tab is pressed, and the scripts by which it asks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final

import typer
from typer import completion as shells

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.keys import Key, Keys

_VARIABLE: Final = "_DSCONV_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish", "powershell")

#: What a shell is told of a word: the word, and what it means.
Offer = tuple[str, str]


def completion(metavar: str | None) -> Callable[..., list[Offer]] | None:
    """What is offered for an option that takes `metavar`: the words that it lists, or the command's keys."""
    if metavar is None:
        return None
    for begins, offers in (("KEY=", _gates), ("KEY[=", _limits), ("KEY,", _columns), ("KEY", _keys)):
        if metavar.startswith(begins):
            return offers
    words = [word for word in metavar.split("|") if word.replace("-", "").isalnum() and word.islower()]

    def offered(incomplete: str) -> list[Offer]:
        """Of several between commas, the last."""
        before, comma, last = incomplete.rpartition(",")
        return [(f"{before}{comma}{word}", "") for word in words if word.startswith(last)]

    return offered if words else None


def _keys(ctx: typer.Context, incomplete: str) -> list[Offer]:
    return [(name, _meaning(key)) for name, key in _keys_for(ctx, incomplete).items() if name.startswith(incomplete)]


def _columns(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The last of several keys between commas."""
    before, comma, last = incomplete.rpartition(",")
    return [(f"{before}{comma}{name}", says) for name, says in _keys(ctx, last)]


def _gates(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """What is held against a number, which follows without a space."""
    return [(f"{name}=", says) for name, says in _limits(ctx, incomplete)]


def _limits(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Only numbers can be compared by size."""
    numbers = ((name, key) for name, key in _keys_for(ctx, incomplete).items() if key.type.is_number)
    return [(name, _meaning(key)) for name, key in numbers if name.startswith(incomplete)]


def _meaning(key: Key[Any]) -> str:
    return " ".join(f"{key.unit or key.says}".split())


def _keys_for(ctx: typer.Context, incomplete: str) -> Keys[Any]:
    """The command's keys; those of each runtime only where they are asked for, for they are many."""
    return keys_of(ctx.info_name or "", runtimes=incomplete.startswith("runtimes."))


def keys_of(command: str, *, runtimes: bool = False) -> Keys[Any]:
    """The keys of what a command prints."""
    if command == "model":
        from dsconv_cli.model.keys import KEYS as MODEL

        return MODEL
    if command == "doctor":
        from dsconv_cli.timing.doctor_keys import KEYS as DOCTOR

        return DOCTOR
    from dsconv_cli.comparison.keys import keys_of as comparison_keys
    from dsconv_cli.timing.runtimes import RUNTIMES

    many = command == "sweep"
    return comparison_keys(tuple(RUNTIMES) if runtimes else (), named=many, shared=many)


def this_shell() -> str:
    """The name of the user's shell, as it stands in $SHELL."""
    return PurePath(os.environ.get("SHELL", "")).name


def prepare() -> None:
    """Answer a shell that asks. typer does so by itself only where its own options are used."""
    if _VARIABLE in os.environ:
        shells.completion_init()  # type: ignore[attr-defined]


def script(shell: str) -> str:
    """What a shell must read to complete `dsconv`."""
    named = {"prog_name": "dsconv", "complete_var": _VARIABLE, "shell": shell}
    text: str = shells.get_completion_script(**named)  # type: ignore[attr-defined]
    if shell == "bash":
        # A gate's number follows its key without a space.
        text = text.replace("    return 0\n", "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n    return 0\n")
    return f"{text}\n"


def install(shell: str) -> str:
    """Put the script where the shell reads it at its start; what was done, in a line.

    Raises:
        CannotMeasureError: that place cannot be written.
    """
    try:
        _, path = shells.install(shell, "dsconv", _VARIABLE)  # type: ignore[attr-defined]
        if shell == "bash":
            path.write_text(script(shell), encoding="utf-8")
    except OSError as error:
        from dsconv_cli.files import reason

        raise CannotMeasureError(f"completion cannot be installed: {reason(error)}: {error.filename}") from None
    return f"{path} is written; completion begins in the next {shell}\n"

"""The two streams: what they can show, and how a line gets there."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Literal, TextIO

from dsconv_cli.render.numbers import ascii_text
from dsconv_cli.spec import CannotMeasureError

ColorChoice = Literal["auto", "always", "never"]
Level = Literal["error", "warning", "note"]

_LEVEL_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}
_RESET = "\x1b[0m"
_SAMPLE = "×÷·≪≤→…±µ⌊⌋─"


class PipeClosedError(CannotMeasureError):
    """Whoever read stdout has gone."""

    def __init__(self) -> None:
        super().__init__("stdout was closed before the whole result was written")


@dataclass(frozen=True, slots=True)
class Streams:
    """How this run speaks."""

    color: ColorChoice = "auto"
    quiet: bool = False
    verbose: bool = False

    def note(self, text: str) -> None:
        """A remark on stderr, silenced by --quiet."""
        if not self.quiet:
            say("note", text, self.color)

    def warn(self, text: str) -> None:
        """A warning on stderr, silenced by --quiet."""
        if not self.quiet:
            say("warning", text, self.color)

    @property
    def live(self) -> bool:
        """Whether stdout is a terminal that can redraw what it shows."""
        return is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def say(level: Level, text: str, color: ColorChoice = "auto") -> None:
    """One line on stderr."""
    if not has_unicode(sys.stderr):
        text = ascii_text(text)
    mark = f"{level}:"
    if has_color(sys.stderr, color):
        mark = f"{_LEVEL_COLORS[level]}{mark}{_RESET}"
    sys.stderr.write(f"{mark} {text}\n")
    sys.stderr.flush()


def write_out(text: str) -> None:
    """Write to stdout, all of it; what stdout cannot encode, in ASCII.

    Raises:
        PipeClosedError: nobody reads it any more.
    """
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            sys.stdout.write(ascii_text(text))
        sys.stdout.flush()
    except BrokenPipeError:
        raise PipeClosedError from None


def is_terminal(stream: TextIO) -> bool:
    """Whether a person is looking."""
    return stream.isatty()


def has_color(stream: TextIO, choice: ColorChoice = "auto") -> bool:
    """--color first, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0", "false"}:
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_unicode(stream: TextIO) -> bool:
    """Whether × and ≪ arrive as such.

    In the C locale Python itself speaks UTF-8 (PEP 540), but what reads it was told not to expect that.
    """
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    if locale in {"C", "POSIX"} and not os.environ.get("PYTHONIOENCODING"):
        return False
    try:
        _SAMPLE.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

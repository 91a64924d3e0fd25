"""The two streams: what they can show, and how a line gets there."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from dsconv_cli import interrupts
from dsconv_cli.cli import display
from dsconv_cli.cli.stdout import results
from dsconv_cli.errors import DsconvError
from dsconv_cli.numbers import ascii_text
from dsconv_cli.text import one_line

if TYPE_CHECKING:
    from dsconv_cli.report.page import View

ColorChoice = Literal["auto", "always", "never"]
Level = Literal["error", "warning", "note"]

_LEVEL_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}
_RESET = "\x1b[0m"
_SAMPLE = "×÷·≪≤→…±µ⌊⌋─"


class StdoutError(DsconvError):
    """The result could not be written to stdout."""

    def __init__(self, error: OSError | None = None) -> None:
        from dsconv_cli.files import reason

        why = "stdout is closed" if error is None else f"cannot write to stdout: {reason(error)}"
        super().__init__(f"{why}; the result was not written, or not all of it", exit_code=3)


class ReaderLeftError(StdoutError):
    """Whoever read stdout has seen enough, as `head` and `less` do: nothing is said about it, nor is there more."""


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
        return can_redraw(results())

    @property
    def view(self) -> View:
        """What stdout can show."""
        from dsconv_cli.report.page import View

        stdout = results()
        width = terminal_width(stdout) if is_terminal(stdout) else None
        return View(width, has_unicode(stdout), has_color(stdout, self.color))


def say(level: Level, text: str, color: ColorChoice = "auto") -> None:
    """One line on stderr. Where stderr is closed or full, nothing: the exit code still tells."""
    display.wipe_all()
    # A network may have closed it: that is a ValueError.
    with suppress(OSError, AttributeError, ValueError):
        sys.stderr.write(line(level, text, color))
        sys.stderr.flush()


def line(level: Level, text: str, color: ColorChoice = "auto") -> str:
    """The line as stderr can show it."""
    text = one_line(text)
    if not has_unicode(sys.stderr):
        text = ascii_text(text)
    mark = f"{level}:"
    if has_color(sys.stderr, color):
        mark = f"{_LEVEL_COLORS[level]}{mark}{_RESET}"
    return f"{mark} {text}\n"


def write_out(text: str, *, flush: bool = True) -> None:
    """Write to stdout, all of it; what stdout cannot encode, in ASCII.

    Raises:
        StdoutError: nobody reads it any more, or it cannot be written.
    """
    stdout = results()
    if stdout is None:
        raise StdoutError
    try:
        with interrupts.held:
            try:
                stdout.write(text)
            except UnicodeEncodeError:
                stdout.write(ascii_text(text))
            if flush:
                stdout.flush()
    except (OSError, ValueError) as error:
        raise failed_write(error) from None


def failed_write(error: Exception) -> StdoutError:
    """What it means that writing to stdout raised `error`. A stream that was closed before the start is None."""
    if not isinstance(error, OSError):
        return StdoutError()
    if error.errno == errno.EPIPE or (error.errno == errno.EIO and is_terminal(results())):
        return ReaderLeftError(error)
    return StdoutError(error)


def terminal_width(stream: TextIO | None) -> int:
    """Columns of the terminal that `stream` goes to."""
    if stream is not None and not os.environ.get("COLUMNS"):
        with suppress(OSError, ValueError):
            if columns := os.get_terminal_size(stream.fileno()).columns:
                return columns
    return shutil.get_terminal_size().columns


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is looking. A stream that was closed before the start is None."""
    return stream is not None and stream.isatty()


def can_redraw(stream: TextIO | None) -> bool:
    """Whether it is a terminal on which the cursor can go back."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_color(stream: TextIO | None, choice: ColorChoice = "auto") -> bool:
    """--color first, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0", "false"}:
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def has_unicode(stream: TextIO | None) -> bool:
    """Whether × and ≪ arrive as such.

    In the C locale Python itself speaks UTF-8 (PEP 540) and says so in LC_CTYPE (PEP 538), but what reads it was
    told not to expect that.
    """
    if _plain_locale() and not os.environ.get("PYTHONIOENCODING"):
        return False
    try:
        _SAMPLE.encode((stream and stream.encoding) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _plain_locale() -> bool:
    """Whether the user asked for the C locale; an LC_CTYPE that Python put there itself does not count."""
    plain = {"C", "POSIX"}
    if os.environ.get("LC_ALL"):
        return os.environ["LC_ALL"] in plain
    character_type = os.environ.get("LC_CTYPE", "")
    coerced = character_type in {"C.UTF-8", "C.utf8", "UTF-8"}
    if character_type and not coerced:
        return character_type in plain
    return os.environ.get("LANG", "") in plain

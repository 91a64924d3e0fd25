"""What can go wrong, each in one line for whoever asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Characters of what was given that an error repeats.
_QUOTED: Final = 60


def quoted(given: object) -> str:
    """What was given, as an error repeats it: in quotes where it is text, and never more than a part of a line."""
    try:
        said = repr(given[: _QUOTED + 1]) if isinstance(given, str) else repr(given)
    except (ValueError, RecursionError):
        # Python does not write integers of thousands of digits, nor what is nested as deep as its own stack.
        said = f"such {type(given).__name__}"
    return said if len(said) <= _QUOTED + 2 else f"{said[:_QUOTED]}…"


#: The exit code for work that could not be done.
CANNOT_MEASURE: Final = 3


class DsconvError(Exception):
    """What went wrong and what would be right, in one line for the user.

    `exit_code` is 2 for wrong use or bad input and 3 for work that could not be done.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SpecError(DsconvError, ValueError):
    """A layer that cannot exist."""


class CannotMeasureError(DsconvError, RuntimeError):
    """Work that could not be done: counters disagree, out of memory, the device failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=CANNOT_MEASURE)


def installed(package: str) -> bool:
    """Whether a package can be imported. Imports nothing."""
    from importlib.util import find_spec

    found = find_spec(package)
    # A folder that happens to have the name can be imported too, but has no file of its own.
    return found is not None and found.origin is not None


def first_line(error: BaseException) -> str:
    """The first line of an error's message that has words, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def about(what: str) -> Iterator[None]:
    """Errors begin with `what` they are about, if anything."""
    try:
        yield
    except DsconvError as error:
        raise DsconvError(f"{what}: {error}" if what else str(error)) from None


def need(package: str, *, instead: str = "") -> None:
    """Make sure that a package is installed, without importing it, before any work is done.

    Args:
        package: as it is imported and as pip calls it.
        instead: what can be done without it.

    Raises:
        CannotMeasureError: it is not; the message says where it was looked for and how to install it.
    """
    if not installed(package):
        raise CannotMeasureError(
            f"{package} is not installed for {sys.executable or 'this Python'}: pip install {package}"
            + (f"; {instead}" if instead else "")
        )


@contextmanager
def loading(package: str, *, instead: str = "") -> Iterator[None]:
    """Around an import of `package`: where it is missing or broken, one line says so.

    Raises:
        CannotMeasureError: see `need`; or it is installed and cannot be loaded.
    """
    need(package, instead=instead)
    try:
        yield
    except (ImportError, OSError) as error:
        # numpy's own message is a page of advice; the fact is in what it comes from.
        first = first_line(error.__cause__ or error)
        raise CannotMeasureError(
            f"{package} cannot be loaded ({first}); install it anew: pip install --force-reinstall {package}"
            + (f"; {instead}" if instead else "")
        ) from error

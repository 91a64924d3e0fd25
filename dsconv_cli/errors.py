"""What can go wrong, each in one line for whoever asked."""

from __future__ import annotations

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
        super().__init__(message, exit_code=3)

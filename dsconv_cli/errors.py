"""What can go wrong, each in one line for whoever asked."""

from __future__ import annotations


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

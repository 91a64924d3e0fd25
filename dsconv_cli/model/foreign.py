"""Code that someone else wrote, run here: a module that is imported, a factory, a forward pass."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dsconv_cli.errors import CannotMeasureError, DsconvError


class StoppedError(CannotMeasureError):
    """Foreign code raised what is no `Exception`, as if the whole program were its own to end."""


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Around foreign code: what it prints goes to stderr, and its warnings and logs are not ours to show.

    Only `sys.stdout` is exchanged, not the descriptor: that belongs to whoever calls the library. The command turns
    the descriptor away too (`cli.stdout`).

    Raises:
        StoppedError: it raised SystemExit, GeneratorExit or another thing that is no `Exception`. Ctrl-C goes through.
    """
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        logging.disable(max(disabled, logging.WARNING))
        try:
            yield
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise StoppedError(f"{what} raised {describe(error)}") from error
        finally:
            logging.disable(disabled)


@contextmanager
def blaming(what: str, failed: str = " raised ") -> Iterator[None]:
    """`foreign`, and whatever goes wrong is an error that says whose it is.

    Raises:
        CannotMeasureError: "`what` raised …", or what stands for "raised". An error of dsconv goes through as it is.
    """
    try:
        with foreign(what):
            yield
    except DsconvError:
        raise
    except Exception as error:
        raise CannotMeasureError(f"{what}{failed}{describe(error)}") from error


@contextmanager
def same_directory() -> Iterator[None]:
    """Come back to the directory that this one was, which relative paths of the command line are about."""
    before = "."
    with contextlib.suppress(OSError):
        # Where it has been removed, there is none to come back to.
        before = os.getcwd()  # noqa: PTH109  a path would be resolved
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)


def describe(error: BaseException) -> str:
    """The error as one line: its kind and the first line of what it says."""
    if isinstance(error, StoppedError) and error.__cause__ is not None:
        error = error.__cause__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  its own class decides what `str` does
        text = ""
    said = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

"""Files that are written whole or not at all, and known to be writable before the work for them begins."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from dsconv_cli import interrupts
from dsconv_cli.errors import DsconvError

#: Short, so that any name that is allowed can be written.
_TEMPORARY: Final = ".dsconv-"


class Replacement:
    """What will be a file once all of it is written."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream

    def write(self, data: bytes) -> None:
        """Add `data`.

        Raises:
            DsconvError: the disk is full.
        """
        with _naming(self._path):
            self._stream.write(data)


def check_targets(paths: Sequence[Path]) -> None:
    """Find out now, not after the measurement, whether each of `paths` can be written.

    Raises:
        DsconvError: one of them cannot, or two are one file; the message says why.
    """
    seen: set[Path] = set()
    for path in paths:
        with _naming(path, exit_code=2):
            target = path.resolve()
            if target in seen:
                raise DsconvError(f"{path} is to be written twice")
            seen.add(target)
            _check_target(path)
            with interrupts.held:
                handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
                os.close(handle)
                Path(name).unlink()


def _check_target(path: Path) -> None:
    """Refuse what must not be replaced by a new file.

    Raises:
        DsconvError: what stands there is no file, or not ours to change.
        OSError: nothing can stand there: the name is too long, a directory may not be searched.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise DsconvError(f"cannot write {path}: it is a directory")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            if os.path.samestat(status, os.fstat(stream.fileno())):
                raise DsconvError(f"cannot write {path}: stdout or stderr goes there; --format sets what stdout gets")
    if not stat.S_ISREG(status.st_mode):
        raise DsconvError(f"cannot write {path}: it is not a regular file")
    if not os.access(path, os.W_OK):
        raise DsconvError(f"cannot write {path}: permission denied")


def replace_file(path: Path, content: str | bytes) -> None:
    """Write `content` to a neighbour of `path` and rename it, so that `path` is never half written.

    Raises:
        DsconvError: the disk is full, or the directory has gone.
    """
    with replacing(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode())


@contextmanager
def replacing(path: Path) -> Iterator[Replacement]:
    """A neighbour of `path` that takes its place when all went well, and is gone when not.

    Raises:
        DsconvError: the disk is full, or the directory has gone. What the block raises goes through as it is.
    """
    with _naming(path):
        target = path.resolve()
        with interrupts.held:
            handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
            temporary, stream = Path(name), os.fdopen(handle, "wb")
            interrupts.at_end(temporary.unlink)
    try:
        yield Replacement(path, stream)
        with _naming(path):
            stream.close()
            temporary.chmod(_mode(target))
            temporary.replace(target)
    finally:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        interrupts.forget(temporary.unlink)


@contextmanager
def _naming(path: Path, exit_code: int = 3) -> Iterator[None]:
    """Failures of the system as errors that name the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # RuntimeError: symbolic links that form a loop, which Path.resolve cannot follow.
        raise DsconvError(f"cannot write {path}: {reason(error)}", exit_code=exit_code) from None


def reason(error: OSError | RuntimeError) -> str:
    """What the system says went wrong."""
    return ((isinstance(error, OSError) and error.strerror) or str(error)).lower()


def _mode(target: Path) -> int:
    """The permissions the file has, or would have been created with."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

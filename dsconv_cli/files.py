"""Files that are written whole or not at all, or grow by whole lines; known to be writable before any work for them.

What grows is locked. A lock is on what stands at a path, and not on the path: whoever renames a file to there, or
deletes what is there, takes it away. So whoever replaces a file respects the lock, and whoever holds it looks again.
What is added to a file is added under the lock, which is held for a moment and waited for: several runs may add to one.
"""

from __future__ import annotations

import io
import itertools
import os
import stat
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

from dsconv_cli import interrupts
from dsconv_cli.errors import DsconvError

#: Short, so that any name that is allowed can be written.
_TEMPORARY: Final = ".dsconv-"
#: Seconds for which a run that adds to a file waits for another that does.
_PATIENCE_S: Final = 5.0
_PAUSE_S: Final = 0.01
#: Bytes that are copied at a time.
_CHUNK: Final = 2**20


def existing(text: str) -> Path:
    """The file that is called so.

    Raises:
        DsconvError: there is none, or it cannot be looked at.
    """
    path = Path(text)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise DsconvError(f"cannot read {path}: {reason(error)}") from None
    raise DsconvError(f"no file {str(path)!r}")


def check_targets(paths: Sequence[Path], added: Collection[Path] = ()) -> None:
    """Find out now, not after the measurement, whether each of `paths` can be written, or, of `added`, continued.

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
            continued = path in added and path.exists()
            with _alone(path, exit_code=2) if continued else _guard(path, exit_code=2):
                pass
            with interrupts.held:
                handle, name = _temporary(target)
                os.close(handle)
                Path(name).unlink()


def _check_target(path: Path) -> None:
    """Refuse what must not be replaced by a new file."""
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
    """Write `content` to a neighbour of `path` and rename it, so that `path` is never half written."""
    with replacing(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def _temporary(target: Path) -> tuple[int, str]:
    """A new file beside `target`, opened, and its name."""
    from tempfile import mkstemp

    return mkstemp(prefix=_TEMPORARY, dir=target.parent)


class Replacement(NamedTuple):
    """A new file, beside `target`, of which it may take the place; `path` is what `target` is called."""

    path: Path
    target: Path
    temporary: Path
    stream: BinaryIO

    def write(self, data: bytes) -> None:
        """Add `data`."""
        with _naming(self.path):
            self.stream.write(data)

    def move(self) -> None:
        """Take its place, with the permissions that it has."""
        self.stream.close()
        self.temporary.chmod(_mode(self.target))
        self.temporary.replace(self.target)


@contextmanager
def replacing(path: Path) -> Iterator[Replacement]:
    """A neighbour of `path` that takes its place when all went well, and is gone when not.

    Raises:
        DsconvError: the disk is full, or the directory has gone. What the block raises goes through as it is.
    """
    with _naming(path):
        guards = _guard(path)
    with guards, _neighbour(path) as new:
        yield new
        with _naming(path):
            # What has come to stand there meanwhile may be in use too.
            guards.enter_context(_guard(path))
            new.move()


@contextmanager
def appending(path: Path, apart: str = "") -> Iterator[Replacement]:
    """What is written comes to stand in `path` after all that is there, when all went well, and not at all when not.

    What is there ends its line first, and is set off by `apart`, unless it is nothing.

    Raises:
        DsconvError: the disk is full, the directory has gone, or another run does not let go of the file.
    """
    with _neighbour(path, "w+b") as added:
        yield added
        with _naming(path), _alone(path) as there, _neighbour(path) as whole:
            _copy(there, whole.stream)
            if there.tell():
                there.seek(-1, os.SEEK_END)
                whole.stream.write((b"" if there.read() == b"\n" else b"\n") + apart.encode())
            added.stream.seek(0)
            _copy(added.stream, whole.stream)
            whole.move()


@contextmanager
def _neighbour(path: Path, mode: Literal["wb", "w+b"] = "wb") -> Iterator[Replacement]:
    """A file that is gone in the end, unless it was moved."""
    with _naming(path), interrupts.held:
        target = path.resolve()
        handle, name = _temporary(target)
        temporary, stream = Path(name), os.fdopen(handle, mode)
        interrupts.at_end(temporary.unlink)
    try:
        yield Replacement(path, target, temporary, stream)
    finally:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        interrupts.forget(temporary.unlink)


class GrowingFile:
    """A file that is read, and grows by whole lines, with no other run at it. Closing it lets go of the lock."""

    def __init__(self, path: Path) -> None:
        """Open `path`, or create it.

        Raises:
            DsconvError: it cannot be written, or is in use.
        """
        self._path = path
        with _naming(path, exit_code=2):
            while True:
                # Another run may replace it between the opening and the lock.
                handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
                self._stream = io.FileIO(handle, "r+")
                self._reader = path.open("rb")
                if not _lock(handle, "LOCK_EX"):
                    self.close()
                    raise DsconvError(f"{path} is being written by another run")
                if _same(handle, path) and _same(self._reader.fileno(), path):
                    break
                self.close()

    def close(self) -> None:
        """Let go of it."""
        self._reader.close()
        self._stream.close()

    def lines(self) -> Iterator[bytes]:
        """All that is there; the last one may lack its end."""
        self._reader.seek(0)
        return iter(self._reader)

    def line_at(self, place: int) -> bytes:
        """The line that begins there."""
        self._reader.seek(place)
        return self._reader.readline()

    def cut(self, end: int) -> int:
        """Cut off what lies beyond `end`; how much that was."""
        torn = self._stream.seek(0, os.SEEK_END) - end
        if torn:
            self._stream.truncate(end)
        return torn

    def append(self, line: bytes) -> int:
        """Write one more line, in the system's hands when this returns; the place where it begins.

        Raises:
            DsconvError: the disk is full; or the file was taken away, and the message says where its lines are.
        """
        self.check_there()
        data = memoryview(line)
        with _naming(self._path, then="; --resume goes on from here"):
            place = self._stream.seek(0, os.SEEK_END)
            while data:
                data = data[self._stream.write(data) :]
        return place

    def check_there(self) -> None:
        """Make sure that what was written stands at the path; an error says where it is now."""
        if _same(self._stream.fileno(), self._path):
            return
        said = f"{self._path} was deleted or replaced while this run wrote to it"
        try:
            saved = self._save()
        except OSError as error:
            raise DsconvError(f"{said}, and its lines are lost: {reason(error)}", exit_code=3) from None
        raise DsconvError(f"{said}; its lines are in {saved}", exit_code=3)

    def _save(self) -> Path:
        """Put what was written into a new file beside the path."""
        for number in itertools.count(1):
            saved = self._path.with_name(f"{self._path.stem}-saved-{number}{self._path.suffix}")
            with suppress(FileExistsError), saved.open("xb") as stream:
                self._reader.seek(0)
                _copy(self._reader, stream)
                return saved
        raise AssertionError


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    while data := source.read(_CHUNK):
        target.write(data)


def _guard(path: Path, exit_code: int = 3) -> ExitStack:
    """Keep those off `path` who would write to what stands there, until the guard is closed."""
    guard = ExitStack()
    with suppress(FileNotFoundError, PermissionError):
        there = guard.enter_context(path.open("rb"))
        if not _lock(there.fileno(), "LOCK_SH"):
            guard.close()
            raise DsconvError(f"cannot write {path}: another run is writing to it (--resume)", exit_code=exit_code)
    return guard


@contextmanager
def _alone(path: Path, exit_code: int = 3) -> Iterator[BinaryIO]:
    """What stands at `path`, locked and open to be read; an empty file where there was none.

    Raises:
        DsconvError: somebody else has it, and keeps it.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "rb") as there:
            # Whoever added to it meanwhile has put another file in its place.
            if _lock(handle, "LOCK_EX") and _same(handle, path):
                yield there
                return
        if time.monotonic() > deadline:
            raise DsconvError(f"cannot write {path}: another run is writing to it", exit_code=exit_code)
        time.sleep(_PAUSE_S)


def _lock(handle: int, kind: Literal["LOCK_EX", "LOCK_SH"]) -> bool:
    """Whether nobody else has the file. Where the system has no such locks, nobody is known to."""
    try:
        import fcntl

        fcntl.flock(handle, getattr(fcntl, kind) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def _same(handle: int, path: Path) -> bool:
    """Whether what is open stands at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _naming(path: Path, *, exit_code: int = 3, then: str = "") -> Iterator[None]:
    """Failures of the system as errors that name the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # RuntimeError: symbolic links that form a loop, which Path.resolve cannot follow.
        raise DsconvError(f"cannot write {path}: {reason(error)}{then}", exit_code=exit_code) from None


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

"""What is too much for the memory and is wanted once more, in a file without a name: gone with the process."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.files import reason

Thing = TypeVar("Thing")

#: Bytes for which there need be no file.
_IN_MEMORY: Final = 2**20


class Spool(Collection[Thing], Generic[Thing]):
    """Things one after the other, each to be had again by the place that it was put at."""

    def __init__(self) -> None:
        with _naming():
            self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  it lives as long as this does
        weakref.finalize(self, self._file.close)
        self._end = self._count = 0

    def put(self, thing: Thing) -> int:
        """Add one; its place."""
        data = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        place = self._end
        with _naming():
            self._file.seek(place)
            self._file.write(data)
        self._end += len(data)
        self._count += 1
        return place

    def get(self, place: int) -> Thing:
        """The one at that place."""
        with _naming():
            self._file.seek(place)
            found: Thing = pickle.load(self._file)  # noqa: S301  written above, in a file that nobody else has
            return found

    def __len__(self) -> int:
        return self._count

    def __contains__(self, thing: object) -> bool:
        return any(thing == one for one in self)

    def __iter__(self) -> Iterator[Thing]:
        place = 0
        while place < self._end:
            thing = self.get(place)
            place = self._file.tell()
            yield thing


@contextmanager
def _naming() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotMeasureError(
            f"rows cannot be kept in {tempfile.gettempdir()}: {reason(error)}; TMPDIR names another folder"
        ) from None

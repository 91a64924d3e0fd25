"""The entries of a zip file, as torch writes them: stored, each once, none that torch does not know.

torch compares names without their case and takes the first that fits; it reads what is compressed, which can be a
thousand times larger than the file. An archive in which that could matter is not one that torch wrote.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Self

from dsconv_cli.model.exported.checks import RefusedError, pickled

_BAD_ZIP: Final = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError, ValueError)
_ENCRYPTED: Final = 0x1
_PICKLED: Final = re.compile(r"data/aotinductor/|data/constants/(custom|opaque)_obj_", re.IGNORECASE)


class Layout:
    """What entries an archive may have: patterns of their names, without the folder that all of them lie in."""

    def __init__(self, *patterns: str, folder: bool) -> None:
        self._pattern = re.compile("|".join(patterns), re.ASCII)
        self._folder = folder

    def inner(self, names: list[str]) -> dict[str, str]:
        """Names without their folder → names as they are.

        Raises:
            RefusedError: one is unknown, or two are the same but for their case.
        """
        folder = f"{names[0].partition('/')[0]}/" if self._folder and names else ""
        found = {}
        for name in names:
            inner = name.removeprefix(folder)
            if not name.startswith(folder) or not self._pattern.fullmatch(inner):
                unknown = RefusedError(f"it has an entry that torch does not write ({name!r})")
                raise pickled(name) if _PICKLED.match(inner) else unknown
            found[inner] = name
        if len({name.casefold() for name in names}) < len(names):
            raise RefusedError("two entries have the same name but for its case")
        return found


class Archive:
    """A zip file whose entries are known. Opening it reads its table of contents and nothing else."""

    def __init__(self, file: Path | IO[bytes], *layouts: Layout) -> None:
        """The first of `layouts` that fits is taken.

        Raises:
            RefusedError: it is no zip file, or none of torch's.
        """
        with _naming_faults():
            self._zip = zipfile.ZipFile(file)
        try:
            infos = self._zip.infolist()
            for info in infos:
                _check_entry(info)
            _check_sizes(self._zip, infos)
            self._names = _fitting(layouts, [info.filename for info in infos])
        except RefusedError:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def sizes(self) -> Mapping[str, int]:
        """The bytes of each entry."""
        return {inner: self._zip.getinfo(name).file_size for inner, name in self._names.items()}

    def read(self, inner: str) -> bytes:
        """An entry's content.

        Raises:
            RefusedError: there is none of that name, or it is damaged.
        """
        if inner not in self._names:
            raise RefusedError(f"it has no entry {inner!r}")
        with _naming_faults():
            return self._zip.read(self._names[inner])


def _fitting(layouts: tuple[Layout, ...], names: list[str]) -> dict[str, str]:
    first: RefusedError | None = None
    for layout in layouts:
        try:
            return layout.inner(names)
        except RefusedError as error:
            first = first or error
    assert first is not None
    raise first


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = name.split("/")
    if name != info.orig_filename or "\\" in name or not name.isprintable() or {"", ".", ".."} & set(parts):
        raise RefusedError(f"it has an entry with a name that torch does not write ({info.orig_filename!r})")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED or info.file_size != info.compress_size:
        raise RefusedError(f"its entry {name} is compressed or encrypted, and torch writes no such entries")


def _check_sizes(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    assert archive.fp is not None
    held = archive.fp.seek(0, 2)
    claimed = sum(info.file_size for info in infos)
    if claimed > held:
        raise RefusedError(f"its entries claim {claimed:,} bytes, and the file has {held:,}")


@contextmanager
def _naming_faults() -> Iterator[None]:
    try:
        yield
    except _BAD_ZIP as error:
        raise RefusedError(f"it is not an intact zip file ({error or type(error).__name__})") from None

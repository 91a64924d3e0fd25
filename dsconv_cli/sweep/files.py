"""Layers from a file or a pipe.

It is read twice: once to count its layers and find every mistake, and once to run, so that a million layers need no
more memory than one.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.reading import USUAL
from dsconv_cli.layer.spec import Bias
from dsconv_cli.sweep.parquet import MAGIC
from dsconv_cli.sweep.records import Record, parquet_records, text_records

_USUAL: Final[Mapping[str, Any]] = {**USUAL, "bias": Bias()}
#: A pipe is kept in memory up to here, and on disk beyond.
_IN_MEMORY: Final = 2**24
#: A hundred million layers. What is longer is a pipe that never ends.
_MOST: Final = 2**31
_CHUNK: Final = 2**20


class LayerFile:
    """The layers of a file, counted and checked.

    `names` are the arguments that any of them sets, `fixed` those that are the same in all, `varying` the others;
    `named` is whether any has a name; `ineligible` is the number of a network's layers that have no replacement.
    """

    def __init__(self, source: str, required: Collection[str] = ("k", "c")) -> None:
        """Read `source`, a path or "-" for stdin, to its end. Every layer must set what is `required`.

        Raises:
            DsconvError: it cannot be read, has an unknown column or a bad or missing cell, or holds no layer.
        """
        self.name = "stdin" if source == "-" else source
        self._spooled = _spool(source, self.name)
        if self._spooled is not None:
            weakref.finalize(self, self._spooled.close)
        self.count = self.ineligible = 0
        self.named = False
        values: dict[str, set[Any]] = {}
        setters: Counter[str] = Counter()
        for record in self._parse():
            if record is None:
                self.ineligible += 1
                continue
            self.count += 1
            self.named = self.named or record.name != ""
            missing = next((name for name in required if name not in record.arguments), None)
            if missing:
                raise DsconvError(f"{self.name} line {record.line} has no {missing}; give it, or --{missing}")
            for name, value in record.arguments.items():
                setters[name] += 1
                seen = values.setdefault(name, set())
                if len(seen) < 2:
                    seen.add(value)
        if not self.count and not self.ineligible:
            raise DsconvError(f"{self.name} holds no layers")
        self.names = tuple(values)
        for name, seen in values.items():
            if setters[name] < self.count:
                # Some layers leave it at its default.
                seen.add(_USUAL.get(name))
        self.fixed = {name: next(iter(seen)) for name, seen in values.items() if len(seen) == 1}
        self.varying = tuple(name for name in values if name not in self.fixed)

    def records(self) -> Iterator[Record]:
        """The layers, in the order of the file."""
        return (record for record in self._parse() if record is not None)

    def _parse(self) -> Iterator[Record | None]:
        try:
            with Path(self.name).open("rb") if self._spooled is None else nullcontext(self._spooled) as stream:
                stream.seek(0)
                yield from (parquet_records if _is_parquet(stream) else text_records)(stream, self.name)
        except UnicodeDecodeError:
            raise DsconvError(f"{self.name} is not UTF-8 text; save it as CSV UTF-8") from None
        except csv.Error as error:
            raise DsconvError(f"{self.name} is not CSV: {error}") from None
        except OSError as error:
            raise _unreadable(self.name, error) from None


def _is_parquet(stream: BinaryIO) -> bool:
    begins = stream.read(len(MAGIC))
    stream.seek(0)
    return begins == MAGIC


def _spool(source: str, name: str) -> Any:
    """What a pipe says, for reading it twice; None for a file, which can be read twice as it is."""
    if source == "-" and sys.stdin is None:
        raise DsconvError(f"cannot read {name}: it is closed")
    try:
        if source != "-" and Path(source).is_file():
            return None
        with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as raw:
            spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
            while chunk := raw.read(_CHUNK):
                spooled.write(chunk)
                if spooled.tell() > _MOST:
                    raise DsconvError(f"cannot read {name}: it does not end within {_MOST // 2**30} GiB")
            return spooled
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> DsconvError:
    return DsconvError(f"cannot read {name}: {(error.strerror or str(error)).lower()}")

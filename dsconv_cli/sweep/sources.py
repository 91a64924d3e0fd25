"""Where a sweep's layers come from, which of them are this run's, and which cannot exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dsconv_cli.errors import DsconvError, SpecError
from dsconv_cli.layer.reading import layer_name
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.files import LayerFile
from dsconv_cli.sweep.grid import Fields, Grid


class Source(Protocol):
    """Layers by number, from 0."""

    @property
    def count(self) -> int:
        """How many there are, whether or not their kernels fit."""

    @property
    def varying(self) -> Sequence[str]:
        """The arguments in which they differ."""

    def walk(self, start: int, stop: int) -> Iterator[tuple[str, Fields]]:
        """Layers `start` up to `stop`: where each stands in a file (or ""), and its arguments."""


@dataclass(frozen=True, slots=True)
class GridSource:
    """The layers of a grid."""

    grid: Grid

    @property
    def count(self) -> int:
        """As `Source`."""
        return self.grid.count

    @property
    def varying(self) -> Sequence[str]:
        """As `Source`."""
        return self.grid.varying

    def walk(self, start: int, stop: int) -> Iterator[tuple[str, Fields]]:
        """As `Source`."""
        return (("", fields) for fields in self.grid.walk(start, stop))

    def __str__(self) -> str:
        return str(self.grid)


@dataclass(frozen=True, slots=True)
class FileSource:
    """The layers of a file, each at every point of the grid of the options, which outrank the file."""

    file: LayerFile
    grid: Grid

    @property
    def count(self) -> int:
        """As `Source`."""
        return self.file.count * self.grid.count

    @property
    def varying(self) -> Sequence[str]:
        """As `Source`."""
        grid = self.grid.varying
        return (*(name for name in self.file.varying if name not in {*grid, *self.grid.fixed}), *grid)

    def walk(self, start: int, stop: int) -> Iterator[tuple[str, Fields]]:
        """As `Source`."""
        points = self.grid.count
        for row, record in enumerate(self.file.records()):
            first = row * points
            if first >= stop:
                return
            for index in range(max(start - first, 0), min(stop - first, points)):
                fields = self.grid.fields(index, record.fields)
                if fields.get("padding") != record.fields.get("padding"):
                    fields.pop("padding_end", None)
                yield f"{self.file.name} line {record.line}: ", fields

    def __str__(self) -> str:
        crossed = str(self.grid)
        return f"{self.file.count:,} from {self.file.name}" + (f" × {crossed}" if crossed else "")


class Misfit(NamedTuple):
    """A layer that cannot exist, and why."""

    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `total`, from 1. Parts are neighbours, so that their outputs put together are the whole's."""

    index: int = 1
    total: int = 1

    def bounds(self, count: int) -> tuple[int, int]:
        """The first layer of this part, and the one after its last."""
        return (count * (self.index - 1) // self.total, count * self.index // self.total)


def parse_shard(text: str | None) -> Shard:
    """`"2/8"` → the second of eight parts.

    Raises:
        DsconvError: the text is not I/N with 1 ≤ I ≤ N.
    """
    if text is None:
        return Shard()
    parts = text.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        index, total = map(int, parts)
        if 1 <= index <= total:
            return Shard(index, total)
    raise DsconvError(f"--shard takes I/N with I from 1 to N, such as 2/8, not {text!r}")


def specs(source: Source, shard: Shard) -> Iterator[ConvSpec | Misfit]:
    """The layers of one shard, in their order."""
    return (_spec(origin, fields) for origin, fields in source.walk(*shard.bounds(source.count)))


def _spec(origin: str, fields: Fields) -> ConvSpec | Misfit:
    try:
        return ConvSpec(**fields)
    except SpecError as error:
        return Misfit(f"{origin}{layer_name(fields)}", str(error))

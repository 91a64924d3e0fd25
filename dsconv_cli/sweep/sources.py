"""Where a sweep's layers come from, which of them are this run's, and which cannot exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dsconv_cli.errors import DsconvError, SpecError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.axes import as_text
from dsconv_cli.sweep.files import LayerFile
from dsconv_cli.sweep.grid import Fields, Grid

#: Left out of a layer's name where they are what they usually are.
_USUAL = {"batch": 1, "stride": (1, 1), "dilation": (1, 1), "depth_multiplier": 1, "dtype": "float32"}


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


def layer_name(fields: Mapping[str, Any] | ConvSpec) -> str:
    """`k=64 c=32 r=3 s=3 h=56 w=56`, and whatever else is out of the ordinary."""
    if isinstance(fields, ConvSpec):
        names = ("k", "c", "r", "s", "h", "w", *_USUAL)
        padding = () if fields.padding == fields.padding_end == _half(fields) else (("padding", fields.padding),)
        items = [*((name, getattr(fields, name)) for name in names), *padding]
    else:
        items = [(name, value) for name, value in fields.items() if name not in {"bias", "padding_end"}]
        items = [item for item in items if item != ("padding", "half")]
    order = {name: place for place, name in enumerate(("k", "c", "r", "s", "h", "w"))}
    items.sort(key=lambda item: order.get(item[0], len(order)))
    return " ".join(f"{name}={as_text(value)}" for name, value in items if _USUAL.get(name) != value)


def _half(spec: ConvSpec) -> tuple[int, int]:
    height, width = spec.dilated_kernel
    return ((height - 1) // 2, (width - 1) // 2)

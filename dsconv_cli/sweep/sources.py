"""Where a sweep's layers come from, which of them are this run's, and which cannot exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.errors import DsconvError, SpecError, quoted
from dsconv_cli.layer.fields import FIELDS, SQUARES, VALUED
from dsconv_cli.layer.reading import layer_name
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.sweep.axes import parse_axis, parse_square
from dsconv_cli.sweep.files import LayerFile
from dsconv_cli.sweep.grid import Arguments, Grid, make_grid
from dsconv_cli.sweep.ties import Zips, parse_zips

_NO_BIAS = Bias()
#: What a layer must be told; the others have defaults.
_REQUIRED = tuple(name for name in VALUED if not FIELDS[name].default)


@dataclass(frozen=True, slots=True)
class Source:
    """Layers by number, from 0: those of a grid, or those of a file, each at every point of the grid.

    What the grid says outranks the file.
    """

    grid: Grid
    file: LayerFile | None = None

    @property
    def count(self) -> int:
        """How many there are, whether or not their kernels fit."""
        return self.grid.count if self.file is None else self.file.count * self.grid.count

    @property
    def varying(self) -> Sequence[str]:
        """The arguments in which they differ."""
        grid = self.grid.varying
        own = () if self.file is None else self.file.varying
        return (*(name for name in own if name not in {*grid, *self.grid.fixed}), *grid)

    @property
    def replaced(self) -> tuple[str, ...]:
        """The arguments that the file sets in vain."""
        own = () if self.file is None else self.file.names
        return tuple(name for name in own if name in {*self.grid.varying, *self.grid.fixed})

    @property
    def title(self) -> str:
        """What the layers have in common."""
        if self.file is None:
            return layer_name(self.grid.fixed)
        shared = layer_name({**self.file.fixed, **self.grid.fixed})
        return f"{self}; {shared}" if shared else str(self)

    @property
    def named(self) -> bool:
        """Whether a file gives them names."""
        return self.file is not None and self.file.named

    def walk(self, start: int, stop: int) -> Iterator[Comparison | Misfit]:
        """Layers `start` up to `stop`, by their closed forms."""
        if self.file is None:
            yield from (_layer(self.grid.arguments(index)) for index in range(start, stop))
            return
        points, pads = self.grid.count, "padding" in {*self.grid.varying, *self.grid.fixed}
        for row, record in enumerate(self.file.records()):
            first = row * points
            if first >= stop:
                return
            for index in range(max(start - first, 0), min(stop - first, points)):
                found = self.grid.arguments(index, record.arguments)
                if pads:
                    found.pop("padding_end", None)
                yield _layer(found, record.name, f"{self.file.name} line {record.line}: ")

    def __str__(self) -> str:
        crossed = str(self.grid)
        if self.file is None:
            return crossed
        return f"{self.file.count:,} from {self.file.name}" + (f" × {crossed}" if crossed else "")


def parse_source(
    texts: Mapping[str, str], *, zips: Sequence[str] = (), bias: Bias = _NO_BIAS, file: str | None = None
) -> Source:
    """The layers that lists, ties and a file describe.

    Args:
        texts: lists and ranges by the name of the field, such as `{"k": "16:512:*2"}`.
        zips: ties, such as `c=k/2`.
        bias: of all layers, where it is not what a file may say.
        file: a path, or "-" for stdin.

    Raises:
        DsconvError: a value is missing or malformed, or is given twice; the file cannot be read.
    """
    squares = {name: text for name, text in texts.items() if name in SQUARES}
    pairs = [parse_square(SQUARES[name], text) for name, text in squares.items()]
    texts = {name: text for name, text in texts.items() if name not in squares}
    tied = parse_zips(zips, {*texts, *(axis.name for pair in pairs for axis in pair)})
    fixed = {} if bias == _NO_BIAS else {"bias": bias}
    missing = [name for name in _REQUIRED if name not in {*texts, *tied.targets}]
    if file is None:
        if missing:
            raise DsconvError(f"--{missing[0]} is missing; give it, tie it with --zip, or read layers with --from")
        usual = {name: field.default for name, field in FIELDS.items() if field.default}
        texts = {**usual, **texts}
    given = {name: parse_axis(name, text, FIELDS[name].option) for name, text in texts.items()}
    given.update((axis.name, axis) for pair in pairs for axis in pair)
    # In the order of the fields, in which a grid nests.
    axes = {name: given[name] for name in VALUED if name in given}
    tied = replace(tied, steps=(*tied.steps, *_steps(squares, tied)))
    if file is None:
        return Source(make_grid(axes, tied, fixed))
    layers = LayerFile(file, missing)
    return Source(make_grid(axes, tied, fixed, layers.names), layers)


def _steps(squares: Iterable[str], tied: Zips) -> Iterator[tuple[str, str]]:
    """Height and width of each of `squares` are walked in step, and so in step with nothing else."""
    for square in (SQUARES[name] for name in squares):
        rival = next((step for step in tied.steps if {*step} & {*square.parts}), None)
        if rival is not None:
            options = " and ".join(FIELDS[part].option for part in square.parts)
            raise DsconvError(f"--zip {','.join(rival)} does not go with {square.field.option}; use {options}")
        yield square.parts


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
    """`"2/8"` → the second of eight parts; the whole where nothing is given."""
    if text is None:
        return Shard()
    parts = text.split("/")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        index, total = map(int, parts)
        if 1 <= index <= total:
            return Shard(index, total)
    raise DsconvError(f"--shard takes I/N with I from 1 to N, such as 2/8, not {quoted(text)}")


def layers(source: Source, shard: Shard) -> Iterator[Comparison | Misfit]:
    """The layers of one shard by their closed forms, in their order."""
    return source.walk(*shard.bounds(source.count))


def layer_at(source: Source, place: int) -> Comparison | Misfit:
    """The layer of that number."""
    return next(source.walk(place, place + 1))


def _layer(arguments: Arguments, name: str = "", origin: str = "") -> Comparison | Misfit:
    """The layer that a file calls `name`, and that stands there at `origin`."""
    try:
        return closed_forms(ConvSpec(**arguments), name)
    except SpecError as error:
        return Misfit(f"{origin}{f'{name}: ' if name else ''}{layer_name(arguments)}", str(error))

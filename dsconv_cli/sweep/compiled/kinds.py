"""The layers of a grid as rows of plain integers, and what those of one kind have in common.

Words and biases make the kind: each combination of them has formulas of its own. All else are variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import SpecError
from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.spec import unchecked
from dsconv_cli.sweep.axes import Axis, Scalar
from dsconv_cli.sweep.compiled.program import Row
from dsconv_cli.sweep.compiled.symbols import Fork, Symbol, Tape, UntraceableError
from dsconv_cli.sweep.grid import Dimension, Grid

#: Rows of a block, at most; and so many that what is worked out once for all of them hardly counts.
_MOST_ROWS: Final = 256
_ENOUGH_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class Slot:
    """An axis as numbers: the words among its values, and the variables for its other values.

    A value's kind is 0 where it is numbers and else the place of its word, from 1; kinds of several axes are added up,
    each times its own `weight`.
    """

    axis: Axis
    words: tuple[str, ...]
    variables: tuple[str, ...]
    weight: int

    def row(self, value: Scalar) -> Row:
        """The kind, and a number for each variable."""
        if isinstance(value, str):
            return ((self.words.index(value) + 1) * self.weight, *(0 for _ in self.variables))
        return (0, *value) if isinstance(value, tuple) else (0, value)

    @property
    def choices(self) -> tuple[str | None, ...]:
        """Its words, and None for numbers if it has any."""
        return (*([None] if self.variables else []), *self.words)


class Block(NamedTuple):
    """Layers of a grid: their numbers, what they have in common, and each one's own."""

    places: Sequence[int]
    outer: Row
    rows: Sequence[Row]

    def one(self, number: int) -> Block:
        """One of them alone."""
        return Block(self.places[number : number + 1] or self.places[number:], self.outer, [self.rows[number]])


class Table:
    """A grid as blocks of rows: `outer` are the variables of a block, `inner` those of a row."""

    def __init__(self, grid: Grid, *, scattered: bool = False) -> None:
        """Where its layers come `scattered`, and not as neighbours, they have nothing in common."""
        self.grid = grid
        weight = 1
        self._slots: dict[str, Slot] = {}
        for dimension in grid.dimensions:
            for axis in dimension.axes:
                self._slots[axis.name] = _slot(axis, weight)
                weight *= len(self._slots[axis.name].words) + 1
        within, rows = len(grid.dimensions), 1
        while within and rows * grid.dimensions[within - 1].count <= _MOST_ROWS:
            within -= 1
            rows *= grid.dimensions[within].count
        # A dimension that is too long for one block stands in it part by part, where blocks would else be too short.
        self._in_parts = within > 0 and rows < _ENOUGH_ROWS
        self._part_rows = rows
        within = 0 if scattered else within - self._in_parts
        self._outside, self._inside = grid.dimensions[:within], grid.dimensions[within:]
        self.outer, self.inner = map(self._variables, (self._outside, self._inside))
        listed = not (scattered or self._in_parts)
        self._rows = self._crossed([range(one.count) for one in self._inside]) if listed else []

    @property
    def kinds(self) -> Iterator[tuple[int, Mapping[str, str | None]]]:
        """Every kind's number, and its word for each axis, None for numbers."""
        for words in product(*(slot.choices for slot in self._slots.values())):
            chosen = dict(zip(self._slots, words, strict=True))
            yield sum(self._slots[name].row(word)[0] for name, word in chosen.items() if word), chosen

    def blocks(self, start: int, stop: int) -> Iterator[Block]:
        """Layers `start` up to `stop`."""
        each = prod(one.count for one in self._inside)
        while start < stop:
            point, inside = divmod(start, each)
            rows = self._from(inside)[: stop - start]
            yield Block(range(start, start + len(rows)), self._row(self._outside, _steps(self._outside, point)), rows)
            start += len(rows)

    def scattered(self, places: Sequence[int]) -> Block:
        """The layers of these numbers, which have nothing in common."""
        return Block(places, (0,), [self._row(self._inside, _steps(self._inside, place)) for place in places])

    def _from(self, inside: int) -> Sequence[Row]:
        """The rows of a block from row `inside` on."""
        if not self._in_parts:
            return self._rows[inside:] if inside else self._rows
        step, rest = divmod(inside, self._part_rows)
        last = min(step + _MOST_ROWS // self._part_rows, self._inside[0].count)
        return self._crossed([range(step, last), *(range(one.count) for one in self._inside[1:])])[rest:]

    def _crossed(self, steps: Sequence[range]) -> list[Row]:
        return [self._row(self._inside, one) for one in product(*steps)]

    def _row(self, dimensions: Sequence[Dimension], steps: Sequence[int]) -> Row:
        parts = [
            self._slots[axis.name].row(axis[step])
            for dimension, step in zip(dimensions, steps, strict=True)
            for axis in dimension.axes
        ]
        return (sum(part[0] for part in parts), *(number for part in parts for number in part[1:]))

    def _variables(self, dimensions: Sequence[Dimension]) -> tuple[str, ...]:
        return tuple(name for one in dimensions for axis in one.axes for name in self._slots[axis.name].variables)

    def arguments(self, tape: Tape, words: Mapping[str, str | None]) -> dict[str, Any]:
        """What makes a layer of a kind."""
        found: dict[str, Any] = dict(self.grid.fixed)
        for name, word in words.items():
            symbols = tuple(map(tape.variable, self._slots[name].variables))
            found[name] = word or (symbols if FIELDS[name].kind == "pair" else symbols[0])
        for tie in self.grid.ties:
            found[tie.target] = tie.of(found[tie.source])
        return found


def _slot(axis: Axis, weight: int) -> Slot:
    listed = (value for piece in axis.pieces if isinstance(piece, tuple) for value in piece)
    words = tuple(value for value in listed if isinstance(value, str))
    numbers = len(words) < axis.count
    parts = ("_height", "_width") if FIELDS[axis.name].kind == "pair" else ("",)
    return Slot(axis, words, tuple(axis.name + part for part in parts) if numbers else (), weight)


def _steps(dimensions: Sequence[Dimension], index: int) -> list[int]:
    """Where layer `index` is in each of them."""
    steps = []
    for dimension in reversed(dimensions):
        index, step = divmod(index, dimension.count)
        steps.append(step)
    return steps[::-1]


class Kind(NamedTuple):
    """The layers of one kind: the conditions on which one can exist, and it with all its closed forms."""

    tape: Tape
    fits: tuple[tuple[Symbol, bool], ...]
    layer: Comparison | None


def kind(table: Table, words: Mapping[str, str | None]) -> Kind:
    """Trace how a layer is made. Where `layer` is None, none can exist."""
    tape = Tape()
    arguments = table.arguments(tape, words)

    def make() -> Any:
        try:
            return unchecked(**arguments)
        except SpecError:
            return None

    ways = [way for way in _ways(tape.ways(make)) if way[0] is not None]
    if not ways:
        return Kind(tape, (), None)
    if len(ways) > 1:
        raise UntraceableError
    ((spec, conditions),) = ways
    for condition, holds in conditions:
        tape.assume(condition, holds=holds)
    return Kind(tape, conditions, Comparison(spec, cost(spec, tape.trace)))


def _ways(found: Any, path: tuple[tuple[Symbol, bool], ...] = ()) -> Iterator[tuple[Any, Any]]:
    if not isinstance(found, Fork):
        yield found, path
        return
    yield from _ways(found.yes, (*path, (found.condition, True)))
    yield from _ways(found.no, (*path, (found.condition, False)))

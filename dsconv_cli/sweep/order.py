"""Values of many rows in as little room as they take, and their order: `--sort` and `--top`."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import Value
from dsconv_cli.layer.reading import integer
from dsconv_cli.sweep.keys import resolve

_DIRECTIONS: Final = {"desc": True, "asc": False}
#: Rows that are sorted at once; what sorting takes beside them does not grow with their number.
_RUN: Final = 2**14


@dataclass(frozen=True, slots=True)
class Order:
    """Rows by the value at `key`, the largest first if `descending`. `top` keeps only the first rows."""

    key: str
    descending: bool = True
    top: int | None = None


def parse_order(sort: str | None, top: str | None, *, default: str) -> Order | None:
    """`--sort KEY[:asc|:desc]` and `--top N`. `default` is what `--top` alone ranks by."""
    if sort is None and top is None:
        return None
    name, _, direction = (default if sort is None else sort).partition(":")
    if direction not in {"", *_DIRECTIONS}:
        raise DsconvError(f"--sort {sort}: the direction must be asc or desc, not {quoted(direction)}")
    key = resolve(name, "--sort")
    if key == "time.warnings":
        raise DsconvError("--sort: time.warnings has no order")
    return Order(key, _DIRECTIONS[direction or "desc"], None if top is None else integer(top, "--top"))


class Column:
    """Values of one kind: eight bytes for a number; of all else, which comes again and again, a reference."""

    def __init__(self) -> None:
        self._values: array[Any] | list[Any] = []
        self._met: dict[Hashable, Any] = {}

    def __getitem__(self, place: int) -> Any:
        return self._values[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def append(self, value: Any) -> None:
        """One more."""
        if not isinstance(value, int | float):
            value = self._met.setdefault(value, value)
        elif not self._values:
            self._values = array("d" if isinstance(value, float) else "q")
        try:
            self._values.append(value)
        except (OverflowError, TypeError):
            # Counts above 2^63 stay the numbers that they are, and numbers of two kinds stand side by side.
            self._values = [*self._values, value]

    def put(self, start: int, values: list[Any]) -> None:
        """Set neighbours."""
        kept = self._values
        kept[start : start + len(values)] = array(kept.typecode, values) if isinstance(kept, array) else values  # type: ignore[assignment]

    def cut(self, end: int) -> None:
        """Drop the last ones."""
        del self._values[end:]


class Varying:
    """A column of values that may turn out to be all the same, which then takes no room."""

    def __init__(self) -> None:
        self.first: Any = None
        self.last: Any = None
        self._count = 0
        self._column: Column | None = None

    def append(self, value: Any) -> None:
        """One more."""
        if not self._count:
            self.first = value
        elif self._column is None and value != self.first:
            self._column = Column()
            for same in repeat(self.first, self._count):
                self._column.append(same)
        self._count += 1
        self.last = value
        if self._column is not None:
            self._column.append(value)

    @property
    def fixed(self) -> bool:
        """Whether all are the same."""
        return self._column is None

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.first, self._count) if self._column is None else iter(self._column)


class Ranked:
    """The numbers of rows by their values; equal ones stay as they came, rows without a value go last.

    Sorted in runs, which are merged when the numbers are read: sixteen bytes a row.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._columns: list[Column] = []
        self._places = array("q")
        self._without = array("q")
        self._runs: list[tuple[int, int]] = []

    def add(self, value: Value, place: int) -> None:
        """One more row."""
        if value is None:
            self._without.append(place)
            return
        parts = _parts(value)
        if not self._columns:
            self._columns = [Column() for _ in parts]
        for column, part in zip(self._columns, parts, strict=True):
            column.append(part)
        self._places.append(place)
        if len(self._places) - self._sorted >= _RUN:
            self._sort_last()

    def __iter__(self) -> Iterator[int]:
        """The numbers in order."""
        return islice(chain((place for _, place in self.items()), self._without), self._order.top)

    def items(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        """The values that rows were ranked by, in order, and their numbers."""

        def run(start: int, end: int) -> Iterator[tuple[tuple[Any, ...], int]]:
            return ((self._value(number), self._places[number]) for number in range(start, end))

        self._sort_last()
        runs = [run(*ends) for ends in self._runs]
        return merge(*runs, key=itemgetter(0), reverse=self._order.descending)

    @property
    def _sorted(self) -> int:
        return self._runs[-1][1] if self._runs else 0

    def _sort_last(self) -> None:
        start, end = self._sorted, len(self._places)
        if start == end:
            return
        order = sorted(range(start, end), key=self._value, reverse=self._order.descending)
        for column in self._columns:
            column.put(start, [column[number] for number in order])
        self._places[start:end] = array("q", [self._places[number] for number in order])
        self._runs.append((start, end))
        top = self._order.top
        if top is not None and end > 2 * top + 2 * _RUN:
            self._keep(top)

    def _keep(self, top: int) -> None:
        """Forget what will not be among the first."""
        kept = list(islice(self.items(), top))
        for number, column in enumerate(self._columns):
            column.put(0, [values[number] for values, _ in kept])
            column.cut(top)
        self._places = array("q", [place for _, place in kept])
        self._runs = [(0, top)]

    def _value(self, number: int) -> tuple[Any, ...]:
        return tuple(column[number] for column in self._columns)


def _parts(value: Value) -> tuple[Any, ...]:
    """What a value is compared by, one part after the other. A list of texts, which has any length, is one part."""
    if not isinstance(value, tuple):
        return (value,)
    return ("\0".join(map(str, value)),) if any(isinstance(part, str) for part in value) or not value else value

"""`--sort` and `--top`: which rows, and in which order. Of a row its number is kept, and the value that ranks it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import Value
from dsconv_cli.layer.reading import integer
from dsconv_cli.sweep.columns import Column
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
        return islice(self._with_the_rest(place for _, place in self.items()), self._order.top)

    def items(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        """The values that rows were ranked by, in order, and their numbers."""
        self._sort_last()
        return self._merged()

    def _with_the_rest(self, ranked: Iterator[int]) -> Iterator[int]:
        yield from ranked
        yield from self._without

    @property
    def _sorted(self) -> int:
        return self._runs[-1][1] if self._runs else 0

    def _sort_last(self) -> None:
        start, end = self._sorted, len(self._places)
        if start == end:
            return
        self._put(start, sorted(range(start, end), key=self._value, reverse=self._order.descending))
        self._runs.append((start, end))
        top = self._order.top
        if top is not None and end > 2 * top + 2 * _RUN:
            self._keep(top)

    def _keep(self, top: int) -> None:
        """Forget what will not be among the first."""
        kept = list(islice(self._merged(), top))
        for number, column in enumerate(self._columns):
            column.put(0, [values[number] for values, _ in kept])
            column.cut(top)
        self._places = array("q", [place for _, place in kept])
        self._runs = [(0, top)]

    def _put(self, start: int, order: list[int]) -> None:
        for column in self._columns:
            column.put(start, [column[number] for number in order])
        self._places[start : start + len(order)] = array("q", [self._places[number] for number in order])

    def _value(self, number: int) -> tuple[Any, ...]:
        return tuple(column[number] for column in self._columns)

    def _merged(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        def run(start: int, end: int) -> Iterator[tuple[tuple[Any, ...], int]]:
            return ((self._value(number), self._places[number]) for number in range(start, end))

        runs = [run(*ends) for ends in self._runs]
        return merge(*runs, key=itemgetter(0), reverse=self._order.descending)


def _parts(value: Value) -> tuple[Any, ...]:
    """What a value is compared by, one part after the other. A list of texts, which has any length, is one part."""
    if not isinstance(value, tuple):
        return (value,)
    return ("\0".join(map(str, value)),) if any(isinstance(part, str) for part in value) or not value else value

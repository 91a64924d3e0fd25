"""Values of many rows in as little room as they take."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator
from itertools import repeat
from typing import Any


class Column:
    """Values of one kind: eight bytes for a number; of all else, which comes again and again, a reference."""

    def __init__(self) -> None:
        self._values: array[Any] | list[Any] = []
        self._met: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

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

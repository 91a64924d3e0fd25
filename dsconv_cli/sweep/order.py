"""`--sort` and `--top`: which rows, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from dsconv_cli.comparison.keys import NAMED_KEYS as KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.reading import integer
from dsconv_cli.sweep.keys import resolve

_DIRECTIONS: Final = {"desc": True, "asc": False}


@dataclass(frozen=True, slots=True)
class Order:
    """Rows by the value at `key`, the largest first if `descending`. `top` keeps only the first rows."""

    key: str
    descending: bool = True
    top: int | None = None

    def apply(self, rows: Iterable[Comparison]) -> Iterator[Comparison]:
        """The rows in order; equal ones stay as they came, rows without a value go last.

        With `top`, only that many rows are in memory at any time.
        """
        if self.top is None:
            return iter(sorted(rows, key=self._rank, reverse=self.descending))
        return iter((heapq.nlargest if self.descending else heapq.nsmallest)(self.top, rows, key=self._rank))

    def _rank(self, row: Comparison) -> tuple[bool, Any]:
        value = KEYS.read(row, self.key)
        return ((value is None) is not self.descending, 0 if value is None else value)


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

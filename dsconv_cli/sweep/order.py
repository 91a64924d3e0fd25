"""`--sort` and `--top`: which rows, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
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
        numbered = ((self._rank(row), number, row) for number, row in enumerate(rows))
        ordered = sorted(numbered, key=_place) if self.top is None else heapq.nsmallest(self.top, numbered, key=_place)
        return (row for _, _, row in ordered)

    def _rank(self, row: Comparison) -> tuple[bool, Any]:
        value = KEYS.read(row, self.key)
        if value is None:
            return (True, 0)
        if isinstance(value, str):
            return (False, tuple((-ord(letter) if self.descending else ord(letter)) for letter in value))
        if isinstance(value, tuple):
            return (False, tuple((-part if self.descending else part) for part in value if isinstance(part, int)))
        return (False, -value if self.descending else value)


def _place(entry: tuple[tuple[bool, Any], int, Comparison]) -> tuple[tuple[bool, Any], int]:
    return entry[:2]


def parse_order(sort: str | None, top: str | None, *, default: str) -> Order | None:
    """`--sort KEY[:asc|:desc]` and `--top N`. `default` is what `--top` alone ranks by.

    Raises:
        DsconvError: an unknown key or direction, or a number of rows that is no positive integer.
    """
    if sort is None and top is None:
        return None
    name, _, direction = (default if sort is None else sort).partition(":")
    if direction not in {"", *_DIRECTIONS}:
        raise DsconvError(f"--sort {sort}: the direction must be asc or desc, not {direction!r}")
    key = resolve(name, "--sort")
    if KEYS[key].type.kind == "text" and key == "time.warnings":
        raise DsconvError("--sort: time.warnings has no order")
    return Order(key, _DIRECTIONS[direction or "desc"], None if top is None else _rows(top))


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:19]) > 0):
        raise DsconvError(f"--top must be a positive integer, not {text!r}")
    return int(text[:19])

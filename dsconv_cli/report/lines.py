"""One layer, one line: CSV, JSON Lines and bare values, written while the sweep goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.environment import Environment
from dsconv_cli.report.csv_ import cell

Line = Callable[[Comparison], str]

#: Types that `csv` writes as `cell` does.
_AS_THEY_ARE: Final = frozenset({int, float, str})

#: What comes after the layer itself, and is the same in every row where nothing is measured.
_AFTERMATH: Final = frozenset({*(section.name for section in KEYS.optional), "environment"})

#: Shapes, pairs and truth come again and again.
_known_cell = lru_cache(4096)(cell)


def csv_header(keys: tuple[str, ...]) -> str:
    """The columns' names."""
    return ",".join(keys) + "\n"


def csv_line(keys: tuple[str, ...]) -> Line:
    """A writer of CSV rows with the values at `keys`."""
    own = len(keys)
    while own > 1 and keys[own - 1].partition(".")[0] in _AFTERMATH:
        own -= 1
    head, tail = keys[:own], keys[own:]
    write_all, write_head, write_tail = _cells_writer(keys), _cells_writer(head), _cells_writer(tail)
    ending: tuple[Environment | None, str] = (None, "")

    def line(one: Comparison) -> str:
        nonlocal ending
        if not tail or one.counted is not None or one.time is not None or one.recorded is not None:
            return write_all(one)
        machine = one.environment
        if ending[0] is not machine:
            ending = (machine, write_tail(one))
        return f"{write_head(one)[:-1]},{ending[1]}"

    return line


def _cells_writer(keys: tuple[str, ...]) -> Line:
    out = _LastLine()
    write = csv.writer(out, lineterminator="\n").writerow

    def line(one: Comparison) -> str:
        row = KEYS.read_all(one, keys)
        write([value if type(value) in _AS_THEY_ARE else _known_cell(value) for value in row])
        return out.text

    return line


class _LastLine:
    """What `csv.writer` wrote last: it writes each row at once."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def json_line(keys: tuple[str, ...]) -> Line:
    """A writer of documents on one line; with fewer than all keys, of documents with just those."""
    if keys == tuple(KEYS):
        return lambda one: json.dumps(KEYS.document(one), allow_nan=False) + "\n"

    def line(one: Comparison) -> str:
        nested: dict[str, Any] = {}
        for key, value in zip(keys, KEYS.read_all(one, keys), strict=True):
            *sections, last = key.split(".")
            inner = nested
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[last] = list(value) if isinstance(value, tuple) else value
        return json.dumps(nested, allow_nan=False) + "\n"

    return line


def bare_line(keys: tuple[str, ...]) -> Line:
    """A writer of one bare value a line, for `--get`."""
    return lambda one: cell(KEYS.read_all(one, keys)[0]) + "\n"


def no_header(_: tuple[str, ...]) -> str:
    """JSON Lines have none."""
    return ""


#: Formats that stream, by name: their header and their lines.
STREAMED: Final[Mapping[str, tuple[Callable[[tuple[str, ...]], str], Callable[[tuple[str, ...]], Line]]]] = (
    MappingProxyType(
        {
            "csv": (csv_header, csv_line),
            "json": (no_header, json_line),
            "jsonl": (no_header, json_line),
            "bare": (no_header, bare_line),
        }
    )
)

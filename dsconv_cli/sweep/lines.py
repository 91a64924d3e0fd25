"""One layer, one line: CSV, JSON Lines and bare values, written while the sweep goes on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli.comparison import KEYS, Comparison, document, values
from dsconv_cli.render.csv_ import cell

Line = Callable[[Comparison], str]

#: Types that `csv` writes as `cell` does.
_AS_THEY_ARE: Final = frozenset({int, float, str})

#: Shapes and pairs come again and again.
_cell_of_tuple = lru_cache(4096)(cell)


def csv_header(keys: tuple[str, ...]) -> str:
    """The columns' names."""
    return ",".join(keys) + "\n"


def csv_line(keys: tuple[str, ...]) -> Line:
    """A writer of CSV rows with the values at `keys`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")

    def line(one: Comparison) -> str:
        writer.writerow(
            [
                value if type(value) in _AS_THEY_ARE else _cell_of_tuple(value) if type(value) is tuple else cell(value)
                for value in values(one, keys)
            ]
        )
        text = out.getvalue()
        out.seek(0)
        out.truncate()
        return text

    return line


def json_line(keys: tuple[str, ...]) -> Line:
    """A writer of documents on one line; with fewer than all keys, of documents with just those."""
    if keys == tuple(KEYS):
        return lambda one: json.dumps(document(one), allow_nan=False) + "\n"

    def line(one: Comparison) -> str:
        nested: dict[str, Any] = {}
        for key, value in zip(keys, values(one, keys), strict=True):
            *sections, last = key.split(".")
            inner = nested
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[last] = list(value) if isinstance(value, tuple) else value
        return json.dumps(nested, allow_nan=False) + "\n"

    return line


def bare_line(keys: tuple[str, ...]) -> Line:
    """A writer of one bare value a line, for `--get`."""
    return lambda one: cell(values(one, keys)[0]) + "\n"


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

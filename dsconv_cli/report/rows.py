"""One layer, one line: CSV, JSON Lines and bare values, written while the sweep goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli import data
from dsconv_cli.comparison.keys import RUNTIMES, keys_of
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import Apply, applied
from dsconv_cli.sweep.compiled.plan import ToLine
from dsconv_cli.sweep.keys import KEYS
from dsconv_cli.text import printable

Keys = tuple[str, ...]


def csv_header(keys: Keys) -> str:
    """The columns' names."""
    return data.csv_line()(keys)


def csv_line(keys: Keys) -> ToLine:
    """A writer of CSV rows with the values at `keys`."""
    write = data.csv_line()
    return lambda one, apply=applied: write(KEYS.read_all(one, keys, apply))


def json_line(keys: Keys) -> ToLine:
    """A writer of documents on one line; with fewer than all keys, of documents with just those."""
    runtimes = tuple(dict.fromkeys(key.split(".")[1] for key in keys if key.startswith(f"{RUNTIMES}.")))
    for named, shared in product((False, True), repeat=2):
        whole = keys_of(runtimes, named=named, shared=shared)
        if keys == tuple(whole):
            document = whole.document
            return lambda one, apply=applied: data.json_line(document(one, apply))

    def line(one: Comparison, apply: Apply = applied) -> str:
        nested: dict[str, Any] = {}
        for key, value in zip(keys, KEYS.read_all(one, keys, apply), strict=True):
            *outer, last = key.split(".")
            inner = nested
            for part in outer:
                inner = inner.setdefault(part, {})
            inner[last] = value
        return data.json_line(nested)

    return line


def bare_line(keys: Keys) -> ToLine:
    """A writer of one bare value a line, for `--get`."""
    return lambda one, apply=applied: printable(data.bare(KEYS.read_all(one, keys, apply)[0])) + "\n"


def _no_header(_: Keys) -> str:
    return ""


#: What streams, by format, and "bare" for `--get`: the header and the lines.
STREAMED: Final[Mapping[str, tuple[Callable[[Keys], str], Callable[[Keys], ToLine]]]] = MappingProxyType(
    {
        "csv": (csv_header, csv_line),
        "json": (_no_header, json_line),
        "jsonl": (_no_header, json_line),
        "bare": (_no_header, bare_line),
    }
)

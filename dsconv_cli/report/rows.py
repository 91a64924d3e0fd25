"""One layer, one line: CSV, JSON Lines and bare values, written while the sweep goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli import data
from dsconv_cli.comparison.keys import KEYS, NAMED_KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.environment import Environment
from dsconv_cli.text import printable

Keys = tuple[str, ...]
ToLine = Callable[[Comparison], str]

#: What comes after the layer itself, and is the same in every row where nothing is measured.
_AFTERMATH: Final = frozenset({*(section.name for section in KEYS.optional), "environment"})


def csv_header(keys: Keys) -> str:
    """The columns' names."""
    return data.csv_line()(keys)


def csv_line(keys: Keys) -> ToLine:
    """A writer of CSV rows with the values at `keys`."""
    own = len(keys)
    while own > 1 and keys[own - 1].partition(".")[0] in _AFTERMATH:
        own -= 1
    head, tail = keys[:own], keys[own:]
    write = data.csv_line()
    ending: tuple[Environment | None, str] = (None, "")

    def line(one: Comparison) -> str:
        nonlocal ending
        if not tail or one.counted is not None or one.time is not None or one.recorded is not None:
            return write(NAMED_KEYS.read_all(one, keys))
        machine = one.environment
        if ending[0] is not machine:
            ending = (machine, write(NAMED_KEYS.read_all(one, tail)))
        return f"{write(NAMED_KEYS.read_all(one, head))[:-1]},{ending[1]}"

    return line


def json_line(keys: Keys) -> ToLine:
    """A writer of documents on one line; with fewer than all keys, of documents with just those."""
    for whole in (KEYS, NAMED_KEYS):
        if keys == tuple(whole):
            document = whole.document
            return lambda one: data.json_line(document(one))

    def line(one: Comparison) -> str:
        nested: dict[str, Any] = {}
        for key, value in zip(keys, NAMED_KEYS.read_all(one, keys), strict=True):
            *outer, last = key.split(".")
            inner = nested
            for part in outer:
                inner = inner.setdefault(part, {})
            inner[last] = value
        return data.json_line(nested)

    return line


def bare_line(keys: Keys) -> ToLine:
    """A writer of one bare value a line, for `--get`."""
    return lambda one: printable(data.bare(NAMED_KEYS.read_all(one, keys)[0])) + "\n"


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

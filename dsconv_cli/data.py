"""Values as programs read them: bare text, CSV, JSON. As people read them, see `numbers`.

`csv` and `json` are imported where they are used: for one bare value they would be the longest part of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from dsconv_cli.text import printable

#: Types that `csv` writes as `bare` does.
_AS_THEY_ARE: Final = frozenset({int, float})
#: What makes a formula of a cell, where a spreadsheet opens the file; an option that we name is none.
_FORMULA: Final = re.compile(r"(?!--[a-z][a-z-]*( [^=+@|!]*)?$)[=+@-]")


def bare(value: object) -> str:
    """One value as text at full precision, as the options read it: `1.5`, `true`, `2,1`; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        # Sentences have commas of their own.
        return ("; " if any(isinstance(part, str) for part in value) else ",").join(map(str, value))
    return str(value)


# Shapes, pairs, words and truth come again and again.
@lru_cache(4096)
def _cell(value: object) -> str:
    """`bare`, where a text from elsewhere stays a text of one line. No number comes here that begins with a sign."""
    text = printable(bare(value))
    return f"'{text}" if _FORMULA.match(text) else text


def csv_line() -> Callable[[Iterable[object]], str]:
    """A function from values to a line of CSV. Missing values are empty cells."""
    import csv

    out = _LastLine()
    write = csv.writer(out, lineterminator="\n").writerow

    def line(values: Iterable[object]) -> str:
        write([value if type(value) in _AS_THEY_ARE else _cell(value) for value in values])
        return out.text

    return line


class _LastLine:
    """What `csv.writer` wrote last: it writes each row at once."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, the header first."""
    return "".join(map(csv_line(), rows))


def at(document: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key; None where a section on the way is not there."""
    value: Any = document
    for part in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def json_line(document: Any) -> str:
    """A document on one line of its own, so that files can be concatenated."""
    import json

    return json.dumps(document, allow_nan=False) + "\n"

"""A page as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from dsconv_cli.report.page import Block, Cell, Column, Facts, Item, Items, Layouts, Line, Page, Table
from dsconv_cli.text import printable

#: What Markdown would take for its own. An underscore inside a word is none of it.
_SPECIAL: Final = re.compile(r"[\\`*<\[\]|&~]|(?<![^\W_])_|_(?![^\W_])")
_TICKS: Final = re.compile(r"`+")
_FACTS: Final = (Column("", left=True), Column("", left=True))


def lines_of(page: Page) -> Iterator[str]:
    """The page line by line, each with its end, and never two blank ones in a row."""
    above = blank = False
    for section in page.sections:
        for line in _section(section):
            if line:
                yield f"\n{line}\n" if above and blank else f"{line}\n"
                above, blank = True, False
            blank = blank or not line
        blank = True


def escaped(text: str) -> str:
    """`text` that means itself."""
    return _SPECIAL.sub(r"\\\g<0>", printable(text))


def _section(section: Iterable[Block]) -> Iterator[str]:
    """The lines of a section; blank ones may come in a row."""
    for block, below in pairwise((*section, None)):
        match block:
            case Line(text, "lead"):
                yield from ("", escaped(text), "")
            case Line(text, tone):
                said = f"**{escaped(text)}**" if tone == "strong" else escaped(text)
                yield f"{said}  " if isinstance(below, Line) else said
            case Items():
                yield from ("", *map(_item, block.items), "")
            case Facts():
                yield from _table(Table(_FACTS, [(Cell(name), Cell(text)) for name, text in block.facts]))
            case Table():
                yield from _table(block)
            case Layouts():
                yield from _table(block.flowing)


def _item(item: Item) -> str:
    mark = f"{item.mark.text}: " if item.mark.text else ""
    return "- " + escaped(mark + "; ".join((item.text, *item.more)))


def _table(table: Table) -> Iterator[str]:
    yield ""
    yield _row(escaped(column.heading) for column in table.columns)
    yield _row(":---" if column.left else "---:" for column in table.columns)
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        yield _row(_name(cell.text) if column.name else escaped(cell.text) for column, cell in cells)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(text: str) -> str:
    """A name as code, with the spaces that indent it before."""
    name = printable(text.lstrip(" "))
    indent = "&nbsp;" * (len(text) - len(text.lstrip(" ")))
    ticks = "`" * (1 + max(map(len, _TICKS.findall(name)), default=0))
    # A table ends its cells at bars, even in code.
    name = name.replace("|", "\\|")
    return f"{indent}{ticks}{name}{ticks}" if len(ticks) == 1 else f"{indent}{ticks} {name} {ticks}"

"""A page as text, for terminals and pipes. Rearranged where it is too wide, never cut off.

Ours and not rich's: rows of a sweep come by the hundred thousand, and a terminal waits for the first of them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from operator import gt
from typing import Final, NamedTuple
from unicodedata import east_asian_width

from dsconv_cli.numbers import ascii_text
from dsconv_cli.report.page import Block, Cell, Facts, Items, Layouts, Line, Page, Table, Tone, View
from dsconv_cli.text import printable

_COLORS: Final[Mapping[Tone, str]] = {
    "strong": "\x1b[1m", "lead": "\x1b[1m", "good": "\x1b[32m", "bad": "\x1b[31m", "doubt": "\x1b[33m",
    "dim": "\x1b[2m", "plain": "",
}  # fmt: skip
_RESET: Final = "\x1b[0m"
#: Between two columns.
_GAP: Final = "  "
#: No column is folded to less than this, and no text wrapped to less.
_NARROWEST: Final = 6
#: Stands after a sign that takes two columns, so that lengths are columns; dropped in the end.
_FILLER: Final = "\0"


def render(page: Page, view: View) -> str:
    """The page as text that ends in a newline."""
    return "".join(lines_of(page, view))


def lines_of(page: Page, view: View) -> Iterator[str]:
    """The same line by line, each with its end."""
    layout = _Layout(view, max(view.width or page.reading_width, _NARROWEST))
    for number, section in enumerate(page.sections):
        if number:
            yield "\n"
        for block in section:
            for line in layout.block(block):
                yield line.replace(_FILLER, "") + "\n"


@lru_cache(4096)
def _columns(text: str, unicode: bool) -> str:
    """`text` harmless, in the signs there are, and as long as it is wide."""
    text = printable(text)
    if not unicode:
        return ascii_text(text)
    if text.isascii():
        return text
    return "".join(sign + _FILLER if east_asian_width(sign) in "WF" else sign for sign in text)


class _Layout(NamedTuple):
    """The blocks of a page as lines. `width` is that of text; tables are limited only where the view is."""

    view: View
    width: int

    def block(self, block: Block) -> Iterator[str]:
        """The lines of one block."""
        match block:
            case Line():
                yield from self._hanging("", block.text, tone=block.tone)
            case Items():
                yield from self._items(block)
            case Facts():
                names = [self._sign(name) for name, _ in block.facts]
                widest = max(map(len, names), default=0)
                for name, (_, text) in zip(names, block.facts, strict=True):
                    yield from self._hanging(f"{name:<{widest}} ", text)
            case Table():
                yield from self._table([block], block)
            case Layouts():
                yield from self._table(block.tables, block.flowing)

    def _sign(self, text: str) -> str:
        return _columns(text, self.view.unicode)

    def _paint(self, text: str, tone: Tone) -> str:
        color = _COLORS[tone]
        return f"{color}{text}{_RESET}" if color and text and self.view.color else text

    def _hanging(self, first: str, text: str, shown: str = "", tone: Tone = "plain") -> Iterator[str]:
        """`text` after `first`, which is shown as `shown`, and continued under its own beginning."""
        lines = _wrapped(self._sign(text), self.width - len(first))
        yield (shown or first) + self._paint(lines[0], tone)
        yield from (" " * len(first) + self._paint(line, tone) for line in lines[1:])

    def _items(self, block: Items) -> Iterator[str]:
        marks = [self._sign(item.mark.text) for item in block.items]
        widest = max(map(len, marks), default=0)
        for item, mark in zip(block.items, marks, strict=True):
            if widest:
                first = f"  {mark:<{widest}}{_GAP}"
                shown = f"  {self._paint(mark, item.mark.tone)}{' ' * (widest - len(mark))}{_GAP}"
            else:
                first = shown = f"  {block.bullet}"
            yield from self._hanging(first, item.text, shown)
            for text in item.more:
                yield from self._hanging(" " * len(first) + _GAP, text)

    def _table(self, tables: Sequence[Table], flowing: Table) -> Iterator[str]:
        """The first of `tables` that fits, the last one folded, or in the narrowest of windows one figure a line."""
        limit = self.view.width
        for table in tables:
            widths = self._widths(table)
            if limit is None or _whole(widths) <= limit:
                return self._grid(table, widths)
        folded = _folded(tables[-1], widths, limit or 0)
        return self._list(flowing) if folded is None else self._grid(tables[-1], folded)

    def _widths(self, table: Table) -> list[int]:
        widths = [len(self._sign(column.heading)) for column in table.columns]
        for row in table.rows:
            widths = [max(width, len(self._sign(cell.text))) for width, cell in zip(widths, row, strict=True)]
        return widths

    def _grid(self, table: Table, widths: Sequence[int]) -> Iterator[str]:
        yield from self._row(table, widths, [Cell(column.heading, "strong") for column in table.columns])
        sign = "─" if self.view.unicode else "-"
        if table.rule == "line":
            yield self._paint(sign * _whole(widths), "dim")
        elif table.rule == "columns":
            yield self._paint(_GAP.join(sign * width for width in widths), "dim")
        for row in table.rows:
            yield from self._row(table, widths, row)

    def _row(self, table: Table, widths: Sequence[int], row: Sequence[Cell]) -> Iterator[str]:
        """The lines of one row: one, unless a cell is folded."""
        texts = [self._sign(cell.text) for cell in row]
        if any(map(gt, map(len, texts), widths)):
            folded = [_wrapped(text, width) for text, width in zip(texts, widths, strict=True)]
            lines = list(zip_longest(*folded, fillvalue=""))
        else:
            lines = [tuple(texts)]
        for line in lines:
            yield self._aligned(table, widths, row, line)

    def _aligned(self, table: Table, widths: Sequence[int], row: Sequence[Cell], texts: Sequence[str]) -> str:
        last = len(texts) - 1
        while last > 0 and not texts[last]:
            last -= 1
        parts = [
            text.rjust(width) if not column.left else text.ljust(width) if place < last else text
            for place, (text, width, column) in enumerate(zip(texts, widths, table.columns, strict=True))
            if place <= last
        ]
        if self.view.color:
            parts = [self._paint(part, cell.tone) for part, cell in zip(parts, row, strict=False)]
        return _GAP.join(parts)

    def _list(self, table: Table) -> Iterator[str]:
        """One figure a line."""
        headings = [self._sign(column.heading) for column in table.columns]
        widest = 0 if table.labelled else max(map(len, headings))
        for number, row in enumerate(table.rows):
            if number and not table.labelled:
                yield ""
            for place, (heading, cell) in enumerate(zip(headings, row, strict=True)):
                if table.labelled and not place:
                    yield from self._hanging("", cell.text, tone="strong")
                elif cell.text:
                    first = f"  {heading} " if table.labelled else f"{heading:<{widest}}{_GAP}"
                    yield from self._hanging(first, cell.text, tone=cell.tone)


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines, broken between words, and inside those that are longer than a line."""
    return textwrap.wrap(text, max(width, _NARROWEST), break_on_hyphens=False) or [""]


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _folded(table: Table, widths: Sequence[int], limit: int) -> list[int] | None:
    """Widths that fit, the widest of the columns that fold taken in first; None where that makes them too narrow."""
    widths = list(widths)
    for _ in range(_whole(widths) - limit):
        free = [place for place, column in enumerate(table.columns) if column.folds and widths[place] > _NARROWEST]
        if not free:
            return None
        widths[max(free, key=lambda place: widths[place])] -= 1
    return widths

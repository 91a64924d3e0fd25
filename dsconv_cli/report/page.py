"""What a result says to people, before any layout: lines, lists and tables, in sections. Plain values.

Named tuples: making a frozen dataclass takes eight times as long, and all of them are made before the first figure.

A command has a function from its result to a `Page`; a format lays out any page and knows no command.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, Literal, NamedTuple

from dsconv_cli.gates import Verdict
from dsconv_cli.keys import Keys, Result, Value

#: How a text is meant. "lead" introduces the list below it; "doubt" is neither good nor bad.
Tone = Literal["plain", "strong", "lead", "good", "bad", "doubt", "dim"]


class Line(NamedTuple):
    """A line of text, as long as it likes: who lays it out wraps it."""

    text: str
    tone: Tone = "plain"


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    tone: Tone = "plain"


class Item(NamedTuple):
    """A point of a list. `mark` stands before it, such as an answer or a name; `more` are lines below it."""

    text: str
    mark: Cell = Cell("")
    more: tuple[str, ...] = ()


class Items(NamedTuple):
    """A list. `bullet` stands before points that have no mark of their own."""

    items: tuple[Item, ...]
    bullet: str = "- "


class Facts(NamedTuple):
    """Names and what is said of them, one below the other."""

    facts: tuple[tuple[str, str], ...]


class Column(NamedTuple):
    """A column of a table. Numbers stand to the right, words to the `left`.

    What `folds` may be wrapped where there is no other way. `name` marks names from elsewhere, such as layers': a
    format may set them apart.
    """

    heading: str
    left: bool = False
    folds: bool = False
    name: bool = False


class Table(NamedTuple):
    """A table. `rule` is what stands under the headings: one line, one for each column, or nothing.

    `labelled`: the first cell says what a row is. `rows` may be gone through several times.
    """

    columns: tuple[Column, ...]
    rows: Collection[tuple[Cell, ...]]
    rule: Literal["line", "columns", "none"] = "line"
    labelled: bool = True


class Layouts(NamedTuple):
    """The same figures as several tables. Where width is limited, the first of `tables` that fits is shown.

    `flowing` is for a format that knows no width.
    """

    flowing: Table
    tables: tuple[Table, ...]


Block = Line | Items | Facts | Table | Layouts


class Page(NamedTuple):
    """Sections of blocks: the output of `command`.

    Where nothing limits the width, text is wrapped at `reading_width` columns.
    """

    sections: tuple[tuple[Block, ...], ...]
    command: str = "dsconv"
    reading_width: int = 80


class View(NamedTuple):
    """What shows a page: how many columns it has (None: as many as it takes), Unicode, colours."""

    width: int | None = None
    unicode: bool = True
    color: bool = False


#: A file.
PLAIN: Final = View()


class Place(NamedTuple):
    """A file, and a line in it, from 1; 0 where it is not known."""

    file: str
    line: int = 0


class Report(NamedTuple):
    """A result as the formats take it, each part made when one asks for it.

    `document` is the JSON value, `rows` are those of CSV, the header first; `picture` draws the result in a kind such
    as "svg", `bars` its times on several runtimes. `verdicts` are what its gates came to, `place` is where the code is
    that it is about.
    """

    page: Callable[[], Page]
    document: Callable[[], Any]
    rows: Callable[[], Iterable[Iterable[Value]]]
    picture: Callable[[str], bytes] | None = None
    bars: Callable[[str], bytes] | None = None
    verdicts: tuple[Verdict, ...] = ()
    place: Place | None = None


def report_of(
    keys: Keys[Result], result: Result, page: Callable[[], Page], picture: Callable[[str], bytes] | None = None
) -> Report:
    """The report of a result that has keys: one document, and one row of what this run has."""

    def rows() -> Iterable[Iterable[Value]]:
        columns = keys.columns(keys.missing(result))
        return (columns, keys.read_all(result, columns))

    return Report(page, lambda: keys.document(result), rows, picture)

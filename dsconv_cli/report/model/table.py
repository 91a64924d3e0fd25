"""The network's table for terminals. Rearranged where it is too wide, never cut off."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from dsconv_cli.model.result import ModelResult
from dsconv_cli.numbers import ascii_text
from dsconv_cli.report.model import Shown, content
from dsconv_cli.report.model.content import Cells
from dsconv_cli.report.table import READING_WIDTH, make_console

_ASCII_RULE: Final = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
_RULE: Final = box.Box("    \n    \n ── \n    \n    \n ── \n    \n    \n")
_INDENT: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and the cell that stands under it."""

    heading: str
    cell: Callable[[Cells], str]
    right: bool = True


_TYPE: Final = Column("type", lambda one: one.type, right=False)
_WEIGHT: Final = Column("weight", lambda one: one.weight)
_OUTPUT: Final = Column("output", lambda one: one.output)
_PARAMS: Final = Column("parameters", lambda one: one.params)
_MACS: Final = Column("MACs", lambda one: one.macs)
_PARAMS_SHORT: Final = Column("params", lambda one: one.params_scaled)
_MACS_SHORT: Final = Column("MACs", lambda one: one.macs_scaled)
_SHARE: Final = Column("share", lambda one: one.share)
_AFTER: Final = Column("after", lambda one: one.after)
_AFTER_SHORT: Final = Column("after", lambda one: one.after_scaled)
_RATIO: Final = Column("ratio", lambda one: one.ratio)
_TIME: Final = Column("time", lambda one: one.time)

#: From the widest to the narrowest; the first that fits is shown.
_LAYOUTS: Final = (
    (_TYPE, _WEIGHT, _OUTPUT, _PARAMS, _MACS, _SHARE, _AFTER, _RATIO, _TIME),
    (_TYPE, _WEIGHT, _PARAMS_SHORT, _MACS_SHORT, _SHARE, _AFTER_SHORT, _RATIO, _TIME),
    (_WEIGHT, _PARAMS_SHORT, _MACS_SHORT, _SHARE, _AFTER_SHORT, _RATIO, _TIME),
    (_WEIGHT, _MACS_SHORT, _SHARE, _AFTER_SHORT, _RATIO, _TIME),
    (_MACS_SHORT, _SHARE, _AFTER_SHORT, _RATIO, _TIME),
    (_MACS_SHORT, _SHARE, _RATIO),
)


def render(result: ModelResult, shown: Shown) -> str:
    """The table as text."""
    out = io.StringIO()
    view = shown.view
    width = natural_width(result, shown) if view.width is None else view.width
    make_console(out, view, width).print(renderable(result, shown), soft_wrap=False)
    return "".join(line.rstrip() + "\n" if not view.color else line + "\n" for line in out.getvalue().splitlines())


def natural_width(result: ModelResult, shown: Shown) -> int:
    """The width that the widest layout takes when nothing limits it."""
    return max(READING_WIDTH, _width(_layers(result, shown, _LAYOUTS[0])))


def renderable(result: ModelResult, shown: Shown) -> RenderableType:
    """Title, layers, totals, and what was replaced."""
    return Group(*_blocks(result, shown))


def _blocks(result: ModelResult, shown: Shown) -> Iterator[RenderableType]:
    sign = _signs(shown)
    yield Text(sign(content.title(result)), style="bold")
    yield Text(sign(content.shapes(result)))
    yield Text(sign(content.counted_by(result)), style="dim")
    yield Text()
    yield _fitting(result, shown)
    hidden = content.hidden_note(result, content.lines(result, shown), shown)
    if hidden is not None:
        yield Text(sign(hidden), style="dim")
    yield Text()
    yield _totals(result, shown)
    yield Text()
    for said in (*content.summary(result), *content.time_lines(result)):
        yield Text(sign(said))
    yield Text(sign(content.UNITS_NOTE), style="dim")


def _fitting(result: ModelResult, shown: Shown) -> RenderableType:
    """The first layout that fits; in the last one long names and notes are wrapped."""
    for columns in _LAYOUTS:
        table = _layers(result, shown, columns)
        if shown.view.width is None or _width(table) <= shown.view.width:
            return table
    return _layers(result, shown, _LAYOUTS[-1], wrap=True)


def _layers(result: ModelResult, shown: Shown, columns: Sequence[Column], *, wrap: bool = False) -> Table:
    sign = _signs(shown)
    rows = [content.cells(result, line) for line in content.lines(result, shown)]
    # A column in which nothing stands is left out: times that were not measured, ratios where nothing is eligible.
    columns = [column for column in columns if any(column.cell(row) for row in rows)]
    table = _table(shown)
    table.add_column("layer", no_wrap=not wrap, overflow="fold")
    for column in columns:
        table.add_column(sign(column.heading), justify="right" if column.right else "left", no_wrap=True)
    table.add_column("replaced", no_wrap=not wrap, overflow="fold")
    for row in rows:
        name = Text(sign(" " * (_INDENT * row.level) + row.label), style="bold" if row.group else "")
        texts = [_styled(column, row, sign) for column in columns]
        table.add_row(name, *texts, Text(sign(row.note), style=_NOTE_STYLES[row.mark]))
    return table


_NOTE_STYLES: Final = {"replaced": "green", "kept": "yellow", "": "dim"}


def _styled(column: Column, row: Cells, sign: Callable[[str], str]) -> Text:
    style = "bold" if row.group else ""
    if column is _RATIO and row.ratio:
        style = "dim" if row.mark != "replaced" else "green"
    return Text(sign(column.cell(row)), style=style)


def _totals(result: ModelResult, shown: Shown) -> Table:
    sign = _signs(shown)
    table = _table(shown)
    table.add_column("total")
    for heading in ("before", "after", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, before, after, ratio in content.total_rows(result):
        table.add_row(label, sign(before), sign(after), Text(sign(ratio), style="green" if result.replaced else ""))
    return table


def _table(shown: Shown) -> Table:
    return Table(
        box=_RULE if shown.view.unicode else _ASCII_RULE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        border_style="dim",
    )


def _width(table: RenderableType) -> int:
    probe = Console(width=10_000, file=io.StringIO(), color_system=None)
    return probe.measure(table).maximum


def _signs(shown: Shown) -> Callable[[str], str]:
    return str if shown.view.unicode else ascii_text

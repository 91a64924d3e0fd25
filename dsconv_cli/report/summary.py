"""What a sweep says as a whole, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Final

from dsconv_cli.keys import Value
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.numbers import times
from dsconv_cli.report import answer
from dsconv_cli.report.page import Cell, Column, Item, Items, Line, Page, Report, Table
from dsconv_cli.sweep.summary import Spread, Summary

_COLUMNS: Final = (Column("ratio", left=True), *map(Column, ("min", "median", "geometric mean", "max")))
#: Ratios that are another's too are told once.
_REPEATED: Final = frozenset(f"{one.name}.ratio" for one in METRICS.values() if one.repeats)
_CSV: Final = ("key", "layers", "min", "median", "geometric_mean", "max", "losing")


def report(summary: Summary) -> Report:
    """The summary for every format."""
    return Report(partial(page, summary), summary.to_dict, partial(_rows, summary))


def page(summary: Summary) -> Page:
    """The answer, each ratio's spread, and where the separable form loses."""
    values = {spread.key: spread.values for spread in summary.spreads}
    told = (values.get(key, ()) for key in answer.RATIOS)
    spreads = tuple(spread for spread in summary.spreads if spread.key not in _REPEATED)
    rows = [(Cell(_name(spread)), *(Cell(times(value)) for value in _figures(spread))) for spread in spreads]
    return Page(
        (
            (Line(answer.of_layers(*told), "strong"),),
            (Table(_COLUMNS, rows, "none"), Line("Ratios are ordinary ÷ separable.", "dim")),
            (
                Line("Where the separable form loses (ratio below 1):", "lead"),
                Items(tuple(_losing(summary, spread) for spread in spreads)),
            ),
        ),
        reading_width=100,
    )


def _losing(summary: Summary, spread: Spread) -> Item:
    told, where = summary.losing(spread)
    return Item(told, Cell(_name(spread)), where)


def _rows(summary: Summary) -> Iterator[tuple[Value, ...]]:
    yield _CSV
    for spread in summary.spreads:
        yield (spread.key, summary.layers, *_figures(spread), spread.losing)


def _figures(spread: Spread) -> tuple[float, ...]:
    return (min(spread.values), median(spread.values), spread.geometric_mean, max(spread.values))


def _name(spread: Spread) -> str:
    return spread.key.removesuffix(".ratio").removesuffix(".value")

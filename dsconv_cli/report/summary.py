"""What a sweep says as a whole, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import geometric_mean, median
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
    values = {spread.key: spread.values for spread in summary.spreads if not summary.is_apart(spread)}
    told = [answer.Tally(values.get(key, ())) for key in answer.RATIOS]
    middle: dict[str, float] = {key: median(values[key]) for key in answer.RATIOS if key in values}
    spreads = tuple(spread for spread in summary.spreads if spread.key not in _REPEATED)
    rows = [(Cell(_name(summary, spread)), *(Cell(times(value)) for value in _figures(spread))) for spread in spreads]
    kinds = (Line(f"kind {number} is {machines}") for number, machines in enumerate(summary.kinds, 1))
    return Page(
        (
            (Line(answer.of_layers(told, middle), "strong"), *kinds),
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
    return Item(told, Cell(_name(summary, spread)), where)


def _rows(summary: Summary) -> Iterator[tuple[Value, ...]]:
    yield (*_CSV, *(["kind"] if summary.kinds else []))
    for spread in summary.spreads:
        apart = [summary.kinds[spread.kind - 1] if spread.kind else None] if summary.kinds else []
        yield (spread.key, summary.layers_of(spread), *_figures(spread), spread.losing, *apart)


def _figures(spread: Spread) -> tuple[float, ...]:
    return (min(spread.values), median(spread.values), geometric_mean(spread.values), max(spread.values))


def _name(summary: Summary, spread: Spread) -> str:
    name = spread.key.removesuffix(".ratio").removesuffix(".value")
    return f"{name}, kind {spread.kind}" if summary.is_apart(spread) else name

"""What a sweep says as a whole, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Final

from dsconv_cli.keys import Value
from dsconv_cli.numbers import times
from dsconv_cli.report.page import Cell, Column, Item, Items, Line, Page, Report, Table
from dsconv_cli.sweep.summary import Spread, Summary

_COLUMNS: Final = (Column("ratio", left=True), *map(Column, ("min", "median", "geometric mean", "max")))
_CSV: Final = ("key", "layers", "min", "median", "geometric_mean", "max", "losing")


def report(summary: Summary) -> Report:
    """The summary for every format."""
    return Report(partial(page, summary), summary.to_dict, partial(_rows, summary))


def page(summary: Summary) -> Page:
    """Each ratio's spread, and where the separable form loses."""
    spreads = tuple(summary.spreads)
    rows = [(Cell(_name(summary, spread)), *(Cell(times(value)) for value in _figures(spread))) for spread in spreads]
    return Page(
        (
            (Line(f"{summary.layers:,} layers; ratios are ordinary ÷ separable"), *_kinds(summary)),
            (Table(_COLUMNS, rows, "none"),),
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


def _kinds(summary: Summary) -> Iterator[Line]:
    """Which machines timed, where they are of several kinds."""
    return (Line(f"kind {number} is {told}") for number, told in enumerate(summary.kinds, 1))


def _rows(summary: Summary) -> Iterator[tuple[Value, ...]]:
    yield (*_CSV, *(["kind"] if summary.kinds else []))
    for spread in summary.spreads:
        apart = [summary.kinds[spread.kind - 1] if spread.kind else None] if summary.kinds else []
        layers = len(spread.values) if apart and spread.kind else summary.layers
        yield (spread.key, layers, *_figures(spread), spread.losing, *apart)


def _figures(spread: Spread) -> tuple[float, ...]:
    return (min(spread.values), median(spread.values), spread.geometric_mean, max(spread.values))


def _name(summary: Summary, spread: Spread) -> str:
    name = spread.key.removesuffix(".ratio").removesuffix(".value")
    return f"{name}, kind {spread.kind}" if summary.kinds and spread.kind else name

"""A sweep's summary as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from statistics import median
from typing import Final

from dsconv_cli.numbers import ascii_text, times
from dsconv_cli.report import View
from dsconv_cli.report.markdown import table as markdown_table
from dsconv_cli.sweep.summary import Spread, Summary

_HEADER: Final = ("ratio", "min", "median", "geometric mean", "max")
_BOLD: Final = "\x1b[1m{}\x1b[0m"


def lines(summary: Summary, format_name: str, view: View) -> Iterator[str]:
    """The lines of the summary in a format of `--format`."""
    if format_name == "json":
        yield json.dumps(summary.to_dict(), allow_nan=False)
    elif format_name == "csv":
        yield from _csv(summary)
    elif format_name == "markdown":
        yield from _markdown(summary)
    elif format_name == "table":
        yield from _table(summary, view)


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    return [
        (
            spread.key.removesuffix(".ratio").removesuffix(".value"),
            times(min(spread.values)),
            times(median(spread.values)),
            times(spread.geometric_mean),
            times(max(spread.values)),
        )
        for spread in summary.spreads
    ]


def _name(spread: Spread) -> str:
    return spread.key.removesuffix(".ratio").removesuffix(".value")


def _table(summary: Summary, view: View) -> Iterator[str]:
    sign = str if view.unicode else ascii_text
    rows = [tuple(map(sign, row)) for row in _rows(summary)]
    widths = [max(len(row[place]) for row in [_HEADER, *rows]) for place in range(len(_HEADER))]
    yield f"{summary.layers:,} layers; ratios are {sign('ordinary ÷ separable')}"
    yield ""
    for number, row in enumerate([_HEADER, *rows]):
        line = "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        yield _BOLD.format(line) if view.color and number == 0 else line
    yield ""
    yield "Where the separable form loses (ratio below 1):"
    for spread in summary.spreads:
        told, where = summary.losing(spread)
        yield f"  {_name(spread).ljust(widths[0])}  {told}"
        yield from (f"  {' ' * widths[0]}    {sign(text)}" for text in where)


def _markdown(summary: Summary) -> Iterator[str]:
    yield f"**{summary.layers:,} layers**, ratios are ordinary ÷ separable"
    yield ""
    yield from markdown_table(_HEADER, _rows(summary))
    yield ""
    yield "Where the separable form loses (ratio below 1):"
    yield ""
    for spread in summary.spreads:
        told, where = summary.losing(spread)
        yield f"- {_name(spread)}: {'; '.join([told, *where])}"


def _csv(summary: Summary) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["key", "layers", "min", "median", "geometric_mean", "max", "losing"])
    for spread in summary.spreads:
        numbers = (min(spread.values), median(spread.values), spread.geometric_mean, max(spread.values))
        writer.writerow([spread.key, summary.layers, *numbers, spread.losing])
    yield from out.getvalue().splitlines()

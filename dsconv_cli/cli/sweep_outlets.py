"""Where the rows of a sweep go, one by one: stdout, files, tables, a summary, pictures, gates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, Protocol

from dsconv_cli.cli.destinations import File
from dsconv_cli.cli.streams import Streams, say, write_out
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import replace_file, replacing
from dsconv_cli.gates import Failure, Gate, check
from dsconv_cli.report import summary, sweep
from dsconv_cli.report.compare import counted_by
from dsconv_cli.report.github import annotation
from dsconv_cli.report.page import Cell, Page, Report, View
from dsconv_cli.report.pictures.drawing import Drawing, Picture
from dsconv_cli.report.rows import STREAMED
from dsconv_cli.sweep.summary import Summary

#: Layers that are named one by one where a gate fails; the others are counted.
_NAMED: Final = 10
#: Seconds after which rows that trickle are passed on.
_FLUSH_AFTER: Final = 0.2


#: A table is made of all its rows, for its columns are as wide as the widest cell.
MOST_IN_TABLE: Final = 1_000_000
TOO_LONG: Final = (
    f"a table of more than {MOST_IN_TABLE:,} rows is refused; --format csv and json are written row by row, --top and "
    "--summary say what matters"
)


class Outlet(Protocol):
    """Takes every row, and is told when there are no more."""

    def add(self, one: Comparison) -> None:
        """One more row."""

    def finish(self) -> None:
        """All rows were there."""


class StdoutLines:
    """Rows in a format that streams."""

    def __init__(self, format_name: str, keys: tuple[str, ...]) -> None:
        header, line = STREAMED[format_name]
        self._line = line(keys)
        self._header = header(keys)
        self._flushed = time.monotonic()

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        now = time.monotonic()
        late = now - self._flushed > _FLUSH_AFTER
        if late:
            self._flushed = now
        # Nothing comes before the first row: until then the run may turn out to be impossible.
        write_out(self._header + self._line(one), flush=late)
        self._header = ""

    def finish(self) -> None:
        """As `Outlet`."""
        write_out(self._header)


class FileLines:
    """The same in a file, which is there when the run is over, whole or not at all."""

    def __init__(self, file: File, keys: tuple[str, ...], stack: ExitStack) -> None:
        header, line = STREAMED[file.format.name]
        self._line = line(keys)
        self._file = stack.enter_context(replacing(file.path))
        self._file.write(header(keys).encode())

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        self._file.write(self._line(one).encode())

    def finish(self) -> None:
        """As `Outlet`; the stack closes the file."""


class Table:
    """Rows for people. Columns are as wide as their widest cell, and so all rows are kept, as text."""

    def __init__(self, columns: tuple[sweep.Column, ...], title: str, show: Callable[[Page], None]) -> None:
        self._columns, self._title, self._show = columns, title, show
        self._rows: list[tuple[Cell, ...]] = []

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        if not self._rows:
            self._title = f"{self._title}; {counted_by(one)}"
        if len(self._rows) == MOST_IN_TABLE:
            raise DsconvError(TOO_LONG)
        self._rows.append(sweep.cells(self._columns, one))

    def finish(self) -> None:
        """As `Outlet`."""
        self._show(sweep.table(self._columns, self._rows, self._title))


class SummaryOf:
    """The summary, on stdout."""

    def __init__(self, write: Callable[[Report], None]) -> None:
        self._write = write
        self.summary = Summary()

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        self.summary.add(one)

    def finish(self) -> None:
        """As `Outlet`."""
        self._write(summary.report(self.summary))


class Plot:
    """A picture, in a file or on stdout."""

    def __init__(self, picture: Picture, write: Callable[[Drawing], None]) -> None:
        self._picture, self._write = picture, write

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        self._picture.add(one)

    def finish(self) -> None:
        """As `Outlet`."""
        self._write(self._picture.draw())


def draw_here(view: View, drawing: Drawing) -> None:
    """The picture on stdout."""
    from dsconv_cli.report.pictures.terminal import text

    write_out(text(drawing, width=view.width or 100, color=view.color, unicode=view.unicode))


def draw_to(file: File, drawing: Drawing) -> None:
    """The picture in a file."""
    from dsconv_cli.report.pictures.figure import draw

    replace_file(file.path, draw(drawing, file.kind))


class Gates:
    """Every gate against every row."""

    def __init__(self, gates: tuple[Gate, ...], *, github: bool, color: Any) -> None:
        self._gates, self._github, self._color = gates, github, color
        self._named: list[tuple[str, Failure]] = []
        self.failed = 0

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        for failure in check(KEYS, one, self._gates):
            self.failed += 1
            if len(self._named) < _NAMED:
                self._named.append((one.label, failure))

    def finish(self) -> None:
        """As `Outlet`."""
        for layer, failure in self._named:
            if self._github:
                write_out(annotation(failure, layer))
            say("error", f"gate failed at {layer}: {failure.message}", self._color)
        more = self.failed - len(self._named)
        if more:
            say("error", f"gate failed {more:,} more times, {self.failed:,} in all", self._color)


class Doubts:
    """Says how many timings are not to be relied on, and why."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._rows = self._unreliable = 0
        self._reasons: Counter[str] = Counter()

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        self._rows += 1
        if one.time is not None and not one.time.reliable:
            self._unreliable += 1
            self._reasons.update(one.time.warnings)

    def finish(self) -> None:
        """As `Outlet`."""
        if self._unreliable:
            reasons = "; ".join(text for text, _ in self._reasons.most_common(1))
            told = f"{self._unreliable:,} of {self._rows:,} timings are not reliable (time.reliable)"
            self._streams.warn(f"{told}, most often: {reasons}" if reasons else told)

"""Where the rows of a sweep go, one by one: stdout, files, tables, a summary, pictures, gates."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

from dsconv_cli.cli.streams import Streams, has_color, has_unicode, is_terminal, say, terminal_width, write_out
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.files import replace_file, replacing
from dsconv_cli.gates import Failure, Gate, check
from dsconv_cli.layer.reading import layer_name
from dsconv_cli.report import View
from dsconv_cli.report.content import counted_by
from dsconv_cli.report.lines import STREAMED
from dsconv_cli.report.plots.picture import Picture
from dsconv_cli.report.sweep_table import Cells, Column, cells, markdown, table
from dsconv_cli.sweep.summary import Summary

#: Layers that are named one by one where a gate fails; the others are counted.
_NAMED: Final = 10
#: Seconds after which rows that trickle are passed on.
_FLUSH_AFTER: Final = 0.2


class Sink(Protocol):
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
        """As `Sink`."""
        now = time.monotonic()
        late = now - self._flushed > _FLUSH_AFTER
        if late:
            self._flushed = now
        # Nothing comes before the first row: until then the run may turn out to be impossible.
        write_out(self._header + self._line(one), flush=late)
        self._header = ""

    def finish(self) -> None:
        """As `Sink`."""
        write_out(self._header)


class FileLines:
    """The same in a file, which is there when the run is over, whole or not at all."""

    def __init__(self, format_name: str, keys: tuple[str, ...], path: Path, stack: ExitStack) -> None:
        header, line = STREAMED[format_name]
        self._line = line(keys)
        self._file = stack.enter_context(replacing(path))
        self._file.write(header(keys).encode())

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        self._file.write(self._line(one).encode())

    def finish(self) -> None:
        """As `Sink`; the stack closes the file."""


class Table:
    """Rows for people. Columns are as wide as their widest cell, and so all rows are kept, as text."""

    def __init__(
        self, columns: tuple[Column, ...], title: str, format_name: str, path: Path | None, color: Any
    ) -> None:
        self._columns, self._title, self._format, self._path, self._color = columns, title, format_name, path, color
        self._rows: list[Cells] = []

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        if not self._rows:
            self._title = f"{self._title}; {counted_by(one)}"
        self._rows.append(cells(self._columns, one))

    def finish(self) -> None:
        """As `Sink`."""
        put(self._lines(), self._path)

    def _lines(self) -> Iterable[str]:
        if self._format == "markdown":
            return markdown(self._columns, self._rows, title=self._title)
        return table(self._columns, self._rows, view(self._path, self._color), title=self._title)


class SummaryOf:
    """The summary, on stdout."""

    def __init__(self, format_name: str, color: Any) -> None:
        self._format, self._color = format_name, color
        self.summary = Summary()

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        self.summary.add(one)

    def finish(self) -> None:
        """As `Sink`."""
        from dsconv_cli.report.sweep_summary import lines

        put(lines(self.summary, self._format, view(None, self._color)), None)


class Plot:
    """A picture, in a file or on stdout."""

    def __init__(self, picture: Picture, target: str, color: Any) -> None:
        self._picture, self._target, self._color = picture, target, color

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        self._picture.add(one)

    def finish(self) -> None:
        """As `Sink`."""
        drawing = self._picture.draw()
        if self._target == "-":
            from dsconv_cli.report.plots.terminal import text

            shown = view(None, self._color)
            width = shown.width or 100
            write_out(text(drawing, width=width, color=shown.color, unicode=shown.unicode))
            return
        from dsconv_cli.report.plots.files import image

        with replacing(Path(self._target)) as stream:
            stream.write(image(drawing, Path(self._target).suffix.lower()))


class Gates:
    """Every gate against every row."""

    def __init__(self, gates: tuple[Gate, ...], *, github: bool, color: Any) -> None:
        self._gates, self._github, self._color = gates, github, color
        self._named: list[tuple[str, Failure]] = []
        self.failed = 0

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        for failure in check(KEYS, one, self._gates):
            self.failed += 1
            if len(self._named) < _NAMED:
                self._named.append((layer_name(one.spec), failure))

    def finish(self) -> None:
        """As `Sink`."""
        for layer, failure in self._named:
            if self._github:
                from dsconv_cli.report.github import annotation

                write_out(annotation(failure, layer))
            say("error", f"gate failed at {layer}: {failure.message}", self._color)
        more = self.failed - len(self._named)
        if more:
            say("error", f"gate failed {more:,} more times, {self.failed:,} in all", self._color)


class Counted:
    """How many rows there were."""

    def __init__(self) -> None:
        self.rows = 0

    def add(self, _: Comparison) -> None:
        """As `Sink`."""
        self.rows += 1

    def finish(self) -> None:
        """As `Sink`."""


class Doubts:
    """Says how many timings are not to be relied on, and why."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._rows = self._unreliable = 0
        self._reasons: Counter[str] = Counter()

    def add(self, one: Comparison) -> None:
        """As `Sink`."""
        self._rows += 1
        if one.time is not None and not one.time.reliable:
            self._unreliable += 1
            self._reasons.update(one.time.warnings)

    def finish(self) -> None:
        """As `Sink`."""
        if self._unreliable:
            reasons = "; ".join(text for text, _ in self._reasons.most_common(1))
            told = f"{self._unreliable:,} of {self._rows:,} timings are not reliable (time.reliable)"
            self._streams.warn(f"{told}, most often: {reasons}" if reasons else told)


def put(lines: Iterable[str], path: Path | None) -> None:
    """Lines to a file, or to stdout."""
    text = "".join(f"{line}\n" for line in lines)
    if path is None:
        write_out(text)
    else:
        replace_file(path, text)


def view(path: Path | None, color: Any) -> View:
    """How a file or stdout is to be written."""
    if path is not None:
        return View()
    return View(
        width=terminal_width() if is_terminal(sys.stdout) else None,
        unicode=has_unicode(sys.stdout),
        color=has_color(sys.stdout, color),
    )

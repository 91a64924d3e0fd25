"""Where the rows of a sweep go, one by one: stdout, files, tables, a summary, pictures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, NamedTuple

from dsconv_cli.cli.destinations import File
from dsconv_cli.cli.streams import Streams, write_out
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import replace_file, replacing
from dsconv_cli.report import answer, sweep
from dsconv_cli.report.compare import counted_by
from dsconv_cli.report.page import Cell, Page, Report, View
from dsconv_cli.report.pictures.drawing import Axes, Drawing, Picture
from dsconv_cli.report.rows import STREAMED
from dsconv_cli.sweep.compiled.plan import ToLine
from dsconv_cli.sweep.keys import KEYS
from dsconv_cli.sweep.spool import Spool
from dsconv_cli.sweep.summary import is_time

#: Seconds after which rows that trickle are passed on.
_FLUSH_AFTER: Final = 0.2
#: A table is made of all its rows, for its columns are as wide as the widest cell.
MOST_IN_TABLE: Final = 1_000_000
TOO_LONG: Final = (
    f"a table of more than {MOST_IN_TABLE:,} rows is refused; --format csv and json are written row by row, --top and "
    "--summary say what matters"
)


class Outlet(NamedTuple):
    """Takes every row, and is told when there are no more."""

    add: Callable[[Comparison], None]
    finish: Callable[[], None]


class LineOutlet(NamedTuple):
    """An `Outlet` for rows as lines, which may also come as text, many at a time."""

    line: ToLine
    write: Callable[[str], None]
    finish: Callable[[], None]

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        self.write(self.line(one))


def lines_on_stdout(format_name: str, keys: tuple[str, ...]) -> LineOutlet:
    """Rows in a format that streams."""
    header_of, line_of = STREAMED[format_name]
    header, flushed = header_of(keys), time.monotonic()

    def write(text: str) -> None:
        nonlocal header, flushed
        now = time.monotonic()
        late = now - flushed > _FLUSH_AFTER
        if late:
            flushed = now
        # Nothing comes before the first row: until then the run may turn out to be impossible.
        write_out(header + text, flush=late)
        header = ""

    return LineOutlet(line_of(keys), write, lambda: write_out(header))


def lines_in_file(file: File, keys: tuple[str, ...], stack: ExitStack) -> LineOutlet:
    """The same in a file, which is there when `stack` ends, whole or not at all."""
    header_of, line_of = STREAMED[file.format.name]
    growing = stack.enter_context(file.opened())
    growing.write(header_of(keys).encode())
    return LineOutlet(line_of(keys), lambda text: growing.write(text.encode()), lambda: None)


def columns_in_file(file: File, keys: tuple[str, ...], stack: ExitStack) -> LineOutlet:
    """The same in a file of Parquet."""
    from dsconv_cli.sweep.parquet import Writer

    writer = Writer(stack.enter_context(replacing(file.path)).write, keys)
    stack.callback(writer.drop)
    return LineOutlet(writer.line, writer.add, writer.close)


def table(columns: tuple[sweep.Column, ...], title: str, write: Callable[[Report], None]) -> Outlet:
    """Rows for people. Columns are as wide as their widest cell, and so all rows are kept, outside of the memory."""
    rows: Spool[tuple[Cell, ...]] = Spool()
    ratios = [answer.Tally() for _ in answer.RATIOS]
    kinds: set[str] = set()

    def add(one: Comparison) -> None:
        nonlocal title
        kinds.update([] if one.machine is None else [one.machine.kind])
        if not rows:
            title = f"{title}; {counted_by(one)}"
        if len(rows) == MOST_IN_TABLE:
            raise DsconvError(TOO_LONG)
        rows.put(sweep.cells(columns, one))
        for key, tally in zip(answer.RATIOS, ratios, strict=True):
            value = KEYS.read(one, key)
            if isinstance(value, float):
                tally.add(value)
            if len(kinds) > 1 and is_time(key):
                # Times of machines of several kinds have nothing to say together.
                tally.forget()

    def page() -> Page:
        return sweep.table(columns, rows, answer.of_layers(ratios), title)

    # Neither a document nor rows: those go by one at a time.
    return Outlet(add, lambda: write(Report(page, dict, tuple)))


def plot(axes: Axes, write: Callable[[Drawing], None]) -> Outlet:
    """A picture."""
    picture = Picture(axes)
    return Outlet(picture.add, lambda: write(picture.draw()))


def draw_here(view: View, drawing: Drawing) -> None:
    """The picture on stdout."""
    from dsconv_cli.report.pictures.terminal import text

    write_out(text(drawing, width=view.width or 100, color=view.color, unicode=view.unicode))


def draw_to(file: File, drawing: Drawing) -> None:
    """The picture in a file."""
    from dsconv_cli.report.pictures.figure import draw

    replace_file(file.path, draw(drawing, file.kind))


def doubts(streams: Streams) -> Outlet:
    """How many timings are not to be relied on, and why."""
    timings = unreliable = 0
    reasons: Counter[str] = Counter()

    def add(one: Comparison) -> None:
        nonlocal timings, unreliable
        for timing in one.runtimes.values() or [one.time]:
            timings += timing is not None
            if timing is not None and not timing.reliable:
                unreliable += 1
                reasons.update(timing.warnings)

    def finish() -> None:
        if unreliable:
            often = "".join(f", most often: {text}" for text, _ in reasons.most_common(1))
            streams.warn(f"{unreliable:,} of {timings:,} timings are not reliable (time.reliable){often}")

    return Outlet(add, finish)

"""`dsconv sweep`: many layers as a table: what differs between them, and what the replacement buys for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from dsconv_cli.comparison.keys import RATIOS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.data import bare
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.layer.reading import SIZES, as_text
from dsconv_cli.numbers import significant, times
from dsconv_cli.report import page
from dsconv_cli.report.compare import UNITS_NOTE, tone_of
from dsconv_cli.report.layer import biases
from dsconv_cli.report.page import Cell, Line, Page, Table
from dsconv_cli.sweep.keys import KEYS, RUNTIME_RATIOS
from dsconv_cli.sweep.run import Sweep
from dsconv_cli.timing.result import Timing

#: Cells are kept until the last row is there, and most of them are one of a few.
_shared: Final = lru_cache(4096)(Cell)

_RATIOS: Final = frozenset((*RATIOS, *RUNTIME_RATIOS))
_NOTE: Final = f"Ratios are ordinary ÷ separable. {UNITS_NOTE}"


class Column(NamedTuple):
    """A column: its heading, and what stands under it. `name` for the names of layers."""

    heading: str
    cell: Callable[[Comparison], Cell]
    name: bool = False


def default_columns(of: Sweep) -> tuple[Column, ...]:
    """What differs between the layers, the ratios of the closed forms, R×S, and the time if it is measured.

    Layers that have names begin with them; of one layer alone its sizes are shown. Of several runtimes each has a
    column.
    """
    spec = [_spec_column(name) for name in FIELDS if name in (of.source.varying or SIZES)]
    ratios = (
        Column(one.narrow_label, _ratio(f"{one.name}.ratio", times)) for one in METRICS.values() if not one.repeats
    )
    time = tuple(map(_on, of.runtimes)) if len(of.runtimes) > 1 else () if of.timing is None else _TIME
    return (*([_NAME] if of.source.named else []), *spec, *ratios, _KERNEL, *time, *([_MACHINE] if of.shared else []))


def key_columns(keys: Sequence[str]) -> tuple[Column, ...]:
    """`--columns`: the values at full precision, under their keys."""
    return tuple(
        _NAME if key == "name" else Column(key, _ratio(key, bare) if key in _RATIOS else _value(key)) for key in keys
    )


def cells(columns: Sequence[Column], one: Comparison) -> tuple[Cell, ...]:
    """One row."""
    return tuple(_shared(*column.cell(one)) for column in columns)


def table(columns: Sequence[Column], rows: Collection[tuple[Cell, ...]], answer: str, title: str) -> Page:
    """The rows, under what they come to and what they have in common."""
    figures = Table(
        tuple(page.Column(one.heading, left=one.name, name=one.name) for one in columns),
        rows,
        "columns",
        labelled=False,
    )
    heading = (Line(answer, "strong"), Line(title))
    return Page((heading, (figures,), (Line(_NOTE, "dim"),)), reading_width=100)


def _spec_column(name: str) -> Column:
    if name == "bias":
        return Column("bias", lambda one: Cell(biases(one.spec)))
    return Column(name.replace("_", " "), lambda one: Cell(as_text(getattr(one.spec, name))))


def _value(key: str) -> Callable[[Comparison], Cell]:
    return lambda one: Cell(bare(KEYS.read(one, key)))


def _ratio(key: str, text: Callable[[float], str]) -> Callable[[Comparison], Cell]:
    def cell(one: Comparison) -> Cell:
        value = KEYS.read(one, key)
        return Cell(text(value), tone_of(value)) if isinstance(value, float) else Cell("")

    return cell


def _on(runtime: str) -> Column:
    return Column(runtime, lambda one: _time(one.runtimes.get(runtime)))


def _time(timing: Timing | None) -> Cell:
    """The speed-up, good or bad where its interval leaves no doubt."""
    if timing is None:
        return Cell("")
    gain = timing.speedup
    return Cell(times(gain.value), tone_of(1 if gain.low <= 1 <= gain.high else gain.value))


def _interval(one: Comparison) -> Cell:
    if one.time is None:
        return Cell("")
    return Cell(f"{significant(one.time.speedup.low)}–{significant(one.time.speedup.high)}")


_NAME: Final = Column("name", lambda one: Cell(one.name), name=True)
_MACHINE: Final = Column("machine", lambda one: Cell("" if one.machine is None else one.machine.host))
_KERNEL: Final = Column("R×S", lambda one: Cell(f"{one.approximation.ratio}×"))
_TIME: Final = (
    Column("time", lambda one: _time(one.time)),
    Column("interval", _interval),
    Column("separable is", lambda one: Cell("" if one.time is None else one.time.verdict)),
)

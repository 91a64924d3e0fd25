"""Many layers as a table: what differs between them, and what the replacement buys for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import Value
from dsconv_cli.numbers import ascii_text, significant, times
from dsconv_cli.report import View
from dsconv_cli.report.content import UNITS_NOTE, biases
from dsconv_cli.report.csv_ import cell
from dsconv_cli.report.markdown import table as markdown_table

_GREEN: Final = "\x1b[32m"
_RED: Final = "\x1b[31m"
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"

#: Ratios are told from each other by one word, for a table is narrow.
_RATIO_TITLES: Final = {"params.ratio": "params", "macs.ratio": "MACs", "traffic.ratio": "traffic"}

NOTE: Final = f"Ratios are ordinary ÷ separable. {UNITS_NOTE}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, its cells, and whether they are ratios, green above 1 and red below."""

    title: str
    text: Callable[[Comparison], str]
    ratio: Callable[[Comparison], float] | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """One row as it will be shown, and which way each ratio points (1, -1, or 0)."""

    texts: tuple[str, ...]
    signs: tuple[int, ...]


def default_columns(varying: Sequence[str], *, timed: bool) -> tuple[Column, ...]:
    """What differs between the layers, the ratios of the closed forms, R×S, and the time if it was measured."""
    spec = [_spec_column(name) for name in varying if name not in {*_PARTS_OF_BIAS, "padding_end"}]
    if _PARTS_OF_BIAS & set(varying):
        spec.append(_spec_column("bias"))
    unique = {column.title: column for column in spec}
    ratios = [_ratio_column(key, title) for key, title in _RATIO_TITLES.items()]
    return (*unique.values(), *ratios, _KERNEL, *(_TIME if timed else ()))


def key_columns(keys: Sequence[str]) -> tuple[Column, ...]:
    """`--columns`: the values at full precision, under their keys."""
    return tuple(_key_column(key) for key in keys)


def cells(columns: Sequence[Column], one: Comparison) -> Cells:
    """One row."""
    signs = tuple(0 if column.ratio is None else _sign(column.ratio(one)) for column in columns)
    return Cells(tuple(column.text(one) for column in columns), signs)


def table(columns: Sequence[Column], rows: Sequence[Cells], view: View, *, title: str) -> Iterator[str]:
    """The lines of the table for a terminal or a pipe; one block a layer where it is too wide for a terminal."""
    sign = str if view.unicode else ascii_text
    paint = _paint if view.color else _plain
    headings = tuple(sign(column.title) for column in columns)
    widths = [len(heading) for heading in headings]
    for row in rows:
        widths = [max(width, len(sign(text))) for width, text in zip(widths, row.texts, strict=True)]
    yield paint(sign(title), _BOLD)
    yield ""
    if view.width is not None and sum(widths) + 2 * (len(widths) - 1) > view.width:
        yield from _blocks(headings, rows, sign)
    else:
        yield paint("  ".join(text.rjust(width) for text, width in zip(headings, widths, strict=True)), _BOLD)
        yield paint("  ".join(("─" if view.unicode else "-") * width for width in widths), _DIM)
        for row in rows:
            aligned = (sign(text).rjust(width) for text, width in zip(row.texts, widths, strict=True))
            yield "  ".join(paint(text, _COLORS[way]) for text, way in zip(aligned, row.signs, strict=True)).rstrip()
    yield ""
    yield from (paint(sign(line), _DIM) for line in _wrapped(NOTE, view.width))


def markdown(columns: Sequence[Column], rows: Sequence[Cells], *, title: str) -> Iterator[str]:
    """The lines of the table as Markdown."""
    yield f"**{title}**"
    yield ""
    yield from markdown_table([column.title for column in columns], [row.texts for row in rows])
    yield ""
    yield NOTE


def _blocks(headings: Sequence[str], rows: Sequence[Cells], sign: Callable[[str], str]) -> Iterator[str]:
    width = max(map(len, headings))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for heading, text in zip(headings, row.texts, strict=True):
            yield f"{heading.ljust(width)}  {sign(text)}"


def _wrapped(text: str, width: int | None) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(width or 100, 20))


def _spec_column(name: str) -> Column:
    if name == "bias":
        return Column("bias", lambda one: biases(one.spec))
    return Column(name.replace("_", " "), lambda one: _short(getattr(one.spec, name)))


def _ratio_column(key: str, title: str) -> Column:
    def value(one: Comparison) -> float:
        ratio = KEYS.read(one, key)
        assert isinstance(ratio, float)
        return ratio

    return Column(title, lambda one: times(value(one)), value)


def _key_column(key: str) -> Column:
    if not key.endswith((".ratio", "speedup.value")) or key == "approximation.ratio":
        return Column(key, lambda one: cell(KEYS.read(one, key)))

    def ratio(one: Comparison) -> float:
        value = KEYS.read(one, key)
        return value if isinstance(value, float) else 1.0

    return Column(key, lambda one: cell(KEYS.read(one, key)), ratio)


def _decided(one: Comparison) -> float:
    """The speed-up where its interval leaves no doubt, and 1 where it does."""
    if one.time is None or one.time.speedup.low <= 1 <= one.time.speedup.high:
        return 1.0
    return one.time.speedup.value


def _interval(one: Comparison) -> str:
    if one.time is None:
        return ""
    return f"{significant(one.time.speedup.low)}–{significant(one.time.speedup.high)}"


_PARTS_OF_BIAS: Final = frozenset({"ordinary_bias", "depthwise_bias", "pointwise_bias"})
_KERNEL: Final = Column("R×S", lambda one: str(one.approximation.ratio))
_TIME: Final = (
    Column("time", lambda one: "" if one.time is None else times(one.time.speedup.value), _decided),
    Column("interval", _interval),
    Column("separable is", lambda one: "" if one.time is None else one.time.verdict),
)
_COLORS: Final = {1: _GREEN, -1: _RED, 0: ""}


def _short(value: Value) -> str:
    if isinstance(value, tuple):
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    return str(value)


def _sign(ratio: float) -> int:
    return (ratio > 1) - (ratio < 1)


def _paint(text: str, color: str) -> str:
    return f"{color}{text}{_RESET}" if color and text else text


def _plain(text: str, _: str) -> str:
    return text

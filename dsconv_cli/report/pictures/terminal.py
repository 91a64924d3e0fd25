"""A drawing as text. plotille sets the points; the frame around them is ours, so that ticks stand at the values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import floor, log2, log10
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from dsconv_cli.numbers import ascii_text
from dsconv_cli.report.pictures.drawing import Drawing, Line

if TYPE_CHECKING:
    from plotille import Canvas

#: Lines are told apart by these at their points, with and without colours.
_MARKERS: Final = "ox+*#%@&"
_COLORS: Final = tuple(f"\x1b[{code}m" for code in (94, 33, 32, 35, 36, 31, 92, 95))
_RESET: Final = "\x1b[0m"
_HEIGHT: Final = 18
_ROWS_PER_TICK: Final = 3
#: Columns between the dots of R×S.
_DOT_EVERY: Final = 2
_BRAILLE: Final = range(0x2800, 0x2900)
_EMPTY: Final = "\u2800"

Scale = Callable[[float], float]
Scales = tuple[Scale, Scale]
#: Left, right, bottom, top, as the scales have them.
Limits = tuple[float, float, float, float]


def text(drawing: Drawing, *, width: int, color: bool, unicode: bool) -> str:
    """The picture in at most `width` columns."""
    scale_x, scale_y = (log2 if drawing.log_x else float), (log10 if drawing.log_y else float)
    limits = _limits(drawing, scale_x, scale_y)
    y_labels = _y_labels(drawing, limits[2], limits[3])
    margin = max(map(len, y_labels.values())) + 1
    columns = max(width - margin - 3, 20)
    canvas = _canvas(drawing, (scale_x, scale_y), limits, columns, color=color)
    lines = [
        drawing.title,
        drawing.y_label,
        "",
        *_framed(canvas, y_labels, margin),
        *_x_axis(drawing, scale_x, limits[:2], columns, margin),
        "",
        *_legend(drawing, color=color),
        *(line for caption in drawing.caption for line in wrap(caption, max(width, 20))),
    ]
    whole = "\n".join(line.rstrip() for line in lines) + "\n"
    return whole if unicode else ascii_text("".join(map(_dot, whole.replace("···", "..."))))


def _limits(drawing: Drawing, scale_x: Scale, scale_y: Scale) -> Limits:
    xs = [scale_x(place) for place, _ in drawing.ticks]
    points = [point for line in (*drawing.lines, *drawing.references) for point in line.points]
    top = max(max(point.high, point.y) for point in points) * 1.06
    bottom = min(point.low for point in points) / 1.06 if drawing.log_y else 0.0
    wide = (max(xs) - min(xs)) * 0.02 or 0.5
    return min(xs) - wide, max(xs) + wide, scale_y(bottom) if drawing.log_y else 0.0, scale_y(top)


def _canvas(drawing: Drawing, scales: Scales, limits: Limits, columns: int, *, color: bool) -> list[str]:
    """The lines of the area inside the frame.

    Each curve has a canvas of its own, and they are laid over each other here: plotille decides from the
    environment whether to colour, and that has been decided.
    """
    left, right, _, _ = limits
    cells = [[(_EMPTY, "")] * columns for _ in range(_HEIGHT)]
    shared = len(drawing.references) == 1
    for number, line in enumerate(drawing.references):
        canvas = _new_canvas(limits, columns)
        points = _scaled(line, *scales)
        if len(points) == 1:
            # A line through one point would be no line.
            points = [(left, points[0][1]), (right, points[0][1])]
        _dots(canvas, points, (right - left) / columns * _DOT_EVERY)
        _lay_over(cells, canvas, "" if shared else _ink(number))
    for number, line in enumerate(drawing.lines):
        canvas = _new_canvas(limits, columns)
        marked = drawing.markers or len(line.points) == 1
        _draw_line(canvas, line, scales, _MARKERS[number % len(_MARKERS)] if marked else None)
        _lay_over(cells, canvas, _ink(number))
    return ["".join(_painted(sign, ink if color else "") for sign, ink in row) for row in cells]


def _new_canvas(limits: Limits, columns: int) -> Canvas:
    from plotille import Canvas

    left, right, bottom, top = limits
    return Canvas(columns, _HEIGHT, xmin=left, xmax=right, ymin=bottom, ymax=top)


def _lay_over(cells: list[list[tuple[str, str]]], canvas: Canvas, ink: str) -> None:
    """Join the dots of both; a marker covers what is below it."""
    for row, line in zip(cells, str(canvas.plot()).splitlines(), strict=True):
        for column, sign in enumerate(line):
            below = row[column][0]
            if ord(sign) not in _BRAILLE:
                row[column] = (sign, ink)
            elif sign != _EMPTY and ord(below) in _BRAILLE:
                row[column] = (chr(ord(sign) | ord(below)), ink)


def _draw_line(canvas: Canvas, line: Line, scales: Scales, marker: str | None) -> None:
    points = _scaled(line, *scales)
    for (x0, y0), (x1, y1) in pairwise(points):
        canvas.line(x0, y0, x1, y1)
    for point, (x, y) in zip(line.points, points, strict=True):
        if point.low < point.high:
            canvas.line(x, scales[1](point.low), x, scales[1](point.high))
        canvas.point(x, y, marker=marker)


def _dots(canvas: Canvas, points: Sequence[tuple[float, float]], every: float) -> None:
    """A dotted line."""
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(1, round((x1 - x0) / every))
        for step in range(steps + 1):
            canvas.point(x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps)


def _scaled(line: Line, scale_x: Scale, scale_y: Scale) -> list[tuple[float, float]]:
    return [(scale_x(point.x), scale_y(point.y)) for point in line.points]


def _y_labels(drawing: Drawing, bottom: float, top: float) -> dict[int, str]:
    """Round numbers, each beside the row that it falls in, counted from below."""
    values = _round_powers(bottom, top) if drawing.log_y else _round_steps(top)
    rows: dict[int, str] = {}
    for value in values:
        place = (log10(value) if drawing.log_y else value) - bottom
        rows.setdefault(min(_HEIGHT - 1, floor(place / (top - bottom) * _HEIGHT)), f"{value:g}")
    return rows


def _round_steps(top: float) -> list[float]:
    """0, and multiples of 1, 2 or 5 times a power of ten, about one every `_ROWS_PER_TICK` rows."""
    rough = top * _ROWS_PER_TICK / _HEIGHT
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(floor(top / step) + 1)]


def _round_powers(bottom: float, top: float) -> list[float]:
    powers = range(floor(bottom), floor(top) + 1)
    return [
        factor * 10.0**power for power in powers for factor in (1, 2, 5) if bottom <= log10(factor * 10.0**power) <= top
    ]


def _framed(canvas: Sequence[str], labels: dict[int, str], margin: int) -> Iterator[str]:
    for row, line in zip(range(_HEIGHT - 1, -1, -1), canvas, strict=True):
        yield f"{labels.get(row, '').rjust(margin)} {'┤' if row in labels else '│'}{line}"


def _x_axis(drawing: Drawing, scale_x: Scale, limits: tuple[float, float], columns: int, margin: int) -> Iterator[str]:
    """The rule, the values below it where there is room for them, and what they are."""
    rule, labels, free = ["─"] * columns, [" "] * (columns + 12), 0
    for place, label in drawing.ticks:
        column = min(columns - 1, floor((scale_x(place) - limits[0]) / (limits[1] - limits[0]) * columns))
        rule[column] = "┬"
        start = max(0, column - len(label) // 2)
        if start >= free and start + len(label) <= columns + 2:
            labels[start : start + len(label)] = label
            free = start + len(label) + 1
    yield f"{' ' * margin} └{''.join(rule)}"
    yield f"{' ' * margin}  {''.join(labels)}"
    yield f"{' ' * margin}  {drawing.x_label.center(columns)}"


def _legend(drawing: Drawing, *, color: bool) -> Iterator[str]:
    if drawing.legend:
        yield f"{drawing.legend}:"
    for number, line in enumerate(drawing.lines):
        marked = drawing.markers or len(line.points) == 1
        sign = f"─{_MARKERS[number % len(_MARKERS)]}─" if marked else "───"
        yield f"  {_painted(sign, _ink(number) if color else '')} {line.label}"
    yield f"  ··· {drawing.reference}"


def _painted(sign: str, ink: str) -> str:
    return f"{ink}{sign}{_RESET}" if ink and sign != _EMPTY else sign


def _ink(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


def _dot(letter: str) -> str:
    """A braille sign as ASCII: a dot where it has any."""
    if ord(letter) not in _BRAILLE:
        return {"┤": "+", "│": "|", "└": "+", "┬": "+", "─": "-"}.get(letter, letter)
    return " " if letter == _EMPTY else "."

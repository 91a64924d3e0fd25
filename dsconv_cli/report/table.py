"""The table for terminals. Rearranged where it is too wide, never cut off."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.numbers import ascii_text
from dsconv_cli.report import View, content
from dsconv_cli.report.content import OPERATORS, Row
from dsconv_cli.report.timed_content import Tone, explanation, time_lines

Layout = Callable[[Sequence[Row], View], RenderableType]

#: Where nothing limits the width, text is still wrapped for reading.
READING_WIDTH = 80

_TONES: Final[Mapping[Tone, str]] = {"good": "green", "bad": "red", "plain": "", "dim": "dim"}

_ASCII_RULE = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_RULE = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def render(comparison: Comparison, view: View) -> str:
    """The table as text."""
    out = io.StringIO()
    console = make_console(out, view, natural_width(comparison, view) if view.width is None else view.width)
    console.print(renderable(comparison, view), soft_wrap=False)
    return "".join(line.rstrip() + "\n" if not view.color else line + "\n" for line in out.getvalue().splitlines())


def make_console(out: IO[str], view: View, width: int) -> Console:
    """A rich console that writes exactly what it is told to: no guesses from the environment."""
    return Console(
        file=out,
        width=width,
        force_terminal=view.color,
        color_system="standard" if view.color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def natural_width(comparison: Comparison, view: View) -> int:
    """The width that the preferred layout takes when nothing limits it."""
    return max(READING_WIDTH, _width(_wide(content.rows(comparison), view)))


def renderable(comparison: Comparison, view: View) -> RenderableType:
    """Title, figures, and what R×S is worth here."""
    return Group(*_blocks(comparison, view))


def _blocks(comparison: Comparison, view: View) -> Iterator[RenderableType]:
    sign = _signs(view)
    yield Text(sign(content.title(comparison.spec)), style="bold")
    yield Text(sign(content.shapes(comparison.spec)))
    yield Text(sign(content.counted_by(comparison, view.pending)), style="dim")
    if view.progress:
        yield Text(sign(view.progress), style="dim")
    yield Text()
    yield _figures(comparison, view)
    yield Text()
    yield from _time(comparison, view)
    yield Text(sign(content.approximation_line(comparison)))
    yield _assumptions(comparison, view)
    yield Text(sign(content.UNITS_NOTE), style="dim")
    if view.explain:
        from dsconv_cli.layer.derivation import explain

        for heading, lines in explain(comparison.spec, comparison.cost):
            yield Text()
            yield Text(sign(heading), style="bold")
            for line in lines:
                yield Padding(Text(sign(line)), (0, 0, 0, 2))


def _time(comparison: Comparison, view: View) -> Iterator[RenderableType]:
    """What the timing says, and why; nothing if time was not measured."""
    sign = _signs(view)
    for tone, line in time_lines(comparison):
        yield Text(sign(line), style=_TONES[tone])
    why = explanation(comparison)
    if why:
        grid = Table.grid(padding=(0, 1))
        for sentence in why:
            grid.add_row("  -", sign(sentence))
        yield Text(sign("Time beside MACs:"), style="bold")
        yield grid
        yield Text()


def _figures(comparison: Comparison, view: View) -> RenderableType:
    """The first layout that fits: exact before scaled, wide before tall."""
    rows = content.rows(comparison)
    available = view.width
    layouts: tuple[Layout, ...] = (_wide, _tall, _wide_scaled, _tall_scaled)
    for layout in layouts:
        table = layout(rows, view)
        if available is None or _width(table) <= available:
            return table
    return _list(rows, view)


def _wide(rows: Sequence[Row], view: View, *, scaled: bool = False) -> Table:
    """Metrics down, operators across."""
    sign = _signs(view)
    table = _table(view)
    table.add_column("")
    for heading in ("ordinary", "separable", "= depthwise", "+ pointwise", "ratio", "R×S"):
        table.add_column(sign(heading), justify="right", no_wrap=True)
    for row in rows:
        cells = row.scaled if scaled else row.exact
        table.add_row(row.label, *map(sign, cells), _ratio(row, view), sign(row.approximation))
    return table


def _wide_scaled(rows: Sequence[Row], view: View) -> Table:
    return _wide(rows, view, scaled=True)


def _tall(rows: Sequence[Row], view: View, *, scaled: bool = False) -> Table:
    """Operators down, metrics across: for counts too long to stand four in a row."""
    sign = _signs(view)
    table = _table(view)
    table.add_column("")
    for row in rows:
        table.add_column(row.short_label, justify="right", no_wrap=True)
    cells = [row.scaled if scaled else row.exact for row in rows]
    for index, name in enumerate(OPERATORS):
        label = name if name in ("ordinary", "separable") else f"  {name}"
        table.add_row(label, *(sign(cell[index]) for cell in cells))
    table.add_row("ratio", *(_ratio(row, view) for row in rows))
    table.add_row(sign("R×S"), *(sign(row.approximation) for row in rows))
    return table


def _tall_scaled(rows: Sequence[Row], view: View) -> Table:
    return _tall(rows, view, scaled=True)


def _list(rows: Sequence[Row], view: View) -> RenderableType:
    """One figure a line, for the narrowest of windows."""
    sign = _signs(view)
    lines: list[RenderableType] = []
    for row in rows:
        lines.append(Text(row.label, style="bold"))
        cells = zip(OPERATORS, row.exact, strict=True)
        lines.extend(Text(sign(f"  {name} {cell}")) for name, cell in cells if cell)
        if row.ratio is not None:
            lines.append(Text("  ratio ").append_text(_ratio(row, view)))
        if row.approximation:
            lines.append(Text(sign(f"  R×S {row.approximation}")))
    return Group(*lines)


def _assumptions(comparison: Comparison, view: View) -> Table:
    """A grid, so that a long line is continued under its beginning."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=len("  yes"))
    for holds, line in content.assumption_lines(comparison):
        answer = Text("  yes" if holds else "  no", style="green" if holds else "yellow")
        grid.add_row(answer, _signs(view)(line))
    return grid


def _table(view: View) -> Table:
    return Table(
        box=_RULE if view.unicode else _ASCII_RULE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        border_style="dim",
    )


def _ratio(row: Row, view: View) -> Text:
    """Green where the separable form is the cheaper one, red where it costs more."""
    if row.ratio is None:
        return Text("")
    style = "green" if row.ratio > 1 else "red" if row.ratio < 1 else ""
    return Text(_signs(view)(content.ratio_text(row)), style=style)


def _width(table: RenderableType) -> int:
    probe = Console(width=10_000, file=io.StringIO(), color_system=None)
    return probe.measure(table).maximum


def _signs(view: View) -> Callable[[str], str]:
    return str if view.unicode else ascii_text

"""`dsconv compare`: one layer in both forms, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Final

from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.cost import MUCH_LESS
from dsconv_cli.layer.forms import FORMS, REFERENCE, REPLACEMENT, Form
from dsconv_cli.layer.keys import ratio_key
from dsconv_cli.layer.metrics import METRICS, Metric
from dsconv_cli.layer.reading import command_of
from dsconv_cli.numbers import exact, percent, scaled, significant, times
from dsconv_cli.report import answer, layer, runtimes, timing
from dsconv_cli.report.page import (
    Block,
    Cell,
    Column,
    Facts,
    Item,
    Items,
    Layouts,
    Line,
    Page,
    Report,
    Table,
    Tone,
    report_of,
)
from dsconv_cli.timing.runtimes import RUNTIMES


def _columns(form: Form) -> tuple[str, ...]:
    return (form.name,) if form.counted == (form.name,) else (form.name, *form.roles)


#: Each form, and the operators that it is made of.
OPERATORS: Final = tuple(name for form in FORMS.values() for name in _columns(form))
#: The same where figures stand side by side, and it is seen what makes up what.
_SUM: Final = tuple(
    f"{'=+'[place > 1]} {name}" if place else name
    for form in FORMS.values()
    for place, name in enumerate(_columns(form))
)
#: The same where they stand one below the other.
_NESTED: Final = tuple(name if name in FORMS else f"  {name}" for name in OPERATORS)
#: The forms that the ordinary one is divided by.
_COMPARED: Final = tuple(form for form in FORMS if form != REFERENCE)
_RATIOS: Final = tuple(ratio_key(form).replace("_", " ") for form in _COMPARED)

UNITS_NOTE: Final = "1 MAC = 2 FLOPs; bias additions are not counted. Memory traffic is the least that must move."


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: a cell for each of `OPERATORS`, exact and scaled; the ratios and R×S where it has them.

    One that is `spare` is left out of a narrow window before anything else is.
    """

    label: str
    short_label: str
    exact: tuple[str, ...]
    scaled: tuple[str, ...]
    ratios: tuple[Fraction | None, ...] = (None,) * len(_RATIOS)
    approximation: str = ""
    spare: bool = False


def _row(metric: Metric, one: Comparison) -> Row:
    """Bytes are always scaled: their last digits help nobody."""
    counts, in_bytes = one.cost[metric.name], metric.unit == "bytes"
    short = tuple(scaled(counts[name], "B" if in_bytes else "") for name in OPERATORS)
    return Row(
        metric.label,
        metric.short_label,
        short if in_bytes else tuple(exact(counts[name]) for name in OPERATORS),
        short,
        tuple(Fraction(counts[REFERENCE], counts[form]) for form in _COMPARED),
        f"{one.approximation.ratio}×" if metric.approximated else "",
        spare=not metric.fewer,
    )


def _timed_row(row: timing.TimeRow) -> Row:
    """Only the two forms that all is about are timed."""
    cells = (*row.cells, *[""] * (len(OPERATORS) - len(row.cells)))
    ratios = tuple(row.ratio if form == REPLACEMENT else None for form in _COMPARED)
    return Row(row.label, row.short, cells, cells, ratios)


def report(one: Comparison, *, explain: bool = False, details: bool = False) -> Report:
    """The result for every format."""
    shown = partial(page, one, explain=explain, details=details)
    found = report_of(keys_of(tuple(one.runtimes)), one, shown, partial(_picture, one))
    return found._replace(bars=partial(_bars, one))


def page(
    one: Comparison, *, explain: bool = False, details: bool = False, pending: str = "", progress: str = ""
) -> Page:
    """The answer, the layer, the figures, and what R×S is worth here.

    If wanted, `details` of what the figures mean and rest on, and how R×S is derived. `pending` names a profiler that
    is still counting, `progress` says how far a measurement is that is still going on.
    """
    sections: list[tuple[Block, ...]] = [
        (Line(answer.of_layer(one), "strong"), *_doubts(one)),
        (
            Line(layer.title(one.spec)),
            Line(layer.shapes(one.spec)),
            Line(counted_by(one, pending), "dim"),
            *([Line(progress, "dim")] if progress else []),
        ),
        (_figures(one, details=details),),
        *([together] if (together := runtimes.section(one)) else []),
        *([timed] if (timed := timing.section(one, details=details)) else []),
        (Line(_approximation(one, explain=explain)), Line(UNITS_NOTE, "dim")),
    ]
    if details:
        sections.append((Line("Details", "strong"), Facts(tuple(_meanings()))))
    if explain:
        from dsconv_cli.layer.derivation import explain as derive

        derived = derive(one.spec, one.cost)
        sections += ((Line(heading, "strong"), Items(tuple(map(Item, lines)), "")) for heading, lines in derived)
    return Page(tuple(sections), command_of(one.spec))


def _doubts(one: Comparison) -> Iterator[Line]:
    """Why times are not reliable, a line each; of runtimes side by side with their names."""
    there = [each for each in one.runtimes.values() if each is not None]
    for each in there or ([one.time] if one.time else []):
        where = f" on {RUNTIMES[each.runtime.name].title}" if len(one.runtimes) > 1 else ""
        yield from timing.doubts(each, where)


def _meanings() -> Iterator[tuple[str, str]]:
    """What stands in each row of the figures."""
    yield from ((metric.label, metric.says) for metric in METRICS.values())
    yield "FLOPs per byte", "FLOPs / memory traffic: whether an operator can keep the machine busy."


def _figures(one: Comparison, *, details: bool) -> Layouts:
    """Exact before scaled, wide before tall, all metrics before some, and at last without the parts of the forms."""
    rows = _rows(one, details=details)
    few = [row for row in rows if not row.spare]
    full, short = ([getattr(row, digits) for row in rows] for digits in ("exact", "scaled"))
    tables = (
        _wide(rows, full, _SUM),
        _tall(rows, full),
        _tall(few, [row.exact for row in few]),
        _wide(rows, short, _SUM),
        _tall(rows, short),
        _tall(few, [row.scaled for row in few]),
        _forms(rows),
    )
    return Layouts(_wide(rows, full, OPERATORS), tables)


def _rows(one: Comparison, *, details: bool) -> list[Row]:
    """The metrics, intensity, which is a quotient of two of them, and the time if it was measured."""
    intensity = tuple(significant(one.cost.intensity[name]) for name in OPERATORS)
    return [
        *(_row(metric, one) for metric in METRICS.values()),
        Row("FLOPs per byte", "FLOPs/B", intensity, intensity),
        *map(_timed_row, timing.rows(one, details=details)),
    ]


def _wide(rows: Sequence[Row], cells: Sequence[Sequence[str]], headings: Sequence[str]) -> Table:
    """Metrics down, operators across."""
    columns = (Column("", left=True), *map(Column, (*headings, *_RATIOS, "R×S")))
    lines = [
        (Cell(row.label), *map(Cell, texts), *map(_ratio, row.ratios), Cell(row.approximation))
        for row, texts in zip(rows, cells, strict=True)
    ]
    return Table(columns, lines)


def _forms(rows: Sequence[Row]) -> Table:
    """The forms alone, for narrow windows."""
    places = [OPERATORS.index(form) for form in FORMS]
    table = _wide(rows, [[row.scaled[place] for place in places] for row in rows], tuple(FORMS))
    return table._replace(rows=[line for line in table.rows if any(cell.text for cell in line[1:])])


def _tall(rows: Sequence[Row], cells: Sequence[Sequence[str]]) -> Table:
    """Operators down, metrics across: for counts too long to stand four in a row."""
    columns = (Column("", left=True), *(Column(row.short_label) for row in rows))
    lines = [
        *((Cell(label), *map(Cell, texts)) for label, texts in zip(_NESTED, zip(*cells, strict=True), strict=True)),
        *((Cell(name), *(_ratio(row.ratios[place]) for row in rows)) for place, name in enumerate(_RATIOS)),
        (Cell("R×S"), *(Cell(row.approximation) for row in rows)),
    ]
    return Table(columns, lines)


def _ratio(ratio: Fraction | None) -> Cell:
    """Green where the separable form is the cheaper one, red where it costs more."""
    return Cell("") if ratio is None else Cell(times(ratio), tone_of(ratio))


def tone_of(ratio: float | Fraction) -> Tone:
    """How a ratio is meant: good where the separable form is the cheaper one."""
    return "good" if ratio > 1 else "bad" if ratio < 1 else "plain"


def counted_by(one: Comparison, pending: str = "") -> str:
    """Who counted, and whether that agrees."""
    if pending:
        return f"from formulas; {pending} {'are' if ' and ' in pending else 'is'} counting…"
    if one.counted is None:
        return "from formulas, not measured"
    names = " and ".join(one.counted.counters)
    if one.counted.exact:
        return f"counted by {names}; equal to the formulas"
    return f"counted by {names}; equal to the formulas as far as thop's doubles are exact (up to 2^53)"


def _approximation(one: Comparison, *, explain: bool) -> str:
    """R×S, how far off it is and why, in one line."""
    params, macs = (one.approximation.errors[metric] for metric in ("params", "macs"))
    off = _off(macs, "the ratio")
    if params != macs:
        first, second = _off(params, "the ratio of parameters"), _off(macs, "that of MACs")
        verb = first.partition(" ")[0]
        off = f"{first} and {second.removeprefix(f'{verb} ')}"
    more = "" if explain else "; --explain derives it"
    return f"R×S = {one.approximation.ratio} {off}: {_why_off(one)}{more}."


def _off(error: Fraction, ratio: str) -> str:
    if error == 0:
        return f"equals {ratio}"
    return f"{'overstates' if error > 0 else 'understates'} {ratio} by {percent(abs(error))}"


def _why_off(one: Comparison) -> str:
    """Which of the assumptions of R×S fails; see `Approximation`."""
    spec, approximation = one.spec, one.approximation
    reasons = []
    if MUCH_LESS * approximation.ratio > spec.k:
        reasons.append("K is small")
    if spec.depth_multiplier != 1:
        reasons.append(f"the depth multiplier is {spec.depth_multiplier}")
    if approximation.errors["params"] != approximation.errors["macs"]:
        reasons.append("there are biases")
    if reasons:
        return " and ".join(reasons)
    return "its assumptions hold" if approximation.holds else "C is small, but only K matters"


def _picture(one: Comparison, kind: str) -> bytes:
    from dsconv_cli.report.pictures.layer import draw_roofline

    return draw_roofline(one, kind)


def _bars(one: Comparison, kind: str) -> bytes:
    from dsconv_cli.report.pictures.layer import draw_runtimes

    return draw_runtimes(one, kind)

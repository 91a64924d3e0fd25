"""What changed since an earlier result, as a section of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsconv_cli.baseline import keys
from dsconv_cli.baseline.beside import Beside
from dsconv_cli.baseline.change import Change
from dsconv_cli.baseline.layers import COUNTED, LayerChange
from dsconv_cli.baseline.rows import RowsBeside
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.numbers import apart, many, scaled
from dsconv_cli.report.page import Block, Cell, Column, Line, Page, Report, Table, Tone

#: Layers that a page shows; JSON has them all.
_MOST: Final = 20
_CHANGES: Final = (Column("", left=True), *map(Column, ("baseline", "now", "change")))
_ROWS: Final = (Column("layer", left=True, folds=True, name=True), *_CHANGES)
_LAYERS: Final = (
    Column("layer", left=True, folds=True, name=True),
    Column("change", left=True, folds=True),
    *(Column(METRICS[metric].short_label) for metric in COUNTED),
)


def with_baseline(report: Report, beside: Beside) -> Report:
    """The report with what changed: on the page, and in the document under a name of its own."""
    return report._replace(
        page=lambda: _below_title(report.page(), section(beside)),
        document=lambda: {**report.document(), keys.NAME: keys.KEYS.document(beside)},
    )


def with_rows(report: Report, beside: RowsBeside) -> Report:
    """The report of a sweep with what changed on its page."""
    return report._replace(page=lambda: _below_title(report.page(), rows_section(beside)))


def _below_title(page: Page, blocks: Iterator[Block]) -> Page:
    return page._replace(sections=(page.sections[0], tuple(blocks), *page.sections[1:]))


def section(beside: Beside) -> Iterator[Block]:
    """What changed in a sentence, as figures, and layer by layer."""
    yield Line(headline(beside), "strong")
    shown = [one for one in beside.changes if one.growth != 0 or one.measured]
    if shown:
        yield Table(_CHANGES, [_row(one) for one in shown], labelled=True)
    for doubt in beside.doubts:
        yield Line(f"Times are not compared: {doubt}.", "doubt")
    if beside.layers:
        yield Line("")
        yield Table(_LAYERS, [_layer(one) for one in beside.layers[:_MOST]])
    if len(beside.layers) > _MOST:
        yield Line(f"and {len(beside.layers) - _MOST} more layers; --format json lists them all", "dim")


def headline(beside: Beside) -> str:
    """In a sentence: `Since base.json: parameters +2.10%, MACs +6.30%, 1 layer changed`."""
    certain = [one for one in beside.changes if one.certain]
    # Of a network whose layers have been replaced: the table has that.
    told = [f"{one.label} {one.share or one.shown[1]}" for one in certain if ".after" not in one.key]
    layers = [f"{many(len(beside.layers), 'layer')} changed"] if beside.layers else []
    said = ", ".join([*told, *layers]) or ("what is replaced changed" if certain else "nothing changed")
    return f"Since {beside.file}: {said}."


def _row(one: Change) -> tuple[Cell, ...]:
    was, now = one.shown
    share = one.share if one.certain else f"{one.share}, within the noise"
    return (Cell(one.label), Cell(was), Cell(now), Cell(share, _tone(one)))


def _tone(one: Change) -> Tone:
    """Bad where it costs more: of a speed-up, where it is less."""
    if not one.certain:
        return "dim"
    growing = one.growth is None or one.growth > 0
    return "good" if growing == one.key.endswith(".speedup.value") else "bad"


def _layer(one: LayerChange) -> tuple[Cell, ...]:
    kind = f"was {one.former}" if one.former else one.kind
    return (Cell(one.label), Cell(kind), *(_figures(one, metric) for metric in COUNTED))


def _figures(one: LayerChange, metric: str) -> Cell:
    """`36.9 k → 73.9 k`."""
    was, now = (None if figures is None else figures[f"{metric}.before"] for figures in (one.was, one.now))
    if was is None or now is None:
        return Cell(scaled((now if was is None else was) or 0), "bad" if was is None else "good")
    if was == now:
        return Cell(scaled(now), "dim")
    texts = apart(lambda value, digits: scaled(value, "", digits), was, now)
    return Cell(" → ".join(texts), "bad" if now > was else "good")


def rows_headline(beside: RowsBeside) -> str:
    """In a sentence: `Since base.jsonl: 12 layers as before, 1 changed, 2 new`."""
    counts = {"changed": beside.changed, "new": beside.new, "gone": beside.gone}
    more = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    return f"Since {beside.file}: {beside.same:,} {'layer' if beside.same == 1 else 'layers'} as before{more}."


def rows_section(beside: RowsBeside) -> Iterator[Block]:
    """How many layers of a sweep changed; some of them with what they were and are."""
    yield Line(rows_headline(beside), "strong")
    for doubt in beside.doubts:
        yield Line(f"Times are not compared: {doubt}.", "doubt")
    if beside.rows:
        yield Table(_ROWS, [(Cell(row.label), *_row(one)) for row in beside.rows for one in row.changes])
    if beside.new_labels:
        more = beside.new - len(beside.new_labels)
        yield Line(f"New: {'; '.join(beside.new_labels)}{f'; and {more:,} more' if more else ''}.", "dim")

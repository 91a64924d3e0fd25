"""`dsconv model`: a network, layer by layer, before and after, as a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from dsconv_cli.data import csv_text, json_line
from dsconv_cli.keys import Value
from dsconv_cli.layer.metrics import METRICS, Metric
from dsconv_cli.layer.reading import COLUMNS, columns
from dsconv_cli.model.keys import keys_of, layer_keys_of, layers_of
from dsconv_cli.model.result import AUTO, GRAPH, BeforeAfter, Layer, ModelResult
from dsconv_cli.model.tree import Branch, branches, largest, leaves
from dsconv_cli.numbers import by, exact, many, percent, scaled, seconds, times
from dsconv_cli.report import answer, timing
from dsconv_cli.report.page import Block, Cell, Column, Facts, Layouts, Line, Page, Report, Table, Tone, report_of
from dsconv_cli.timing.result import PairTime, Timing
from dsconv_cli.timing.runtimes import RUNTIMES

UNITS_NOTE: Final = "1 MAC = 2 FLOPs; bias additions are not counted. A ratio is before / after."
TRAIN_AGAIN: Final = (
    "Replaced layers must be trained again: --save writes the network with weights fitted to the trained ones, "
    "--fidelity tells how much these keep."
)
FITTED: Final = (
    "Fidelity is the share of the trained weights that fitted ones keep (--save writes the network with these); "
    "training again makes up for the rest."
)
_LARGEST: Final = "Of a network: those of its largest layer; what it keeps for later layers comes on top."

_LAYER: Final = Column("layer", left=True, folds=True, name=True)
_REPLACED: Final = Column("replaced", left=True, folds=True)
#: What may stand between the two.
_COLUMNS: Final[Mapping[str, Column]] = {
    "type": Column("type", left=True),
    "weight": Column("weight"),
    "output": Column("output"),
    "params": Column("parameters"),
    "params_scaled": Column("params"),
    "macs": Column("MACs"),
    "macs_scaled": Column("MACs"),
    "share": Column("share"),
    "after": Column("after"),
    "after_scaled": Column("after"),
    "multiplier": Column("M"),
    "ratio": Column("ratio"),
    "fidelity": Column("fidelity"),
    "output_fidelity": Column("outputs"),
    "time": Column("time"),
}
_END: Final = ("multiplier", "ratio", "fidelity", "output_fidelity", "time")
#: From the widest to the narrowest.
_LAYOUTS: Final = (
    ("type", "weight", "output", "params", "macs", "share", "after", *_END),
    ("type", "weight", "params_scaled", "macs_scaled", "share", "after_scaled", *_END),
    ("weight", "params_scaled", "macs_scaled", "share", "after_scaled", *_END),
    ("weight", "macs_scaled", "share", "after_scaled", *_END),
    ("macs_scaled", "share", "after_scaled", *_END),
    ("macs_scaled", "share", "multiplier", "ratio", "fidelity", "output_fidelity"),
)
_FLOWING: Final = ("type", "weight", "params", "macs", "share", "after", *_END)


class Levels(NamedTuple):
    """How much of a network is shown: the tree down to `depth` (None: a screenful), or the `top` largest layers."""

    depth: int | None = None
    top: int | None = None


SCREENFUL: Final = Levels()


def report(result: ModelResult, levels: Levels = SCREENFUL, *, details: bool = False) -> Report:
    """The result for every format. JSON and CSV have every layer, however much the page shows."""
    keys, shown = keys_of(tuple(result.times)), partial(page, result, levels, details=details)
    one = report_of(keys, result, shown, partial(_picture, result, levels))
    return one._replace(rows=partial(_rows, result))


def _rows(result: ModelResult) -> Iterator[Iterable[Value]]:
    keys = layer_keys_of(tuple(result.times))
    timed = any(layer.time is not None for layer in result.layers)
    columns = keys.columns(() if timed else ("time",))
    yield columns
    yield from (keys.read_all(layer, columns) for layer in layers_of(result))


def layers_file(result: ModelResult, ending: str) -> str:
    """The eligible layers in the form that `sweep --from` reads: CSV, or JSON Lines where `ending` is .jsonl.

    A layer that is called with inputs of several sizes has a row for each.
    """
    each = ((layer.name, spec) for layer in result.eligible for spec in dict.fromkeys((layer.spec, *layer.further)))
    rows = [{"name": name, **columns(spec)} for name, spec in each if spec is not None]
    if ending == ".jsonl":
        return "".join(map(json_line, rows))
    return csv_text([("name", *COLUMNS), *(row.values() for row in rows)])


def page(result: ModelResult, levels: Levels = SCREENFUL, *, details: bool = False) -> Page:
    """The answer, the network, the totals, the layers, and what was replaced; `details` of what it all rests on."""
    shown = largest(result, levels.top) if levels.top is not None else branches(result, levels.depth)
    note = "" if levels.top is not None else _hidden_note(result, shown)
    doubts = [line for on, one in _network_times(result) for line in timing.doubts(one, on.replace(", ", " on "))]
    return Page(
        (
            (Line(answer.of_network(result), "strong"), *doubts),
            (Line(title(result)), Line(shapes(result)), Line(_counted_by(result), "dim")),
            (_totals(result, details=details),),
            (_layers(result, shown), *([Line(note, "dim")] if note else [])),
            (*map(Line, _summary(result)), *_time(result), Line(UNITS_NOTE, "dim")),
            *([_details(result)] if details else []),
        ),
        f"dsconv model {result.target}",
        reading_width=100,
    )


def _layers(result: ModelResult, shown: Sequence[Branch]) -> Layouts:
    rows = [_cells(result, branch) for branch in shown]
    # The time on each runtime has a column of its own, which is called as the runtime is.
    each = {name: Column(name) for name in result.times}
    known = {**_COLUMNS, **each}
    # A column in which nothing stands is left out: times that were not measured, ratios where nothing is eligible.
    filled = [name for name in known if any(row[name].text for row in rows)]

    def table(wanted: Sequence[str]) -> Table:
        names = [name for one in wanted for name in (each or [one] if one == "time" else [one]) if name in filled]
        columns = (_LAYER, *(known[name] for name in names), _REPLACED)
        return Table(columns, [tuple(row[name] for name in ("layer", *names, "replaced")) for row in rows])

    return Layouts(table(_FLOWING), tuple(map(table, _LAYOUTS)))


def _cells(result: ModelResult, branch: Branch) -> dict[str, Cell]:
    """The cells of one line, by column."""
    layer = branch.layer
    # An eligible layer shows what it would gain, replaced or not.
    ratio = layer.ratio if layer is not None and layer.eligible else branch.ratio
    note = _group_note(branch) if layer is None else _layer_note(layer)
    tone: Tone = "strong" if layer is None else "plain"
    own = result.selection.depth_multiplier == AUTO and layer is not None and layer.eligible
    texts = {
        "layer": "  " * branch.level + branch.label,
        "type": many(len(branch.members), "layer") if layer is None else _type(layer),
        "weight": by(*layer.weight) if layer is not None and layer.weight else "",
        "output": by(*layer.outputs) if layer is not None and layer.outputs else "",
        "params": exact(branch.params),
        "params_scaled": scaled(branch.params),
        "macs": exact(branch.macs),
        "macs_scaled": scaled(branch.macs),
        "share": f"{branch.macs / result.macs.before if result.macs.before else 0.0:.2%}",
        "after": exact(branch.macs_after),
        "after_scaled": scaled(branch.macs_after),
        "multiplier": str(layer.multiplier) if own and layer is not None else "",
        "fidelity": _range(one.fidelity for one in branch.members),
        "output_fidelity": _range(one.output_fidelity for one in branch.members),
        "time": _gain(branch),
        **{name: _gain(branch, name) for name in result.times},
    }
    gain = Cell("" if ratio is None else times(ratio), "good" if note.tone == "good" else "dim")
    return {**{name: Cell(text, tone) for name, text in texts.items()}, "ratio": gain, "replaced": note}


def _range(fidelities: Iterable[float | None]) -> str:
    """Three decimals, rounded down: what loses anything is not shown as 1. Of a module, from the least to the most."""
    known = [one for one in fidelities if one is not None]
    ends = dict.fromkeys(f"{math.floor(one * 1000) / 1000:.3f}" for one in (min(known), max(known))) if known else ()
    return "–".join(ends)


def _type(layer: Layer) -> str:
    return layer.type if layer.calls <= 1 else f"{layer.type}, {layer.calls} calls"


def _layer_note(layer: Layer) -> Cell:
    if layer.replaced:
        return Cell("yes", "good")
    if layer.kept is not None:
        return Cell(f"no: {layer.kept}", "doubt")
    return Cell(f"no: {layer.reason}" if layer.reason else "", "dim")


def _group_note(branch: Branch) -> Cell:
    told = f"{branch.replaced} of {branch.convolutions}" if branch.convolutions else ""
    return Cell(told, "good" if branch.replaced else "dim")


def _gain(branch: Branch, name: str = "") -> str:
    """The ratio of a layer's times, on one runtime; of a module, that of the sums over what is replaced in it."""

    def time_of(layer: Layer) -> Timing | None:
        return layer.times.get(name) if name else layer.time

    if branch.layer is not None:
        own = time_of(branch.layer)
        return "" if own is None else times(own.speedup.value)
    # A layer that is called again with another size was timed with its first only.
    timed = [(one.calls, time_of(one)) for one in branch.members if one.replaced and len({one.spec, *one.further}) == 1]
    measured = [(calls, time) for calls, time in timed if time is not None]
    if not measured or len(measured) < branch.replaced:
        return ""
    before = sum(calls * time.ordinary_s for calls, time in measured)
    return times(before / sum(calls * time.separable_s for calls, time in measured))


def title(result: ModelResult) -> str:
    """The network in one line."""
    return result.target if result.type in result.target else f"{result.target} ({result.type})"


def shapes(result: ModelResult) -> str:
    """What goes in and what comes out."""
    given = ", ".join(f"{one.name + ' ' if one.name else ''}{by(*one.shape)} {one.dtype}" for one in result.inputs)
    shown = [by(*shape) or "scalar" for shape in result.outputs]
    more = f" and {len(shown) - 4} more" if len(shown) > 5 else ""
    return f"{given or 'no input'} → {', '.join(shown[: 4 if more else 5]) or 'no tensor'}{more}"


def _counted_by(result: ModelResult) -> str:
    """Who counted, where, and that it agrees, or what is missing."""
    where = "on the meta device" if result.device == "meta" else "on the CPU"
    if result.type == GRAPH:
        where = "from shapes alone"
    agrees = "equal to the formulas" if result.after_counted else "after from formulas"
    if result.uncounted:
        agrees = f"without {', '.join(result.uncounted)}"
    return f"counted by {' and '.join(result.counters) or 'torch'} {where}; {agrees}"


def _totals(result: ModelResult, *, details: bool) -> Table:
    rows = [(METRICS[name].label, *_told(METRICS[name], total)) for name, total in result.totals.items()]
    for where, one in _network_times(result):
        rows.append(
            (f"median time{where}", seconds(one.ordinary_s), seconds(one.separable_s), times(one.speedup.value))
        )
        if details:
            swift = one.fastest
            fastest = (seconds(swift.ordinary_s), seconds(swift.separable_s), times(swift.speedup.value))
            rows.append((f"fastest time{where}", *fastest))
    tone: Tone = "good" if result.replaced else "plain"
    columns = (Column("total", left=True), *map(Column, ("before", "after", "ratio")))
    return Table(columns, [(*map(Cell, row[:-1]), Cell(row[-1], tone)) for row in rows])


def _told(metric: Metric, total: BeforeAfter) -> tuple[str, str, str]:
    before, after = (scaled(one, "B") if metric.unit == "bytes" else exact(one) for one in (total.before, total.after))
    return (before, after, times(total.ratio))


def _summary(result: ModelResult) -> list[str]:
    """What has to be done after replacing, and what was not replaced and why."""
    known = any(layer.fidelity is not None for layer in result.replaced)
    said = [FITTED if known else TRAIN_AGAIN] if result.replaced else []
    reasons = Counter(layer.reason for layer in result.convolutions if layer.reason is not None)
    if reasons:
        said.append("Not eligible: " + _tally(reasons) + ".")
    kept = Counter(layer.kept for layer in result.eligible if layer.kept is not None)
    if kept:
        said.append("Kept: " + _tally(kept) + ".")
    return said


def _hidden_note(result: ModelResult, shown: Sequence[Branch]) -> str:
    """That layers are summed up, and how to see them."""
    count = sum(len(one.members) for one in leaves(shown) if one.layer is None)
    if not count:
        return ""
    return f"{count} of {len(result.layers)} layers are summed up; --depth N goes deeper, --top N lists the largest."


def _network_times(result: ModelResult) -> list[tuple[str, PairTime]]:
    """The measured times of the whole network, each with the words that say on what, or none."""
    if not result.times:
        return [] if result.time is None else [("", result.time)]
    return [(f", {RUNTIMES[name].title}", one) for name, one in result.times.items() if one is not None]


def _time(result: ModelResult) -> Iterator[Line]:
    """What the measured times hold for."""
    if any(layer.time is not None or layer.times for layer in result.eligible):
        yield Line("The time of a module is the sum over its replaced layers, each timed alone.")
    if result.times:
        yield Line("Columns named after runtimes have the ratios of times on them.")
    # That of the first runtime that could time it; they all have these in common.
    one = next((one for _, one in _network_times(result)), None)
    if one is not None:
        where = f"{one.device}, {many(one.threads, 'thread')}, {one.dtype}, {one.layout}"
        yield Line(f"Measured on {where}.", "dim")


def _details(result: ModelResult) -> tuple[Block, ...]:
    """What the totals mean and rest on."""
    facts = [(METRICS[name].label, METRICS[name].says) for name in result.totals]
    facts.append(("", _LARGEST))
    if result.other_params:
        share = percent(result.other_params / result.params.before)
        told = f"{exact(result.other_params)} parameters ({share}) are in no counted layer"
        facts.append(("others", f"{told}, such as those of normalisations."))
    for where, one in _network_times(result):
        facts.append((f"samples{where}", f"{one.processes} processes, {one.pairs} pairs of passes"))
    return (Line("Details", "strong"), Facts(tuple(facts)))


def _tally(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())


def _picture(result: ModelResult, levels: Levels, kind: str) -> bytes:
    from dsconv_cli.report.pictures.network import draw

    return draw(result, kind, levels.depth)

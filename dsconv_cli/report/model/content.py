"""What a network's result says, in words and cells, before any layout: shared by the table, Markdown and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dsconv_cli.model.result import BeforeAfter, Layer, ModelResult
from dsconv_cli.model.tree import Line, hidden, top_lines, tree_lines
from dsconv_cli.numbers import by, exact, percent, scaled, seconds, times
from dsconv_cli.report.model import Shown

UNITS_NOTE: Final = "MACs leave out bias additions; 1 MAC = 2 FLOPs. A ratio is before / after."


@dataclass(frozen=True, slots=True)
class Cells:
    """A line of the table as text. `mark` says how the note is meant: "replaced", "kept", or "" for neither."""

    label: str
    level: int
    type: str
    weight: str
    output: str
    params: str
    params_scaled: str
    macs: str
    macs_scaled: str
    share: str
    after: str
    after_scaled: str
    ratio: str
    time: str
    note: str
    mark: str
    group: bool


def lines(result: ModelResult, shown: Shown) -> tuple[Line, ...]:
    """The lines that are to be shown."""
    if shown.top is not None:
        return top_lines(result, shown.top)
    return tree_lines(result, shown.depth)


def cells(result: ModelResult, line: Line) -> Cells:
    """The texts of one line."""
    layer = line.layer
    share = line.macs / result.macs.before if result.macs.before else 0.0
    # An eligible layer shows what it would gain, replaced or not.
    ratio = layer.ratio if layer is not None and layer.eligible else line.ratio
    note, mark = _group_note(line) if layer is None else _layer_note(layer)
    return Cells(
        label=line.label,
        level=line.level,
        type=_many(len(line.members), "layer") if layer is None else _type(layer),
        weight=by(*layer.weight) if layer is not None and layer.weight else "",
        output=by(*layer.outputs) if layer is not None and layer.outputs else "",
        params=exact(line.params),
        params_scaled=scaled(line.params),
        macs=exact(line.macs),
        macs_scaled=scaled(line.macs),
        share=f"{share:.2%}",
        after=exact(line.macs_after),
        after_scaled=scaled(line.macs_after),
        ratio="" if ratio is None else times(ratio),
        time=_time(line),
        note=note,
        mark=mark,
        group=layer is None,
    )


def _type(layer: Layer) -> str:
    return layer.type if layer.calls <= 1 else f"{layer.type}, {layer.calls} calls"


def _layer_note(layer: Layer) -> tuple[str, str]:
    if layer.replaced:
        return "yes", "replaced"
    if layer.kept is not None:
        return f"no: {layer.kept}", "kept"
    return (f"no: {layer.reason}", "") if layer.reason else ("", "")


def _group_note(line: Line) -> tuple[str, str]:
    if not line.convolutions:
        return "", ""
    return f"{line.replaced} of {line.convolutions}", "replaced" if line.replaced else ""


def _time(line: Line) -> str:
    """The ratio of a layer's measured times; of a module, that of the sums over what is replaced in it."""
    if line.layer is not None:
        return "" if line.layer.time is None else times(line.layer.time.speedup.value)
    # A layer that is called again with another size was timed with its first only.
    timed = [(one.calls, one.time) for one in line.members if one.replaced and len({one.spec, *one.further}) == 1]
    measured = [(calls, time) for calls, time in timed if time is not None]
    if not measured or len(measured) < line.replaced:
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


def counted_by(result: ModelResult) -> str:
    """Who counted, where, and that it agrees, or what is missing."""
    where = "on the meta device" if result.device == "meta" else "on the CPU"
    agrees = "equal to the closed forms" if result.after_counted else "after by the closed forms"
    if result.uncounted:
        agrees = f"without {', '.join(result.uncounted)}"
    return f"counted by {' and '.join(result.counters) or 'torch'} {where}; {agrees}"


def total_rows(result: ModelResult) -> list[tuple[str, str, str, str]]:
    """Label, before, after, ratio."""
    rows = [_total("parameters", result.params), _total("MACs", result.macs)]
    if result.time is not None:
        one = result.time
        swift = one.fastest
        rows.append(("time", seconds(one.before_s), seconds(one.after_s), times(one.speedup.value)))
        rows.append(("fastest time", seconds(swift.ordinary_s), seconds(swift.separable_s), times(swift.speedup.value)))
    return rows


def _total(label: str, total: BeforeAfter) -> tuple[str, str, str, str]:
    return (label, exact(total.before), exact(total.after), times(total.ratio))


def summary(result: ModelResult) -> list[str]:
    """What was replaced and what not, in words."""
    found, eligible, replaced = len(result.convolutions), len(result.eligible), len(result.replaced)
    said = [f"{replaced} of {_many(found, 'convolution')} replaced; {eligible} could be."]
    reasons = Counter(layer.reason for layer in result.convolutions if layer.reason is not None)
    if reasons:
        said.append("Not eligible: " + _tally(reasons) + ".")
    kept = Counter(layer.kept for layer in result.eligible if layer.kept is not None)
    if kept:
        said.append("Kept: " + _tally(kept) + ".")
    if result.other_params:
        share = percent(result.other_params / result.params.before)
        said.append(f"Other parameters, in no counted layer: {exact(result.other_params)} ({share}).")
    return said


def hidden_note(result: ModelResult, shown: Sequence[Line], wanted: Shown) -> str | None:
    """That layers are summed up, and how to see them."""
    count = hidden(shown)
    if not count or wanted.top is not None:
        return None
    return f"{count} of {len(result.layers)} layers are summed up; --depth N goes deeper, --top N lists the largest."


def time_lines(result: ModelResult) -> list[str]:
    """The measured time of the whole network, and what it holds for."""
    one = result.time
    if one is None:
        return []
    gain = one.speedup
    speedup = f"{times(gain.value)} ({times(gain.low)} to {times(gain.high)} at {gain.level:.0%})"
    where = f"{one.device}, {_many(one.threads, 'thread')}, {one.dtype}, {one.pairs} pairs"
    said = f"One pass: {one.verdict}, {speedup}, {where}"
    return [
        f"{said}." if one.reliable else f"{said}; not reliable:",
        *(f"  {text}" for text in one.warnings),
        "Times of a module are those of its replaced layers, each timed alone, added up.",
    ]


def _tally(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""Runtimes side by side: a row for each, and what their figures say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.cost import Cost
from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.numbers import seconds, significant, times
from dsconv_cli.report.page import Block, Cell, Column, Item, Items, Layouts, Line, Table, Tone
from dsconv_cli.text import listed
from dsconv_cli.timing.reasons import FIXED_RULES, MOSTLY, TOO_UNSURE, calls_of_pair, operators, pair_call_s
from dsconv_cli.timing.result import Timing
from dsconv_cli.timing.runtimes import RUNTIMES, TORCH

#: A half that takes so many times as long as on the quickest runtime has no fast kernel for its shape there.
NO_FAST_KERNEL: Final = 4.0
#: What puts weights in order at each call takes so many times as long as the quickest that does it once.
REPACKS: Final = 1.5
#: The backend of eager torch that keeps nothing from one call to the next.
_FORGETFUL: Final = "Mkldnn"
#: What runtimes call the precision of an operator, by the dtype that it belongs to.
_PRECISIONS: Final[Mapping[str, str]] = {
    "f32": "float32", "f16": "float16", "bf16": "bfloat16", "u8": "int8", "i8": "int8",
}  # fmt: skip
_SHORT: Final = {"no detectable difference": "no different"}
_TONES: Final[Mapping[str, Tone]] = {"faster": "good", "slower": "bad"}
_FIGURES: Final = (Column("runtime", left=True), *map(Column, ("ordinary", "separable", "time ratio", "95% interval")))
_COLUMNS: Final = (*_FIGURES, Column("the separable form is", left=True, folds=True))
#: Where there is less room.
_FEWER_COLUMNS: Final = (*_FIGURES, Column("separable is", left=True, folds=True))


def section(one: Comparison) -> tuple[Block, ...]:
    """Nothing where fewer than two were asked for."""
    if len(one.runtimes) < 2:
        return ()
    there = {name: timing for name, timing in one.runtimes.items() if timing is not None}
    wide = Table(_COLUMNS, [_row(name, timing) for name, timing in one.runtimes.items()])
    narrow = Table(_FEWER_COLUMNS, [_row(name, timing, brief=True) for name, timing in one.runtimes.items()])
    said = tuple(map(Item, sentences(one.cost, there)))
    chain = max((timing.runtime.chain for timing in there.values()), default=1)
    row = f", a layer of {chain} in a row" if chain > 1 else ""
    lead = Line(f"Runtimes side by side{row}; the ratio of MACs is {times(one.cost.macs.ratio)}:", "lead")
    return (lead, Layouts(wide, (wide, narrow)), *([Items(said)] if said else []), Line(_built(there), "dim"))


def _built(there: Mapping[str, Timing]) -> str:
    each = (f"{RUNTIMES[name].title} {seconds(one.runtime.built_s)}" for name, one in there.items())
    return f"Building took {', '.join(each)}, which is in none of the times above."


def _row(name: str, timing: Timing | None, *, brief: bool = False) -> tuple[Cell, ...]:
    """What was measured on a runtime; the same in fewer letters where it must be `brief`."""
    title = RUNTIMES[name].title
    if timing is None:
        return (Cell(title), Cell(""), Cell(""), Cell(""), Cell(""), Cell("failed", "bad"))
    gain, tone = timing.speedup, _TONES.get(timing.verdict, "plain")
    if brief:
        interval = f"{significant(gain.low)}–{significant(gain.high)}"
        verdict = _SHORT.get(timing.verdict, timing.verdict) + ("" if timing.reliable else ", unsure")
    else:
        title = f"{title} {timing.runtime.version}"
        interval = f"{times(gain.low)} to {times(gain.high)}"
        verdict = timing.verdict + ("" if timing.reliable else ", not reliably")
    return (
        Cell(title),
        Cell(seconds(timing.ordinary_s)),
        Cell(seconds(timing.separable_s)),
        Cell(times(gain.value), tone),
        Cell(interval),
        Cell(verdict, tone),
    )


def sentences(cost: Cost, there: Mapping[str, Timing]) -> Iterator[str]:
    """What the figures say together; each sentence has its condition."""
    yield from _turned_round(there)
    for half in ("depthwise", "pointwise"):
        yield from _slow_kernels(cost, there, half)
    yield from _calls(there)
    yield from _repacked(cost, there)
    yield from _precisions(there)


def _turned_round(there: Mapping[str, Timing]) -> Iterator[str]:
    """Said if the separable form is faster on one and slower on another, each by its whole interval."""
    faster, slower = (
        listed([RUNTIMES[name].title for name, one in there.items() if one.verdict == verdict], " and ")
        for verdict in ("faster", "slower")
    )
    if faster and slower:
        yield f"The runtime decides, not the layer: the separable form is faster on {faster} and slower on {slower}."


def _slow_kernels(cost: Cost, there: Mapping[str, Timing], half: str) -> Iterator[str]:
    """Said of a half that computes several times as long as on the quickest of them, its call left out.

    Where the call is most of it, what is left is too uncertain to say so.
    """
    rates = {}
    for name, one in _known(there):
        whole = getattr(one, f"{half}_s")
        # In a row of layers there are hardly any calls.
        fixed = 0.0 if one.fixed_s is None and one.runtime.chain > 1 else getattr(one.fixed_s, half, whole)
        if fixed < FIXED_RULES * whole:
            rates[name] = getattr(operators(cost, one), half).flops / (whole - fixed)
    best = max(rates, key=rates.__getitem__, default="")
    for name, rate in rates.items():
        if rate * NO_FAST_KERNEL <= rates[best]:
            yield (
                f"{RUNTIMES[name].title} has no fast kernel for this {half} convolution: {significant(rate / 1e9)} "
                f"GFLOP/s, where {RUNTIMES[best].title} reaches {significant(rates[best] / 1e9)}."
            )


def _known(there: Mapping[str, Timing]) -> Iterator[tuple[str, Timing]]:
    """Those whose figures are sure enough to explain anything."""
    return ((name, one) for name, one in there.items() if one.speedup.half_width <= TOO_UNSURE)


def _calls(there: Mapping[str, Timing]) -> Iterator[str]:
    """Said where calls are half of the separable form's time, however little they compute."""
    for name, one in there.items():
        cost = pair_call_s(one)
        if cost is not None and cost >= FIXED_RULES * one.separable_s:
            calls = "a call alone costs" if calls_of_pair(one) == 1 else "two calls alone cost"
            yield (
                f"On {RUNTIMES[name].title} {calls} {seconds(cost)}, of the {seconds(one.separable_s)} that the "
                "separable form takes."
            )


def _repacked(cost: Cost, there: Mapping[str, Timing]) -> Iterator[str]:
    """Said of eager torch where weights are most of the ordinary form's bytes, and another is much quicker with them.

    It is given the weights as a program has them, and its backend puts them in the order of its kernels at every call;
    all the others do so once, when the layer is built.
    """
    known = dict(_known(there))
    eager = known.get(TORCH.name)
    others = {name: one.ordinary_s for name, one in known.items() if name != TORCH.name}
    if eager is None or not others or not (eager.regime.backends.ordinary or "").startswith(_FORGETFUL):
        return
    best = min(others, key=others.__getitem__)
    share = cost.params.ordinary * DTYPE_BYTES[eager.dtype] / cost.traffic.ordinary
    if share >= MOSTLY and eager.ordinary_s >= REPACKS * others[best]:
        yield (
            f"{TORCH.title} puts the weights of the ordinary form, {share:.0%} of the bytes that it moves, in another "
            f"order at every call: {seconds(eager.ordinary_s)}, where {RUNTIMES[best].title}, which does so once, "
            f"takes {seconds(others[best])}."
        )


def _precisions(there: Mapping[str, Timing]) -> Iterator[str]:
    """Said of a runtime that computes in something else than the dtype, by its own account."""
    for name, one in there.items():
        told = dict.fromkeys(one.runtime.precision.split())
        others = [word for word in told if _PRECISIONS.get(word, word) != one.dtype]
        if others:
            part = "" if len(others) == len(told) else "a part of it "
            yield f"{RUNTIMES[name].title} computes {part}in {listed(others, ' and ')}, not in {one.dtype}."

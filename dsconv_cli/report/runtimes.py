"""Runtimes side by side: a row for each, and what their figures say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.layer.cost import Cost
from dsconv_cli.numbers import seconds, significant, times
from dsconv_cli.report.page import Block, Cell, Column, Item, Items, Line, Table, Tone
from dsconv_cli.timing.reasons import FIXED_RULES, operators
from dsconv_cli.timing.result import Timing
from dsconv_cli.timing.runtimes import RUNTIMES

#: A half that takes so many times as long as on the quickest runtime has no fast kernel for its shape there.
NO_FAST_KERNEL: Final = 4.0
_TONES: Final[Mapping[str, Tone]] = {"faster": "good", "slower": "bad"}
_COLUMNS: Final = (
    Column("runtime", left=True),
    *map(Column, ("ordinary", "separable", "time ratio", "95% interval")),
    Column("the separable form is", left=True, folds=True),
)


def section(one: Comparison) -> tuple[Block, ...]:
    """Nothing where fewer than two were asked for."""
    if len(one.runtimes) < 2:
        return ()
    there = {name: timing for name, timing in one.runtimes.items() if timing is not None}
    rows = [_row(name, timing) for name, timing in one.runtimes.items()]
    said = tuple(map(Item, sentences(one.cost, there)))
    lead = Line(f"Runtimes side by side; the ratio of MACs is {times(one.cost.macs.ratio)}:", "lead")
    return (lead, Table(_COLUMNS, rows), *([Items(said)] if said else []))


def _row(name: str, timing: Timing | None) -> tuple[Cell, ...]:
    title = RUNTIMES[name].title
    if timing is None:
        return (Cell(title), Cell(""), Cell(""), Cell(""), Cell(""), Cell("failed", "bad"))
    gain = timing.speedup
    tone = _TONES.get(timing.verdict, "plain")
    verdict = timing.verdict if timing.reliable else f"{timing.verdict}, not reliably"
    return (
        Cell(f"{title} {timing.runtime.version}"),
        Cell(seconds(timing.ordinary_s)),
        Cell(seconds(timing.separable_s)),
        Cell(times(gain.value), tone),
        Cell(f"{times(gain.low)} to {times(gain.high)}"),
        Cell(verdict, tone),
    )


def sentences(cost: Cost, there: Mapping[str, Timing]) -> Iterator[str]:
    """What the figures say together; each sentence has its condition."""
    yield from _turned_round(there)
    for half in ("depthwise", "pointwise"):
        yield from _slow_kernels(cost, there, half)
    yield from _calls(there)


def _turned_round(there: Mapping[str, Timing]) -> Iterator[str]:
    """Said if the separable form is faster on one and slower on another, each by its whole interval."""
    faster, slower = (
        [RUNTIMES[name].title for name, one in there.items() if one.verdict == verdict]
        for verdict in ("faster", "slower")
    )
    if faster and slower:
        yield (
            f"The verdict turns round: the separable form is faster on {_listed(faster)} and slower on "
            f"{_listed(slower)}. It is the runtime that decides, not the layer."
        )


def _slow_kernels(cost: Cost, there: Mapping[str, Timing], half: str) -> Iterator[str]:
    """Said of a half that computes several times as long as on the quickest of them, its call left out.

    Where the call is most of it, what is left is too uncertain to say so.
    """
    rates = {}
    for name, one in there.items():
        whole, fixed = getattr(one, f"{half}_s"), getattr(one.fixed_s, half, 0.0)
        if fixed < FIXED_RULES * whole:
            rates[name] = getattr(operators(cost, one), half).flops / (whole - fixed)
    best = max(rates, key=rates.__getitem__, default="")
    for name, rate in rates.items():
        if rate * NO_FAST_KERNEL <= rates[best]:
            yield (
                f"{RUNTIMES[name].title} has no fast kernel for this {half} convolution: {significant(rate / 1e9)} "
                f"GFLOP/s, where {RUNTIMES[best].title} reaches {significant(rates[best] / 1e9)}."
            )


def _calls(there: Mapping[str, Timing]) -> Iterator[str]:
    """Said where calls are half of the separable form's time, however little they compute."""
    for name, one in there.items():
        if one.fixed_s is None:
            continue
        # A pair is one call of most runtimes, and two of eager torch.
        cost = max(one.fixed_s.depthwise, one.fixed_s.pointwise)
        if cost >= FIXED_RULES * one.separable_s:
            yield (
                f"On {RUNTIMES[name].title} a call alone costs {seconds(cost)}, of the {seconds(one.separable_s)} that "
                "the separable form takes."
            )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

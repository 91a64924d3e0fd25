"""What a timing says, in words and cells."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.numbers import seconds, significant
from dsconv_cli.report.page import Item, Items, Line
from dsconv_cli.timing.reasons import Operator, explain_time, follows_macs, operators, pair_call_s
from dsconv_cli.timing.result import PairTime, Timing
from dsconv_cli.timing.runtimes import DEFAULT as TORCH
from dsconv_cli.timing.runtimes import RUNTIMES


class TimeRow(NamedTuple):
    """A label, long and short, cells for the first of ordinary, separable, depthwise and pointwise, and the ratio."""

    label: str
    short: str
    cells: tuple[str, ...]
    ratio: Fraction | None = None


def rows(one: Comparison, *, details: bool = False) -> Iterator[TimeRow]:
    """The time, and with `details` what it makes of the counts; nothing if it was not measured."""
    timing = one.time
    if timing is None:
        return
    four = (timing.ordinary_s, timing.separable_s, timing.depthwise_s, timing.pointwise_s)
    yield TimeRow("median time", "time", tuple(map(seconds, four)), Fraction(timing.speedup.value))
    if details:
        yield from _detailed(one, timing)


def _detailed(one: Comparison, timing: Timing) -> Iterator[TimeRow]:
    swift, three = timing.fastest, operators(one.cost, timing)
    shortest = (seconds(swift.ordinary_s), seconds(swift.separable_s))
    yield TimeRow("fastest time", "fastest", shortest, Fraction(swift.speedup.value))
    flops = three.depthwise.flops + three.pointwise.flops
    pair = Operator("separable", flops, one.cost.traffic.separable, timing.separable_s, 0.0)
    four = (three.ordinary, pair, three.depthwise, three.pointwise)
    yield TimeRow("GFLOP/s", "GFLOP/s", tuple(significant(each.flop_rate / 1e9) for each in four))
    yield TimeRow("GB/s", "GB/s", tuple(significant(each.byte_rate / 1e9) for each in four))
    macs, time = three.depthwise_mac_share, three.depthwise_time_share
    yield TimeRow("share of MACs", "of MACs", ("", "", f"{macs:.0%}", f"{1 - macs:.0%}"))
    yield TimeRow("share of time", "of time", ("", "", f"{time:.0%}", f"{1 - time:.0%}"))
    if timing.fixed_s is not None:
        fixed = timing.fixed_s
        calls = (fixed.ordinary, pair_call_s(timing) or 0.0, fixed.depthwise, fixed.pointwise)
        yield TimeRow("call overhead", "overhead", tuple(map(seconds, calls)))


def doubts(timing: PairTime, where: str = "") -> tuple[Line, ...]:
    """Why a time is not reliable, a line each: they stand below the answer that rests on it. `where` says on what."""
    return tuple(Line(f"Not reliable{where}: {text}.", "bad") for text in timing.warnings)


def section(one: Comparison, *, details: bool = False) -> tuple[Line | Items, ...]:
    """Why the time ratio is not the ratio of MACs, and where it was measured; with `details` all that it rests on."""
    timing = one.time
    if timing is None:
        return ()
    where = f" on {RUNTIMES[timing.runtime.name].title}" if len(one.runtimes) > 1 else ""
    lead = "Time follows MACs" if follows_macs(one.cost, timing) else "Why time does not follow MACs"
    return (
        Line(f"{lead}{where}:", "lead"),
        Items(tuple(Item(sentence) for sentence in explain_time(one.cost, timing))),
        Line(regime_line(timing) if details else f"Measured on {short_regime(timing)}.", "dim"),
        *([Line(peaks_line(timing), "dim")] if details and timing.peaks else []),
    )


def regime_line(timing: Timing) -> str:
    """The conditions the timing holds for, and what it rests on."""
    regime = timing.regime
    where = timing.device if not regime.device_name else f"{timing.device} ({regime.device_name})"
    threads = f"{timing.threads} thread{'s' if timing.threads != 1 else ''}"
    parts = [
        where,
        f"{threads} on {regime.cores} core{'s' if regime.cores != 1 else ''}" if regime.cores else threads,
        timing.dtype,
        timing.layout,
        f"batch {regime.batch}",
        *([regime.clock] if regime.clock else []),
        *_executed(timing),
        *_backends(timing),
        *regime.notes,
    ]
    return (
        f"Measured on {', '.join(parts)}: {timing.processes} processes, {timing.pairs} pairs, {timing.seconds:.1f} s."
    )


def _executed(timing: Timing) -> list[str]:
    if timing.runtime.name != TORCH:
        return [f"{timing.runtime.name} {timing.runtime.version}"]
    return [f"torch {timing.regime.torch}"] if timing.regime.torch else []


def short_regime(timing: Timing) -> str:
    """The conditions that matter most, for the foot of a picture."""
    return ", ".join([conditions(timing), timing.layout, *_executed(timing)])


def conditions(timing: Timing) -> str:
    """Those that runtimes side by side have in common."""
    threads = f"{timing.threads} thread{'s' if timing.threads != 1 else ''}"
    chain = timing.runtime.chain
    row = [f"for each of {chain} layers in a row"] if chain > 1 else []
    return ", ".join([timing.device, threads, timing.dtype, f"batch {timing.regime.batch}", *row])


def _backends(timing: Timing) -> list[str]:
    """Each operator's backend, or one for all."""
    names = timing.regime.backends
    if None in names:
        return []
    if len(set(names)) == 1:
        return [f"backend {names.ordinary}"]
    return [f"backends {names.ordinary} (ordinary), {names.depthwise} (depthwise), {names.pointwise} (pointwise)"]


def peaks_line(timing: Timing) -> str:
    """What the machine reaches under the same conditions."""
    peaks = timing.peaks
    assert peaks is not None
    return (
        f"This machine reaches {significant(peaks.matmul_flops / 1e9)} GFLOP/s on a large matrix product, "
        f"{significant(peaks.conv_flops / 1e9)} on a convolution of {peaks.conv_shape}, and "
        f"{significant(peaks.copy_bytes / 1e9)} GB/s on a large copy."
    )

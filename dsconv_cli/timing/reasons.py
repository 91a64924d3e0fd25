"""Why the time ratio is not the MACs ratio, in words that the measured figures support. Pure.

Each sentence has a condition, stated beside it, without which it is not said: a cause is named only where a
measurement of this very layer shows it. FLOPs are 2 × MACs, bytes the least possible traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from dsconv_cli.layer.cost import FLOPS_PER_MAC, Cost
from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.numbers import seconds as _time
from dsconv_cli.numbers import significant as _figure
from dsconv_cli.timing.runtimes import DEFAULT

if TYPE_CHECKING:
    from dsconv_cli.timing.result import Peaks, Timing

#: A share of a form's time above which fixed call cost is worth naming, and one above which it is the main thing.
FIXED_MATTERS: Final = 0.25
FIXED_RULES: Final = 0.5
#: Above this fraction the rest is within the noise of the two.
FIXED_IS_ALL: Final = 0.95
#: Depthwise's share of time must exceed its share of MACs by this much to be called out of proportion.
OUT_OF_PROPORTION: Final = 0.10
#: A ratio known no better than this explains nothing.
TOO_UNSURE: Final = 0.2
#: The ratios of typical and of fastest times differ in words from here on.
APART: Final = 0.05
#: From this fraction of a copy's rate an operator is called limited by memory; below it, it is not.
NEAR_ROOF: Final = 0.6
#: Below this fraction of a reference convolution's rate the ordinary one is called slow.
BELOW_USUAL: Final = 0.5
#: Halves and pair are compared in words if they differ by this much.
NOT_A_SUM: Final = 0.15
#: Most of a layer's traffic, and a call that maps this many pages anew.
MOSTLY: Final = 0.75
MANY_PAGES: Final = 256
_PAGE_BYTES: Final = 4096


class Operator(NamedTuple):
    """One operator's work and its time. Rates are per second."""

    name: str
    flops: int
    traffic: int
    seconds: float
    fixed_s: float

    @property
    def flop_rate(self) -> float:
        """FLOPs per second."""
        return self.flops / self.seconds

    @property
    def byte_rate(self) -> float:
        """Bytes of traffic per second."""
        return self.traffic / self.seconds

    @property
    def intensity(self) -> float:
        """FLOPs per byte."""
        return self.flops / self.traffic

    @property
    def fixed_share(self) -> float:
        """The fraction of its time that is the fixed cost of a call, at most 1."""
        return min(1.0, self.fixed_s / self.seconds)


class Operators(NamedTuple):
    """The three that are timed alone."""

    ordinary: Operator
    depthwise: Operator
    pointwise: Operator

    @property
    def depthwise_mac_share(self) -> float:
        """Of the separable pair's MACs."""
        return self.depthwise.flops / (self.depthwise.flops + self.pointwise.flops)

    @property
    def depthwise_time_share(self) -> float:
        """Of the time that the two halves take, each timed alone."""
        return self.depthwise.seconds / (self.depthwise.seconds + self.pointwise.seconds)


def operators(cost: Cost, timing: Timing) -> Operators:
    """Work and time, side by side."""

    def one(name: str) -> Operator:
        flops, traffic = FLOPS_PER_MAC * getattr(cost.macs, name), getattr(cost.traffic, name)
        return Operator(name, flops, traffic, getattr(timing, f"{name}_s"), getattr(timing.fixed_s, name, 0.0))

    return Operators(one("ordinary"), one("depthwise"), one("pointwise"))


def explain_time(cost: Cost, timing: Timing) -> tuple[str, ...]:
    """The explanation, a few sentences. The first is always there."""
    three = operators(cost, timing)
    half = timing.speedup.half_width
    if half > TOO_UNSURE:
        unsure = f"The figures are too uncertain to explain: the time ratio is only known to ±{half:.0%}."
        return (unsure, *_disturbance(timing))
    return (
        _headline(cost, timing),
        *_disturbance(timing),
        *_call_cost(three, timing),
        *_depthwise(cost, three, timing),
        *_ordinary(cost, three, timing),
        *_sum(timing),
    )


def follows_macs(cost: Cost, timing: Timing) -> bool:
    """Whether the ratio of MACs lies in a reliable interval of the ratio of times."""
    return timing.reliable and timing.speedup.low <= cost.macs.ratio <= timing.speedup.high


def _headline(cost: Cost, timing: Timing) -> str:
    """The two ratios. That time follows the MACs is said only if their ratio lies in the interval."""
    ratio, gain = float(cost.macs.ratio), timing.speedup
    both = f"The ratio of MACs is {_figure(ratio)}×, the ratio of times {_figure(gain.value)}×"
    if gain.low <= ratio <= gain.high:
        return f"{both}: within the interval, time follows the MACs." if timing.reliable else f"{both}."
    per_mac = ratio / gain.value
    if per_mac > 1:
        return f"{both}: each MAC of the separable form takes {_figure(per_mac)} times as long."
    return f"{both}: each MAC of the ordinary form takes {_figure(1 / per_mac)} times as long."


def _disturbance(timing: Timing) -> Iterator[str]:
    """Said if the ratio of the fastest times is another one: the two forms do not lose alike to disturbance."""
    apart = timing.fastest.speedup.value / timing.speedup.value
    more = max(apart, 1 / apart) - 1
    if more < APART:
        return
    loser, other = ("separable", "ordinary") if apart > 1 else ("ordinary", "separable")
    yield (
        f"The ratio of the fastest times is {_figure(timing.fastest.speedup.value)}×: what disturbs this machine now "
        f"slows the {loser} form {more:.0%} more than the {other} one."
    )


def calls_of_pair(timing: Timing) -> int:
    """The pair is two calls of eager PyTorch, and one of every other runtime."""
    return 2 if timing.runtime.name == DEFAULT else 1


def pair_call_s(timing: Timing) -> float | None:
    """What the calls of the pair cost before anything is computed; None where that is not known."""
    if timing.fixed_s is None:
        return None
    halves = timing.fixed_s.depthwise, timing.fixed_s.pointwise
    return sum(halves) if calls_of_pair(timing) == 2 else max(halves)


def _call_cost(three: Operators, timing: Timing) -> Iterator[str]:
    """Said if the calls' fixed cost is a quarter or more of the separable form's time."""
    both = pair_call_s(timing)
    if both is None or both < FIXED_MATTERS * timing.separable_s:
        return
    whole, first, second = three
    share = both / timing.separable_s
    of_it = f"{share:.0%} of the separable form's {_time(timing.separable_s)}"
    if share > 1:
        of_it = f"no less than the separable form's whole {_time(timing.separable_s)}"
    calls = f"{_time(both)} for the pair,"
    if calls_of_pair(timing) > 1:
        calls = f"{_time(first.fixed_s)} for depthwise and {_time(second.fixed_s)} for pointwise, together"
    yield (
        f"Call overhead, before anything is computed, is {calls} {of_it}; for the ordinary convolution it is "
        f"{_time(whole.fixed_s)}, {whole.fixed_share:.0%} of its {_time(whole.seconds)}."
    )


def _depthwise(cost: Cost, three: Operators, timing: Timing) -> Iterator[str]:
    """Said if depthwise's share of time exceeds its share of MACs; a cause only where one is measured."""
    first = three.depthwise
    macs, time = three.depthwise_mac_share, three.depthwise_time_share
    if time - macs < OUT_OF_PROPORTION:
        return
    yield (
        f"Depthwise does {macs:.0%} of the separable form's MACs and takes {time:.0%} of its time: "
        f"{_giga(first.flop_rate)} GFLOP/s, where pointwise reaches {_giga(three.pointwise.flop_rate)} and the "
        f"ordinary convolution {_giga(three.ordinary.flop_rate)}."
    )
    if first.fixed_share >= FIXED_RULES:
        yield _mostly_call("that", first)
    elif limited_by_memory(first, timing):
        yield from _memory(cost, first, timing)
    elif timing.peaks is not None and timing.copy_bytes is not None:
        yield from _no_roof(first, timing.peaks, timing.copy_bytes)


def limited_by_memory(one: Operator, timing: Timing) -> bool:
    """Whether an operator moves bytes nearly as fast as a copy of as many bytes, and computes too little per byte.

    The copy is of the same size, so that what fits a cache is held against that cache and not against the memory.
    """
    if timing.copy_bytes is None or timing.peaks is None:
        return False
    return (
        one.byte_rate >= NEAR_ROOF * timing.copy_bytes and one.intensity < timing.peaks.matmul_flops / timing.copy_bytes
    )


def _memory(cost: Cost, one: Operator, timing: Timing) -> Iterator[str]:
    assert timing.copy_bytes is not None
    yield (
        f"Memory limits it: with {_figure(one.intensity)} FLOPs per byte it moves {_giga(one.byte_rate)} GB/s, "
        f"{one.byte_rate / timing.copy_bytes:.0%} of the {_giga(timing.copy_bytes)} GB/s that a copy of the same size "
        "reaches."
    )
    if cost.traffic.separable > cost.traffic.ordinary:
        more = cost.traffic.separable / cost.traffic.ordinary
        yield f"The separable form moves {_figure(more)} times the bytes of the ordinary one."


def _no_roof(one: Operator, peaks: Peaks, copy_bytes: float) -> Iterator[str]:
    """Said if neither roof is near: then what limits it is the code that runs, not the machine."""
    if one.flop_rate >= NEAR_ROOF * peaks.matmul_flops or one.byte_rate >= NEAR_ROOF * copy_bytes:
        return
    yield (
        f"Neither arithmetic nor memory limits it: it reaches "
        f"{_share(one.flop_rate / peaks.matmul_flops)} of the GFLOP/s of a large matrix product and "
        f"{_share(one.byte_rate / copy_bytes)} of the GB/s of a copy of the same size."
    )


def _ordinary(cost: Cost, three: Operators, timing: Timing) -> Iterator[str]:
    """Said if the ordinary convolution runs at less than half a reference convolution's rate."""
    whole, peaks = three.ordinary, timing.peaks
    if peaks is None or whole.flop_rate >= BELOW_USUAL * peaks.conv_flops:
        return
    yield (
        f"The ordinary convolution runs below its usual rate: {_giga(whole.flop_rate)} GFLOP/s, "
        f"{whole.flop_rate / peaks.conv_flops:.0%} of the {_giga(peaks.conv_flops)} that one of "
        f"{peaks.conv_shape} reaches here."
    )
    if whole.fixed_share >= FIXED_RULES:
        yield _mostly_call("it", whole)
    if timing.pages is not None and timing.pages.ordinary >= MANY_PAGES:
        size = timing.pages.ordinary * _PAGE_BYTES / 2**20
        pages = f"{timing.pages.ordinary:,.0f} new pages of memory ({size:,.0f} MiB)"
        yield f"Each of its calls asks the system for {pages}."
    weights = cost.params.ordinary * DTYPE_BYTES[timing.dtype] / whole.traffic
    if weights >= MOSTLY:
        uses = cost.macs.ordinary / cost.params.ordinary
        yield f"Its weights are {weights:.0%} of the bytes it moves, and each is used only {_figure(uses)} times."


def _sum(timing: Timing) -> Iterator[str]:
    """Said if the pair takes much more or less than its halves alone."""
    halves = timing.depthwise_s + timing.pointwise_s
    off = timing.separable_s / halves - 1
    if abs(off) >= NOT_A_SUM:
        yield (
            f"Timed alone, depthwise and pointwise take {_time(halves)} together; one after the other "
            f"{_time(timing.separable_s)}, {abs(off):.0%} {'more' if off > 0 else 'less'}."
        )


def _giga(value: float) -> str:
    return _figure(value / 1e9)


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else "less than 1%"


def _mostly_call(what: str, one: Operator) -> str:
    if one.fixed_share >= FIXED_IS_ALL:
        return f"Nearly all of {what} is call overhead, which is as high with almost nothing to compute."
    return f"Most of {what} is call overhead: {_time(one.fixed_s)} of {_time(one.seconds)}."

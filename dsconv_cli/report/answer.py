"""What is gained, in one sentence from the figures: the first line of every page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import NOTHING
from dsconv_cli.layer.cost import Cost
from dsconv_cli.layer.metrics import METRICS, Metric
from dsconv_cli.numbers import many, scaled, seconds, significant, times
from dsconv_cli.text import listed
from dsconv_cli.timing.reasons import FIXED_MATTERS, OUT_OF_PROPORTION, TOO_UNSURE, operators, pair_call_s
from dsconv_cli.timing.result import PairTime, Timing
from dsconv_cli.timing.runtimes import DEFAULT, RUNTIMES

if TYPE_CHECKING:
    from dsconv_cli.model.result import ModelResult

Ratio = float | Fraction

#: What is told of many layers.
RATIOS: Final = ("macs.ratio", "traffic.ratio", "time.speedup.value")


class _Change(NamedTuple):
    """How much less or more of something there is: `7.89× fewer`, and how to say that nothing changes."""

    text: str
    gains: bool
    same: bool = False


def of_layer(one: Comparison) -> str:
    """`7.89× fewer parameters and MACs, but 1.58× more memory traffic.`, or what the measured times say."""
    there = {name: timing for name, timing in one.runtimes.items() if timing is not None}
    if len(one.runtimes) > 1 and there:
        return f"For {_less('macs', one.cost.macs.ratio)}: {_side_by_side(there)}."
    if one.time is not None:
        return _sentence(f"{_timed(one.cost, one.time)}{_cause(one.cost, one.time)}.")
    return _sentence(f"{_counts(one.cost)}.")


def of_network(result: ModelResult) -> str:
    """Such as `8.13× fewer MACs (1.81 G → 223 M), 6.01× fewer parameters; 17 of 20 convolutions replaced`."""
    found = many(len(result.convolutions), "convolution")
    if not result.replaced:
        could = f"{len(result.eligible)} could be" if result.eligible else "none can be"
        return f"Nothing is saved: none of {found} replaced ({could})."
    macs, params = _less("macs", result.macs.ratio), _less("params", result.params.ratio)
    told = f"{macs} ({scaled(result.macs.before)} → {scaled(result.macs.after)}), {params}"
    if result.macs.ratio < 1:
        told = f"the replaced network costs more: {told}"
    there = {name: one for name, one in (result.times or {"": result.time}).items() if one is not None}
    if len(there) > 1:
        told = f"{_side_by_side(there)}, for {told}"
    elif there:
        told = f"{speed(*there.values())} for {told}"
    return _sentence(f"{told}; {len(result.replaced)} of {found} replaced.")


class Tally:
    """One ratio over many layers, in no more room than for one."""

    def __init__(self, ratios: Iterable[float] = ()) -> None:
        self.forget()
        for ratio in ratios:
            self.add(ratio)

    def forget(self) -> None:
        """As if there had been none."""
        self.count = self.losing = 0
        self.low = self.high = 1.0

    def add(self, ratio: float) -> None:
        """Take one more layer in."""
        self.low, self.high = (min(self.low, ratio), max(self.high, ratio)) if self.count else (ratio, ratio)
        self.count += 1
        self.losing += ratio < 1


def of_layers(ratios: Sequence[Tally], middle: Mapping[str, float] = NOTHING) -> str:
    """Such as `18 layers: 8.15× fewer MACs (median; 5.76–8.84×); 8 of 18 with more memory traffic`.

    Args:
        ratios: those of `RATIOS`, in their order.
        middle: their medians, by name, where they are known.
    """
    macs, traffic, time = ratios
    layers = f"{macs.count:,} {'layer' if macs.count == 1 else 'layers'}"
    if not macs.count:
        return f"{layers}."
    saved = _spread(macs, "fewer MACs", "more MACs", middle.get(RATIOS[0]))
    if time.count:
        faster = _spread(time, "faster", "slower", middle.get(RATIOS[2]))
        return f"{layers}: {faster} for {saved}{_losing(time, 'slower')}."
    lose = _losing(macs, "with more") or _losing(traffic, f"with more {METRICS['traffic'].label}")
    return f"{layers}: {saved}{lose}."


def _losing(ratios: Tally, how: str) -> str:
    return f"; {ratios.losing:,} of {ratios.count:,} {how}" if ratios.losing and ratios.count > 1 else ""


def _spread(ratios: Tally, better: str, worse: str, middle: float | None) -> str:
    """`5.76–8.84× fewer`, or around the median where it is known; `0.500–4.00× fewer` where some lose."""
    low, high, word = ratios.low, ratios.high, better
    if high < 1:
        low, high, word = 1 / high, 1 / low, worse
    span = times(high) if times(low) == times(high) else f"{significant(low)}–{times(high)}"
    if middle is None or times(low) == times(high):
        return f"{span} {word}"
    value, word = times(max(middle, 1 / middle)), better if middle >= 1 else worse
    return f"{value} {word} (median; {significant(low)}–{times(high)})"


def speed(timing: PairTime) -> str:
    """`2.80× faster here (95%: 2.74–2.86×)`."""
    name, gain, verdict = timing.runtime.name, timing.speedup, timing.verdict
    where = "here" if name == DEFAULT else f"on {RUNTIMES[name].title} here"
    doubt = "" if timing.reliable else ", not reliable"
    value, low, high = gain.value, gain.low, gain.high
    if verdict == "slower":
        value, low, high = 1 / value, 1 / high, 1 / low
    interval = f"({gain.level:.0%}: {significant(low)}–{times(high)}{doubt})"
    if verdict in {"faster", "slower"}:
        return f"{times(value)} {verdict} {where} {interval}"
    return f"no detectable difference in time {where} {interval}"


def _timed(cost: Cost, timing: Timing) -> str:
    """The speed beside the MACs that were saved for it."""
    although = timing.verdict == "slower" and cost.macs.ratio > 1
    return f"{speed(timing)}{', although it has' if although else ' for'} {_less('macs', cost.macs.ratio)}"


def _cause(cost: Cost, timing: Timing) -> str:
    """What most of the time goes into, where one thing stands out."""
    if timing.speedup.half_width > TOO_UNSURE:
        return ""
    three = operators(cost, timing)
    calls = pair_call_s(timing) or 0.0
    if calls >= timing.separable_s:
        return f"; all of the pair's {seconds(timing.separable_s)} is call overhead"
    if calls >= FIXED_MATTERS * timing.separable_s:
        share = calls / timing.separable_s
        return f"; {share:.0%} of the pair's {seconds(timing.separable_s)} is call overhead"
    macs, time = three.depthwise_mac_share, three.depthwise_time_share
    if time - macs < OUT_OF_PROPORTION:
        return ""
    return f"; depthwise does {macs:.0%} of the pair's MACs and takes {time:.0%} of its time"


def _side_by_side(there: Mapping[str, PairTime]) -> str:
    """`5.75× faster on ONNX Runtime, 4.06× on OpenVINO; 3.57× slower on PyTorch`."""
    told = []
    for verdict in ("faster", "slower", "no detectable difference"):
        gains = {name: one.speedup.value for name, one in there.items() if one.verdict == verdict}
        # The largest difference first, whichever way it goes.
        names = sorted(gains, key=lambda name: -max(gains[name], 1 / gains[name]))
        if names and verdict in {"faster", "slower"}:
            each = [f"{times(max(gains[name], 1 / gains[name]))} on {_runtime(there[name])}" for name in names]
            told.append(", ".join([each[0].replace(" on ", f" {verdict} on ", 1), *each[1:]]))
        elif names:
            told.append(f"{verdict} on {', '.join(_runtime(there[name]) for name in names)}")
    return "; ".join(told)


def _runtime(timing: PairTime) -> str:
    return RUNTIMES[timing.runtime.name].title + ("" if timing.reliable else " (not reliable)")


def _counts(cost: Cost) -> str:
    """All that there is less of, and all that there is more of. A layer that loses is told so first."""
    told = [(_change(cost[name].ratio, one), one) for name, one in METRICS.items() if one.fewer]
    better = _joined((change, one) for change, one in told if change.gains or change.same)
    worse = _joined((change, one) for change, one in told if not (change.gains or change.same))
    if cost.macs.ratio < 1:
        return f"it costs more: {worse}{', but ' if better else ''}{better}"
    nothing = "" if any(change.gains for change, _ in told) else "it saves nothing: "
    return f"{nothing}{better}{', but ' if better and worse else ''}{worse}"


def _joined(told: Iterable[tuple[_Change, Metric]]) -> str:
    """`7.89× fewer parameters and MACs`: what changes alike is told once."""
    phrases: dict[str, list[str]] = {}
    for change, one in told:
        phrases.setdefault(change.text, []).append(one.label)
    each = [f"{text} {listed(labels, ' and ')}" for text, labels in phrases.items()]
    return listed(each, ", and " if len(each) > 2 or any(" and " in one for one in each) else " and ")


def _less(name: str, ratio: Ratio) -> str:
    return f"{_change(ratio, METRICS[name]).text} {METRICS[name].label}"


def _change(ratio: Ratio, metric: Metric) -> _Change:
    """Without a difference that the digits show, nothing has changed."""
    if times(ratio) == times(1):
        return _Change("as many" if metric.fewer == "fewer" else "as much", gains=False, same=True)
    if ratio > 1:
        return _Change(f"{times(ratio)} {metric.fewer}", gains=True)
    return _Change(f"{times(1 / ratio)} more", gains=False)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

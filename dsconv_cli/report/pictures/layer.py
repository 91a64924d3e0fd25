"""Pictures of a layer that was timed: its operators under the roof of the machine, and its times on each runtime."""

from __future__ import annotations

from typing import Any, Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.numbers import seconds, significant, times
from dsconv_cli.report import layer
from dsconv_cli.report.pictures.image import image
from dsconv_cli.report.timing import conditions, short_regime
from dsconv_cli.timing.result import Timing
from dsconv_cli.timing.roofline import Roofline, roofline
from dsconv_cli.timing.runtimes import RUNTIMES

_GIGA: Final = 1e9
#: Colours that people with red-green blindness tell apart (Okabe and Ito), and marks for those who see none.
_MARKS: Final = {"ordinary": ("#D55E00", "s"), "depthwise": ("#0072B2", "o"), "pointwise": ("#009E73", "^")}
#: The same colours, and grey for what cannot be told.
_COLORS: Final = {"faster": "#0072B2", "slower": "#D55E00"}
_UNSURE: Final = "#999999"
_WIDTH_INCHES: Final = 7.5
_BAR_INCHES: Final = 0.45
_FRAME_INCHES: Final = 1.5


def draw_roofline(one: Comparison, kind: str) -> bytes:
    """The three operators of a layer under what the machine reaches, as a file of `kind`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, 5))
    axes = figure.subplots()
    assert one.time is not None
    roof = roofline(one.cost, one.time)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _roof(axes, roof)
    _points(axes, roof)
    axes.set_xlim(roof.low, roof.high)
    lowest = min(*(point.flop_rate for point in roof.points), roof.height(roof.low))
    axes.set_ylim(lowest / _GIGA / 2, max(roof.peak, *(point.flop_rate for point in roof.points)) / _GIGA * 2.5)
    axes.set_xlabel("FLOPs per byte of traffic")
    axes.set_ylabel("GFLOP/s")
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="best", frameon=True)
    axes.set_title(f"{layer.title(one.spec)}\n{layer.shapes(one.spec)}", fontsize=10)
    figure.text(0.5, 0.0, short_regime(one.time), ha="center", va="top", fontsize=8, color="#555555")
    return image(figure, kind, bbox_inches="tight")


def _roof(axes: Any, roof: Roofline) -> None:
    places = [roof.low, roof.ridge, roof.high]
    axes.plot(places, [roof.height(place) / _GIGA for place in places], color="#333333", linewidth=1.8, zorder=2)
    for place, left, told in (
        (roof.high, -6, f"{significant(roof.peak / _GIGA)} GFLOP/s"),
        (roof.ridge, -10, f"large copy: {significant(roof.bandwidth / _GIGA)} GB/s"),
    ):
        look = {"textcoords": "offset points", "ha": "right", "fontsize": 9}
        axes.annotate(told, (place, roof.peak / _GIGA), xytext=(left, 5), **look)


def _points(axes: Any, roof: Roofline) -> None:
    for point in roof.points:
        color, mark = _MARKS[point.name]
        share = point.flop_rate / roof.height(point.intensity)
        rate, top = point.flop_rate / _GIGA, roof.height(point.intensity) / _GIGA
        told = f"{point.name}: {significant(rate)} GFLOP/s, {seconds(point.seconds)}, {share:.0%} of the roof"
        look = {"linestyle": "none", "marker": mark, "markersize": 9, "color": color}
        axes.plot([point.intensity], [rate], zorder=3, label=told, **look)
        axes.plot([point.intensity] * 2, [rate, top], color=color, linewidth=0.8, linestyle=":", zorder=1)


def draw_runtimes(one: Comparison, kind: str) -> bytes:
    """Bars: the ratio of times on each runtime, with its interval, beside the ratio of MACs, as a file of `kind`."""
    from matplotlib.figure import Figure

    there = [timing for timing in one.runtimes.values() if timing is not None]
    figure = Figure(figsize=(_WIDTH_INCHES, _FRAME_INCHES + _BAR_INCHES * len(there)))
    axes = figure.subplots()
    for row, timing in enumerate(there):
        _bar(axes, row, timing)
    macs = float(one.cost.macs.ratio)
    axes.axvline(1, color="#333333", linewidth=1)
    axes.axvline(macs, color="#333333", linewidth=1.2, linestyle="--", label=f"ratio of MACs, {times(macs)}")
    axes.set_yticks(range(len(there)), [f"{RUNTIMES[t.runtime.name].title} {t.runtime.version}" for t in there])
    axes.invert_yaxis()
    # Room for what stands at the ends of the bars.
    axes.set_xlim(0, 1.3 * max(macs, *(timing.speedup.high for timing in there)))
    axes.spines[["top", "right"]].set_visible(False)
    told = f"ratio of times, ordinary ÷ separable (×), with 95% intervals\n{conditions(there[0])}"
    axes.set_xlabel(told, fontsize=9)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    axes.set_title(f"{layer.title(one.spec)}\n{layer.shapes(one.spec)}", fontsize=10, loc="left")
    return image(figure, kind, bbox_inches="tight")


def _bar(axes: Any, row: int, timing: Timing) -> None:
    gain = timing.speedup
    color = _COLORS.get(timing.verdict, _UNSURE)
    whiskers = [[gain.value - gain.low], [gain.high - gain.value]]
    axes.barh(row, gain.value, height=0.65, color=color, xerr=whiskers, ecolor="#333333", capsize=3)
    doubt = "" if timing.reliable else ", not reliable"
    told = f"{times(gain.value)}  {seconds(timing.ordinary_s)} ÷ {seconds(timing.separable_s)}{doubt}"
    # On white, for the lines of other ratios may be behind.
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    place = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    axes.annotate(told, (gain.high, row), bbox=ground, **place)

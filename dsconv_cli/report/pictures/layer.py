"""The roofline: the three operators of a layer under what the machine reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.numbers import seconds, significant
from dsconv_cli.report import layer
from dsconv_cli.report.pictures.image import image
from dsconv_cli.report.timing import short_regime
from dsconv_cli.timing.roofline import Roofline, roofline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GIGA: Final = 1e9
#: Colours that people with red-green blindness tell apart (Okabe and Ito), and marks for those who see none.
_MARKS: Final = {"ordinary": ("#D55E00", "s"), "depthwise": ("#0072B2", "o"), "pointwise": ("#009E73", "^")}


def draw(one: Comparison, kind: str) -> bytes:
    """The picture of a layer that was timed, as a file of `kind`."""
    return image(_figure(one), kind, bbox_inches="tight")


def _figure(one: Comparison) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5))
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
    return figure


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

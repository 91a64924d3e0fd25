"""Bars: the ratio of times on each runtime, with its interval, beside the ratio of MACs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.numbers import seconds, times
from dsconv_cli.report import layer
from dsconv_cli.report.pictures.image import image
from dsconv_cli.report.timing import conditions
from dsconv_cli.timing.result import Timing
from dsconv_cli.timing.runtimes import RUNTIMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours that people with red-green blindness tell apart (Okabe and Ito), and grey for what cannot be told.
_COLORS: Final = {"faster": "#0072B2", "slower": "#D55E00"}
_UNSURE: Final = "#999999"
_WIDTH_INCHES: Final = 7.5
_BAR_INCHES: Final = 0.45
_FRAME_INCHES: Final = 1.5


def draw(one: Comparison, kind: str) -> bytes:
    """The picture of a layer that was timed on runtimes side by side, as a file of `kind`."""
    return image(_figure(one), kind, bbox_inches="tight")


def _figure(one: Comparison) -> Figure:
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
    return figure


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

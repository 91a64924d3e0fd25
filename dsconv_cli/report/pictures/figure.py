"""A drawing as a figure of matplotlib."""

from __future__ import annotations

from math import log2
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.report.pictures.drawing import Drawing, Line
from dsconv_cli.report.pictures.image import image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, which people with colour-blindness can tell apart, without black and yellow.
_COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F4FC9", "#8C564B")
_MARKERS: Final = "osD^vP*X"
_GREY: Final = "#666666"
#: More labelled values than this would run into each other.
_MOST_TICKS: Final = 14
_SIZE_INCHES: Final = (8.0, 5.2)
_CAPTION_COLUMNS: Final = 110


def draw(drawing: Drawing, kind: str) -> bytes:
    """The picture as a file of `kind`."""
    return image(figure(drawing), kind)


def figure(drawing: Drawing) -> Figure:
    """The picture as a matplotlib figure; no window system is involved."""
    from matplotlib.figure import Figure

    caption = [line for text in drawing.caption for line in wrap(text, _CAPTION_COLUMNS)]
    room = 0.17 * len(caption) + 0.1
    whole = Figure(figsize=(_SIZE_INCHES[0], _SIZE_INCHES[1] + room), layout="constrained")
    axes = whole.add_subplot()
    _draw_lines(axes, drawing)
    _draw_references(axes, drawing)
    _label(axes, drawing)
    if caption:
        whole.text(0.012, 0.012, "\n".join(caption), fontsize=8, color=_GREY, va="bottom", ha="left")
        engine: Any = whole.get_layout_engine()
        share = room / (_SIZE_INCHES[1] + room)
        engine.set(rect=(0, share, 1, 1 - share))
    return whole


def _draw_lines(axes: Axes, drawing: Drawing) -> None:
    for number, line in enumerate(drawing.lines):
        style: dict[str, Any] = {
            "color": _COLORS[number % len(_COLORS)],
            "marker": _MARKERS[number % len(_MARKERS)] if drawing.markers or len(line.points) == 1 else "",
            "markersize": 5,
            "linewidth": 1.6,
            "label": line.label,
        }
        xs, ys = _columns(line)
        if drawing.intervals:
            below = [point.y - point.low for point in line.points]
            above = [point.high - point.y for point in line.points]
            axes.errorbar(xs, ys, yerr=[below, above], capsize=3, elinewidth=1, **style)
        else:
            axes.plot(xs, ys, **style)


def _draw_references(axes: Axes, drawing: Drawing) -> None:
    """R×S, dashed; in the colour of its line where each has its own."""
    shared = len(drawing.references) == 1
    for number, line in enumerate(drawing.references):
        xs, ys = _columns(line)
        label = "_" if number else drawing.reference if shared else f"{drawing.reference} (dashed)"
        look: Any = {"linestyle": "--", "linewidth": 1.2, "label": label}
        color = _GREY if shared else _COLORS[number % len(_COLORS)]
        if len(xs) == 1:
            # A line through one point would be no line.
            axes.axhline(ys[0], color=color, **look)
        else:
            axes.plot(xs, ys, color=color, **look)
    axes.axhline(1, color="#BBBBBB", linewidth=0.9, zorder=0)


def _label(axes: Axes, drawing: Drawing) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_title(drawing.title, loc="left", fontsize=12)
    axes.set_xlabel(drawing.x_label)
    axes.set_ylabel(drawing.y_label)
    if drawing.log_x:
        axes.set_xscale("log", base=2)
    if drawing.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    shown = _apart(drawing)
    axes.set_xticks([place for place, _ in shown], [text for _, text in shown])
    axes.minorticks_off()
    axes.grid(visible=True, color="#E5E5E5", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(title=drawing.legend or None, frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _apart(drawing: Drawing) -> list[tuple[float, str]]:
    """The ticks that have room for their labels, the first and the last among them."""
    places = [log2(place) if drawing.log_x else place for place, _ in drawing.ticks]
    room = (places[-1] - places[0]) / _MOST_TICKS
    shown = [0]
    for number, place in enumerate(places):
        if place - places[shown[-1]] >= room and places[-1] - place >= room:
            shown.append(number)
    return [drawing.ticks[number] for number in dict.fromkeys([*shown, len(places) - 1])]


def _columns(line: Line) -> tuple[list[float], list[float]]:
    return [point.x for point in line.points], [point.y for point in line.points]

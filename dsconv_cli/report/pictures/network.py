"""A picture of where the MACs of a network are, and where they would go. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dsconv_cli.model.result import Layer, ModelResult
from dsconv_cli.model.tree import ROOT, Line, leaves, tree_lines
from dsconv_cli.numbers import scaled, times
from dsconv_cli.report.network import shapes, title
from dsconv_cli.report.pictures.image import image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SI: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"), (1, ""))


class Parts(NamedTuple):
    """The MACs of a bar: what stays as it is, what the two halves take, and what is saved (0 where nothing is)."""

    unchanged: int
    depthwise: int
    pointwise: int
    saved: int


#: Name in the legend, colour (Okabe and Ito's, which the colour-blind can tell apart), hatching.
_STYLES: Final = (
    ("unchanged", "#999999", ""),
    ("depthwise half", "#E69F00", ""),
    ("pointwise half", "#0072B2", ""),
    ("saved", "#F4F4F4", "////"),
)


def draw(result: ModelResult, kind: str, depth: int | None = None) -> bytes:
    """The picture as a file of `kind`: "svg", "png", "pdf"."""
    return image(figure(result, depth), kind, bbox_inches="tight")


def figure(result: ModelResult, depth: int | None = None) -> Figure:
    """A horizontal bar for each part of the network, in its order, split by where its MACs go."""
    from matplotlib.figure import Figure

    bars = leaves(tree_lines(result, depth))
    chart = Figure(figsize=(9, 1.8 + 0.26 * len(bars)), layout="constrained")
    axes = chart.subplots()
    _draw_bars(axes, bars)
    _label(axes, result, bars)
    return chart


def parts(line: Line) -> Parts:
    """Where the MACs of `line` go."""
    depthwise = sum(_half(layer, "depthwise") for layer in line.members if layer.replaced)
    pointwise = sum(_half(layer, "pointwise") for layer in line.members if layer.replaced)
    unchanged = sum(layer.macs for layer in line.members if not layer.replaced)
    return Parts(unchanged, depthwise, pointwise, max(0, line.macs - unchanged - depthwise - pointwise))


def _half(layer: Layer, half: str) -> int:
    closed = layer.cost
    return 0 if closed is None else int(getattr(closed.macs, half))


def _draw_bars(axes: Axes, bars: Sequence[Line]) -> None:
    factor, _ = _unit(bars)
    split = [parts(line) for line in bars]
    starts = [0.0] * len(bars)
    for index, (label, color, hatch) in enumerate(_STYLES):
        widths = [one[index] / factor for one in split]
        axes.barh(
            range(len(bars)),
            widths,
            left=starts,
            label=label,
            color=color,
            hatch=hatch,
            edgecolor="#777777",
            linewidth=0.4,
        )
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for row, (line, end) in enumerate(zip(bars, starts, strict=True)):
        if line.ratio is not None:
            axes.annotate(
                times(line.ratio), (end, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7
            )


def _label(axes: Axes, result: ModelResult, bars: Sequence[Line]) -> None:
    axes.set_yticks(range(len(bars)), [_name(line) for line in bars], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_xlabel(f"{_unit(bars)[1]}MACs")
    axes.spines[["top", "right"]].set_visible(False)
    before, after = scaled(result.macs.before), scaled(result.macs.after)
    axes.set_title(
        f"{title(result)}: {before} → {after} MACs ({times(result.macs.ratio)})\n{shapes(result)}",
        fontsize=9,
        loc="left",
    )
    axes.legend(fontsize=8, frameon=False, loc="best")


def _name(line: Line) -> str:
    count = "" if line.layer is not None else f" ({len(line.members)} layers)"
    return f"{line.path or ROOT}{count}"


def _unit(bars: Sequence[Line]) -> tuple[int, str]:
    largest = max(line.macs for line in bars)
    for factor, name in _SI:
        if largest >= factor:
            return factor, f"{name} " if name else ""
    return 1, ""

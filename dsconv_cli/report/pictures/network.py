"""A picture of where the MACs of a network are, and where they would go. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.model.result import ModelResult
from dsconv_cli.model.tree import ROOT, Branch, branches, leaves
from dsconv_cli.numbers import scaled, times
from dsconv_cli.report.network import shapes, title
from dsconv_cli.report.pictures.image import image
from dsconv_cli.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNITS: Final = ((10**12, "T "), (10**9, "G "), (10**6, "M "), (10**3, "k "))


#: The parts of a bar: name in the legend, colour (Okabe and Ito's, which the colour-blind can tell apart), hatching.
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

    bars = leaves(branches(result, depth))
    chart = Figure(figsize=(9, 2.1 + 0.26 * len(bars)), layout="constrained")
    axes = chart.subplots()
    factor, unit = _unit(bars)
    _draw_bars(axes, bars, factor)
    _label(axes, result, bars)
    # Room for the ratio beside the longest bar.
    axes.set_xlim(0, 1.1 * (max(line.macs for line in bars) or 1) / factor)
    axes.set_xlabel(f"{unit}MACs")
    chart.legend(fontsize=8, frameon=False, loc="outside lower right", ncols=len(_STYLES))
    return chart


def _parts(branch: Branch) -> tuple[int, int, int, int]:
    """Where the MACs of `branch` go, in the order of `_STYLES`. Nothing is saved where the halves take more."""
    pairs = [layer.cost.macs for layer in branch.members if layer.replaced and layer.cost is not None]
    depthwise, pointwise = sum(pair.depthwise for pair in pairs), sum(pair.pointwise for pair in pairs)
    unchanged = sum(layer.macs for layer in branch.members if not layer.replaced)
    return unchanged, depthwise, pointwise, max(0, branch.macs - unchanged - depthwise - pointwise)


def _draw_bars(axes: Axes, bars: Sequence[Branch], factor: int) -> None:
    split = [_parts(line) for line in bars]
    starts = [0.0] * len(bars)
    for index, (label, color, hatch) in enumerate(_STYLES):
        widths = [one[index] / factor for one in split]
        look: Any = {"color": color, "hatch": hatch, "edgecolor": "#777777", "linewidth": 0.4}
        axes.barh(range(len(bars)), widths, left=starts, label=label, **look)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for row, (line, end) in enumerate(zip(bars, starts, strict=True)):
        if line.ratio is not None:
            axes.annotate(
                times(line.ratio), (end, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7
            )


def _label(axes: Axes, result: ModelResult, bars: Sequence[Branch]) -> None:
    axes.set_yticks(range(len(bars)), [_name(line) for line in bars], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    before, after = scaled(result.macs.before), scaled(result.macs.after)
    gain = f"{before} → {after} MACs ({times(result.macs.ratio)})"
    axes.set_title(f"{_plain(title(result))}: {gain}\n{_plain(shapes(result))}", fontsize=9, loc="left")


def _name(branch: Branch) -> str:
    count = "" if branch.layer is not None else f" ({len(branch.members)} layers)"
    return f"{_plain(branch.path or ROOT)}{count}"


def _plain(text: str) -> str:
    """`text` in which matplotlib finds no formula and no line of its own."""
    return printable(text).replace("$", r"\$")


def _unit(bars: Sequence[Branch]) -> tuple[int, str]:
    largest = max(line.macs for line in bars)
    return next(((factor, name) for factor, name in _UNITS if largest >= factor), (1, ""))

"""A picture of where the MACs of a network are, and where they would go. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dsconv_cli.model.result import Layer, ModelResult
from dsconv_cli.model.tree import ROOT, Branch, branches, leaves
from dsconv_cli.numbers import scaled, times
from dsconv_cli.report.network import shapes, title
from dsconv_cli.report.pictures.image import image
from dsconv_cli.text import printable

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

    bars = leaves(branches(result, depth))
    chart = Figure(figsize=(9, 2.1 + 0.26 * len(bars)), layout="constrained")
    axes = chart.subplots()
    _draw_bars(axes, bars)
    _label(axes, result, bars)
    chart.legend(fontsize=8, frameon=False, loc="outside lower right", ncols=len(_STYLES))
    return chart


def parts(branch: Branch) -> Parts:
    """Where the MACs of `branch` go."""
    depthwise = sum(_half(layer, "depthwise") for layer in branch.members if layer.replaced)
    pointwise = sum(_half(layer, "pointwise") for layer in branch.members if layer.replaced)
    unchanged = sum(layer.macs for layer in branch.members if not layer.replaced)
    return Parts(unchanged, depthwise, pointwise, max(0, branch.macs - unchanged - depthwise - pointwise))


def _half(layer: Layer, half: str) -> int:
    closed = layer.cost
    return 0 if closed is None else int(getattr(closed.macs, half))


def _draw_bars(axes: Axes, bars: Sequence[Branch]) -> None:
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


def _label(axes: Axes, result: ModelResult, bars: Sequence[Branch]) -> None:
    axes.set_yticks(range(len(bars)), [_name(line) for line in bars], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    # Room for the ratio beside the longest bar.
    axes.set_xlim(0, 1.1 * (max(line.macs for line in bars) or 1) / _unit(bars)[0])
    axes.set_xlabel(f"{_unit(bars)[1]}MACs")
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
    for factor, name in _SI:
        if largest >= factor:
            return factor, f"{name} " if name else ""
    return 1, ""

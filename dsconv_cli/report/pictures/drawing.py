"""What a picture shows, before anything draws it: lines of points, R×S beside them, labels and a caption."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import eq
from statistics import median
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.comparison.keys import RATIOS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.fields import FIELDS, VALUED
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.layer.reading import as_text
from dsconv_cli.sweep.keys import KEYS, RUNTIME_RATIOS
from dsconv_cli.sweep.order import Order, Ranked, Varying
from dsconv_cli.timing.runtimes import RUNTIMES

#: What an axis can be, with its label and unit.
AXES: Final[Mapping[str, str]] = MappingProxyType({name: FIELDS[name].label for name in VALUED})

#: What makes a line for each runtime, where the ratio is that of times.
RUNTIME: Final = "runtime"
_TIME: Final = "time.speedup.value"

_Y_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"{one.name}.ratio": one.label for one in METRICS.values()},
        **{f"measured.{one.name}.ratio": f"{one.label}, counted" for one in METRICS.values()},
        _TIME: "time",
        **{key: f"time on {RUNTIMES[key.split('.')[1]].title}" for key in RUNTIME_RATIOS},
    }
)

#: More lines than this cannot be told apart.
MOST_LINES: Final = 8
#: Nor can more places than this in a row.
MOST_PLACES: Final = 2000
#: Of more different values there may be one for each layer.
_FEW_VALUES: Final = 10_000
#: An axis whose last step is so much longer than its first is drawn in powers of two.
_WIDENING: Final = 4
#: Ratios that span more than this are drawn on a logarithmic scale.
_TALL: Final = 10
#: A picture of more points than this shows no markers.
_FEW_POINTS: Final = 40


class Point(NamedTuple):
    """One layer, or the median of several: the ratio, its interval, and R·S."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that is drawn. `references` are R×S: one line where all agree, else one for each of `lines`."""

    title: str
    x_label: str
    y_label: str
    legend: str
    lines: tuple[Line, ...]
    references: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    caption: tuple[str, ...]
    log_x: bool
    log_y: bool
    intervals: bool
    markers: bool

    @property
    def reference(self) -> str:
        """R×S as the legend has it."""
        if len(self.references) > 1:
            return "R×S of each line"
        heights = {point.y for point in self.references[0].points}
        return f"R×S = {heights.pop():g}" if len(heights) == 1 else "R×S"


@dataclass(frozen=True, slots=True)
class Axes:
    """Which argument goes to the right, which one makes lines, and which ratio goes up."""

    x: str
    by: str | None
    y: str


class _Cell:
    """The layers that fall on one point."""

    __slots__ = ("high", "low", "taps", "y")

    def __init__(self) -> None:
        self.y, self.low, self.high, self.taps = (array("d") for _ in range(4))


class Picture:
    """Collects a sweep's layers and makes a drawing of them. A layer takes eight bytes for each figure that varies."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self._y = array("d")
        self._low, self._high, self._taps = Varying(), Varying(), Varying()
        self._x, self._by = Varying(), Varying()
        self._traits = {name: Varying() for name in (*AXES, "bias") if name not in {axes.x, axes.by}}

    def add(self, one: Comparison) -> None:
        """Take one more layer in. One without the ratio is left out."""
        if self.axes.by == RUNTIME:
            for name in one.runtimes:
                self._put(one, RUNTIMES[name].title, f"runtimes.{name}.speedup.value")
        else:
            self._put(one, None if self.axes.by is None else getattr(one.spec, self.axes.by), self.axes.y)

    def _put(self, one: Comparison, by: Any, key: str) -> None:
        value = KEYS.read(one, key)
        if not isinstance(value, float):
            return
        self._y.append(value)
        self._x.append(getattr(one.spec, self.axes.x))
        self._by.append(by)
        self._taps.append(float(one.approximation.ratio))
        if self._timed:
            stem = key.removesuffix("value")
            self._low.append(KEYS.read(one, f"{stem}low"))
            self._high.append(KEYS.read(one, f"{stem}high"))
        for name, trait in self._traits.items():
            trait.append(getattr(one.spec, name))

    @property
    def _timed(self) -> bool:
        return self.axes.y in (_TIME, *RUNTIME_RATIOS)

    def draw(self) -> Drawing:
        """The drawing of what was collected.

        Raises:
            DsconvError: there was nothing.
        """
        if not self._y:
            raise DsconvError("there is nothing to plot: no layer has a value", exit_code=3)
        self._join_lines()
        lines_of, line_count = _chosen(self._by, MOST_LINES)
        shown, shown_count = _chosen(self._x, MOST_PLACES)
        places = _places(shown)
        cells = self._cells(lines_of, places)
        heights = ("y", "low", "high") if self._timed else ("y",) * 3
        lines = tuple(self._line(by, line, places, heights) for by, line in cells.items())
        references = tuple(self._line(by, line, places, ("taps",) * 3) for by, line in cells.items())
        if len({reference.points for reference in references}) == 1:
            references = references[:1]
        highest = [point.y for line in (*lines, *references) for point in line.points]
        told = [_drawn(self.axes.by, len(cells), line_count), _drawn(self.axes.x, len(shown), shown_count)]
        several = any(len(cell.y) > 1 for line in cells.values() for cell in line.values())
        return Drawing(
            title=f"Ordinary against depthwise separable convolution: {_Y_LABELS[self.axes.y]}",
            x_label=AXES[self.axes.x],
            y_label=f"ratio of {_Y_LABELS[self.axes.y]}, ordinary ÷ separable (×)",
            legend="" if self.axes.by is None else AXES.get(self.axes.by, self.axes.by),
            lines=lines,
            references=references,
            ticks=tuple(places.values()),
            caption=self._caption([text for text in told if text], several=several),
            log_x=_grows_by_factors([place for place, _ in places.values()]),
            log_y=max(highest) / min(highest) > _TALL,
            intervals=self._timed,
            markers=len(places) <= _FEW_POINTS,
        )

    def _join_lines(self) -> None:
        """One line for all where each would have a single point, as where --zip c=k ties one axis to the other."""
        by, x = self._by, self._x
        if self.axes.by in {None, RUNTIME} or by.fixed or x.fixed or not (_decides(x, by) and _decides(by, x)):
            return
        self._traits = {self.axes.by: by, **self._traits}
        self._by = Varying()
        for _ in self._y:
            self._by.append(None)
        self.axes = replace(self.axes, by=None)

    def _cells(self, lines_of: Iterable[Any], shown: Collection[Any]) -> dict[Any, dict[Any, _Cell]]:
        """The layers that are drawn, by line and place."""
        cells: dict[Any, dict[Any, _Cell]] = {by: {} for by in lines_of}
        bounds = (self._low, self._high) if self._timed else (self._y, self._y)
        for by, x, y, taps, low, high in zip(self._by, self._x, self._y, self._taps, *bounds, strict=True):
            if by in cells and x in shown:
                cell = cells[by].setdefault(x, _Cell())
                cell.y.append(y)
                cell.taps.append(taps)
                if self._timed:
                    cell.low.append(low)
                    cell.high.append(high)
        # Where many values are left out, a line may have none of those that are shown.
        return {by: line for by, line in cells.items() if line}

    def _line(
        self, by: Any, cells: Mapping[Any, _Cell], places: Mapping[Any, tuple[float, str]], heights: Sequence[str]
    ) -> Line:
        """The medians of the three `heights` in the cells."""
        ordered = sorted((places[x][0], cell) for x, cell in cells.items())
        one = "measured ratio" if self._timed else "exact ratio"
        label = one if self.axes.by is None else f"{_short(self.axes.by)} = {as_text(by)}"
        if self.axes.by == RUNTIME:
            label = by
        return Line(label, tuple(Point(x, *(median(getattr(cell, name)) for name in heights)) for x, cell in ordered))

    def _caption(self, drawn: Sequence[str], *, several: bool) -> tuple[str, ...]:
        fixed = [f"{_short(name)} = {_value(name, one.first)}" for name, one in self._traits.items() if one.fixed]
        varying = {name: self._followed(one) for name, one in self._traits.items() if not one.fixed}
        followers = [f"{_short(name)} {how}" for name, how in varying.items() if how]
        lines = [f"Fixed: {', '.join(fixed)}."] if fixed else []
        if followers:
            lines.append(f"{'; '.join(followers)}.")
        medians = "; points are medians" if several else ""
        for name, how in varying.items():
            if not how:
                one = self._traits[name]
                ends = f"{_value(name, one.first)} … {_value(name, one.last)}"
                lines.append(f"{_short(name)} = {ends} varies too{medians}.")
        lines += drawn
        if min(self._y) < 1:
            lines.append("Below 1 the separable form costs more.")
        if self._timed:
            lines.append("Bars: 95% confidence intervals.")
        return tuple(lines)

    def _followed(self, trait: Varying) -> str:
        """`= H`, `follows H`: the axis whose value decides this one's, as W's where --zip w=h ties it; or ""."""
        for name, axis in ((self.axes.x, self._x), (self.axes.by, self._by)):
            if name is not None and _decides(axis, trait):
                same = all(place == value for place, value in zip(axis, trait, strict=True))
                return f"{'=' if same else 'follows'} {_short(name)}"
        return ""


def choose_axes(
    varying: Sequence[str],
    counts: Mapping[str, int],
    wanted: Mapping[str, str | None],
    y: str,
    runtimes: Sequence[str] = (),
    tied: Collection[str] = (),
) -> Axes:
    """The axes of a picture: what the user wants, and else the two arguments with the most values.

    Where several runtimes are timed, each is a line unless something else is wanted.

    Args:
        varying: what differs between the layers.
        counts: how many values each of them has, where that is known.
        wanted: "x" and "by", as the user gave them, or None.
        y: a key of `RATIOS`, or the ratio of times on one of the runtimes.
        runtimes: those that are timed side by side.
        tied: those that only follow others, which make no lines unless they are asked for.

    Raises:
        DsconvError: an axis or ratio that cannot be drawn, or nothing that varies.
    """
    lines = (*AXES, *([RUNTIME] if runtimes and y == _TIME else []))
    if y not in (*RATIOS, *RUNTIME_RATIOS):
        raise DsconvError(f"--plot-y must be a ratio, not {y}; ratios are {', '.join(RATIOS)}")
    for option, name in (("--plot-x", wanted["x"]), ("--plot-by", wanted["by"])):
        known = lines if option == "--plot-by" else tuple(AXES)
        if name is not None and name not in known:
            raise DsconvError(f"{option} must be one of {', '.join(known)}, not {name!r}")
    if wanted["x"] is not None and wanted["x"] == wanted["by"]:
        raise DsconvError(f"--plot-x and --plot-by are both {wanted['x']}")
    drawable = [name for name in varying if name in AXES and name not in wanted.values()]
    free = sorted((name for name in drawable if name not in tied), key=lambda name: -counts.get(name, 0))
    x = wanted["x"] or next(iter((*free, *drawable)), None)
    if x is None:
        raise DsconvError("--plot needs an argument that varies, such as --k 16:512:*2")
    several = RUNTIME if len(runtimes) > 1 and RUNTIME in lines else None
    by = wanted["by"] or several or next((name for name in free if name != x), None)
    return Axes(x, by, y)


def _grows_by_factors(places: Sequence[float]) -> bool:
    return len(places) > 2 and places[0] > 0 and places[-1] - places[-2] >= _WIDENING * (places[1] - places[0])


def _short(name: str) -> str:
    return name if name == RUNTIME else FIELDS[name].short


def _value(name: str, value: Any) -> str:
    if name == "bias":
        on = [part for part, has in zip(("ordinary", "depthwise", "pointwise"), value, strict=True) if has]
        return "yes" if len(on) == 3 else ", ".join(on) or "none"
    return as_text(value)


def _ordered(values: Iterable[Any]) -> list[Any]:
    listed = list(values)
    return listed if any(isinstance(value, str) or value is None for value in listed) else sorted(listed)


def _drawn(axis: str | None, shown: int, there: int) -> str:
    return f"{shown:,} of {there:,} values of {_short(str(axis))} are drawn." if shown < there else ""


def _chosen(column: Varying, most: int) -> tuple[list[Any], int]:
    """At most `most` of its different values, the first and the last included, and how many there are."""
    there = sum(1 for _ in _different(column))
    if there <= most:
        return list(_different(column)), there
    wanted = {round(place * (there - 1) / (most - 1)) for place in range(most)}
    return [value for number, value in enumerate(_different(column)) if number in wanted], there


def _different(column: Varying) -> Iterator[Any]:
    """Each of its values once, in their order. Of words that is the one they came in."""
    few: dict[Any, None] = {}
    for value in column:
        few[value] = None
        if len(few) > _FEW_VALUES and isinstance(value, int):
            yield from (value for value, _ in groupby(value for _, value in _side_by_side(column, column)))
            return
    yield from _ordered(few)


def _decides(axis: Varying, trait: Varying) -> bool:
    """Whether all layers with the same value of `axis` have the same one of `trait`."""
    if all(map(eq, axis, trait)):
        return True
    seen: dict[Any, Any] = {}
    for place, value in zip(axis, trait, strict=True):
        if seen.setdefault(place, value) != value:
            return False
        if len(seen) > _FEW_VALUES and isinstance(place, int) and isinstance(value, int):
            return all(
                one != other or first == second
                for (one, first), (other, second) in pairwise(_side_by_side(axis, trait))
            )
    return True


def _side_by_side(axis: Varying, trait: Varying) -> Iterator[tuple[Any, int]]:
    """The values of both, sorted by those of `axis`."""
    ranked = Ranked(Order("", descending=False))
    for place, value in zip(axis, trait, strict=True):
        ranked.add(place, value)
    return ranked.items()


def _places(values: Iterable[Any]) -> dict[Any, tuple[float, str]]:
    """Where each value stands on the axis. Pairs and words have no place of their own, and stand one by one."""
    listed = _ordered(values)
    if all(isinstance(value, int) for value in listed):
        return {value: (float(value), str(value)) for value in listed}
    if all(isinstance(value, tuple) and len(set(value)) == 1 for value in listed):
        return {value: (float(value[0]), as_text(value)) for value in listed}
    return {value: (float(place), as_text(value)) for place, value in enumerate(listed, 1)}

"""What a picture shows, before anything draws it: lines of points, R×S beside them, labels and a caption."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from statistics import median
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.comparison.keys import KEYS, RATIOS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.fields import FIELDS, VALUED
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.layer.reading import as_text

#: What an axis can be, with its label and unit.
AXES: Final[Mapping[str, str]] = MappingProxyType({name: FIELDS[name].label for name in VALUED})

_Y_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"{one.name}.ratio": one.label for one in METRICS.values()},
        **{f"measured.{one.name}.ratio": f"{one.label}, counted" for one in METRICS.values()},
        "time.speedup.value": "time",
    }
)

#: More lines than this cannot be told apart.
MOST_LINES: Final = 8
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


@dataclass(slots=True)
class _Cell:
    """The layers that fall on one point."""

    y: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    taps: list[float] = field(default_factory=list)


class _Trait:
    """An argument that is no axis: whether it is fixed, or follows an axis, as W does where --zip w=h ties it."""

    def __init__(self, name: str, axes: Sequence[str]) -> None:
        self.name = name
        self.values: dict[Any, None] = {}
        self.last: Any = None
        self._by_axis: dict[str, dict[Any, Any]] = {axis: {} for axis in axes}

    def add(self, value: Any, places: Mapping[str, Any]) -> None:
        self.values[value] = None
        self.last = value
        self._by_axis = {
            axis: seen for axis, seen in self._by_axis.items() if seen.setdefault(places[axis], value) == value
        }

    @property
    def fixed(self) -> bool:
        return len(self.values) == 1

    @property
    def follows(self) -> bool:
        """Whether the value of an axis decides this one's."""
        return bool(self._by_axis)

    def __str__(self) -> str:
        if self.fixed or not self.follows:
            ends = [next(iter(self.values)), self.last][: len(self.values)]
            return f"{_short(self.name)} = {' … '.join(_value(self.name, end) for end in ends)}"
        axis, seen = next(iter(self._by_axis.items()))
        same = all(place == value for place, value in seen.items())
        return f"{_short(self.name)} {'=' if same else 'follows'} {_short(axis)}"


class Picture:
    """Collects a sweep's layers and makes a drawing of them."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self._cells: dict[Any, dict[Any, _Cell]] = {}
        self._taken: list[str] = [axis for axis in (axes.x, axes.by) if axis]
        self._traits = [_Trait(name, self._taken) for name in (*AXES, "bias") if name not in self._taken]
        self._along = None if axes.by is None else _Trait(axes.by, [axes.x])

    def add(self, one: Comparison) -> None:
        """Take one more layer in. One without the ratio is left out."""
        value = KEYS.read(one, self.axes.y)
        if not isinstance(value, float):
            return
        places = {axis: getattr(one.spec, axis) for axis in self._taken}
        by = None if self.axes.by is None else places[self.axes.by]
        cell = self._cells.setdefault(by, {}).setdefault(places[self.axes.x], _Cell())
        interval = one.time.speedup if one.time is not None and self._timed else None
        cell.y.append(value)
        cell.low.append(value if interval is None else interval.low)
        cell.high.append(value if interval is None else interval.high)
        cell.taps.append(float(one.approximation.ratio))
        for trait in self._traits:
            trait.add(getattr(one.spec, trait.name), places)
        if self._along is not None:
            self._along.add(by, places)

    @property
    def _timed(self) -> bool:
        return self.axes.y.startswith("time.")

    def draw(self) -> Drawing:
        """The drawing of what was collected.

        Raises:
            DsconvError: there was nothing.
        """
        if not self._cells:
            raise DsconvError("there is nothing to plot: no layer has a value", exit_code=3)
        cells = self._joined()
        chosen = _spread_out(_ordered(cells), MOST_LINES)
        places = _places(dict.fromkeys(x for line in cells.values() for x in line))
        lines = tuple(self._line(by, cells[by], places, "y", "low", "high") for by in chosen)
        references = tuple(self._line(by, cells[by], places, "taps", "taps", "taps") for by in chosen)
        if len({reference.points for reference in references}) == 1:
            references = references[:1]
        highest = [point.y for line in (*lines, *references) for point in line.points]
        return Drawing(
            title=f"Ordinary against depthwise separable convolution: {_Y_LABELS[self.axes.y]}",
            x_label=AXES[self.axes.x],
            y_label=f"ratio of {_Y_LABELS[self.axes.y]}, ordinary ÷ separable (×)",
            legend="" if self.axes.by is None or None in cells else AXES[self.axes.by],
            lines=lines,
            references=references,
            ticks=tuple(places.values()),
            caption=self._caption(cells, len(chosen)),
            log_x=_grows_by_factors([place for place, _ in places.values()]),
            log_y=max(highest) / min(highest) > _TALL,
            intervals=self._timed,
            markers=len(places) <= _FEW_POINTS,
        )

    def _joined(self) -> dict[Any, dict[Any, _Cell]]:
        """The cells by line: one for all where each would have a single point, as where --zip c=k ties both axes."""
        places = [x for line in self._cells.values() for x in line]
        if len(places) == len(self._cells) == len(set(places)) > 1:
            return {None: {x: cell for line in self._cells.values() for x, cell in line.items()}}
        return self._cells

    def _line(self, by: Any, line: Mapping[Any, _Cell], places: Mapping[Any, tuple[float, str]], *heights: str) -> Line:
        """The medians of the three `heights` in the cells."""
        cells = sorted(((places[x][0], cell) for x, cell in line.items()), key=itemgetter(0))
        label = "measured ratio" if self._timed else "exact ratio"
        if by is not None and self.axes.by is not None:
            label = f"{_short(self.axes.by)} = {as_text(by)}"
        return Line(label, tuple(Point(x, *(median(getattr(cell, name)) for name in heights)) for x, cell in cells))

    def _caption(self, lines: Mapping[Any, Mapping[Any, _Cell]], drawn: int) -> tuple[str, ...]:
        cells = [cell for line in lines.values() for cell in line.values()]
        traits = [*([self._along] if self._along and None in lines else []), *self._traits]
        fixed = [str(trait) for trait in traits if trait.fixed]
        followers = [str(trait) for trait in traits if trait.follows and not trait.fixed]
        said = [f"Fixed: {', '.join(fixed)}."] if fixed else []
        if followers:
            said.append(f"{'; '.join(followers)}.")
        medians = "; points are medians" if any(len(cell.y) > 1 for cell in cells) else ""
        said += [f"{trait} varies too{medians}." for trait in self._traits if not trait.fixed and not trait.follows]
        if drawn < len(lines):
            said.append(f"{drawn} of {len(lines)} values of {_short(str(self.axes.by))} are drawn.")
        if any(min(cell.y) < 1 for cell in cells):
            said.append("Below 1 the separable form costs more.")
        if self._timed:
            said.append("Bars: 95% confidence intervals.")
        return tuple(said)


def choose_axes(
    varying: Sequence[str],
    counts: Mapping[str, int],
    wanted: Mapping[str, str | None],
    y: str,
    tied: Collection[str] = (),
) -> Axes:
    """The axes of a picture: what the user wants, and else the two arguments with the most values.

    Args:
        varying: what differs between the layers.
        counts: how many values each of them has, where that is known.
        wanted: "x" and "by", as the user gave them, or None.
        y: a key of `RATIOS`.
        tied: those that only follow others, which make no lines unless they are asked for.

    Raises:
        DsconvError: an axis or ratio that cannot be drawn, or nothing that varies.
    """
    if y not in RATIOS:
        raise DsconvError(f"--plot-y must be a ratio, not {y}; ratios are {', '.join(RATIOS)}")
    for option, name in (("--plot-x", wanted["x"]), ("--plot-by", wanted["by"])):
        if name is not None and name not in AXES:
            raise DsconvError(f"{option} must be one of {', '.join(AXES)}, not {name!r}")
    if wanted["x"] is not None and wanted["x"] == wanted["by"]:
        raise DsconvError(f"--plot-x and --plot-by are both {wanted['x']}")
    drawable = [name for name in varying if name in AXES and name not in wanted.values()]
    free = sorted((name for name in drawable if name not in tied), key=lambda name: -counts.get(name, 0))
    x = wanted["x"] or next(iter((*free, *drawable)), None)
    if x is None:
        raise DsconvError("--plot needs an argument that varies, such as --k 16:512:*2")
    by = wanted["by"] or next((name for name in free if name != x), None)
    return Axes(x, by, y)


def _grows_by_factors(places: Sequence[float]) -> bool:
    return len(places) > 2 and places[0] > 0 and places[-1] - places[-2] >= _WIDENING * (places[1] - places[0])


def _short(name: str) -> str:
    return FIELDS[name].short


def _value(name: str, value: Any) -> str:
    if name == "bias":
        on = [part for part, has in zip(("ordinary", "depthwise", "pointwise"), value, strict=True) if has]
        return "yes" if len(on) == 3 else ", ".join(on) or "none"
    return as_text(value)


def _ordered(values: Iterable[Any]) -> list[Any]:
    listed = list(values)
    return listed if any(isinstance(value, str) or value is None for value in listed) else sorted(listed)


def _spread_out(values: list[Any], most: int) -> list[Any]:
    """At most `most` of them, the first and the last included."""
    if len(values) <= most:
        return values
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _places(values: Iterable[Any]) -> dict[Any, tuple[float, str]]:
    """Where each value stands on the axis. Pairs and words have no place of their own, and stand one by one."""
    listed = _ordered(values)
    if all(isinstance(value, int) for value in listed):
        return {value: (float(value), str(value)) for value in listed}
    if all(isinstance(value, tuple) and len(set(value)) == 1 for value in listed):
        return {value: (float(value[0]), as_text(value)) for value in listed}
    return {value: (float(place), as_text(value)) for place, value in enumerate(listed, 1)}

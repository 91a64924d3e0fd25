"""A grid of layers from axes and ties, lazily: its size is a product, and any layer is found by its number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.fields import NUMBERS
from dsconv_cli.sweep.axes import Axis

#: Keyword arguments of `ConvSpec`.
Fields = dict[str, Any]

_TIE: Final = re.compile(
    r"(?P<target>\w+)=(?:(?P<before>\d+)\*)?(?P<source>[a-z_]\w*)(?:(?P<sign>[*/])(?P<after>\d+))?"
)
_FORMS: Final = "--zip takes c=k (also c=k/2, c=2*k), or k,c to walk two lists in step"


@dataclass(frozen=True, slots=True)
class Tie:
    """`target` is always `source` · `times` ÷ `over`."""

    target: str
    source: str
    times: int = 1
    over: int = 1

    def __str__(self) -> str:
        times = f"{self.times}*" if self.times != 1 else ""
        return f"{self.target}={times}{self.source}{f'/{self.over}' if self.over != 1 else ''}"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One direction of the grid: an axis, or several that are walked in step."""

    axes: tuple[Axis, ...]

    @property
    def count(self) -> int:
        """How many steps it has."""
        return self.axes[0].count

    def __str__(self) -> str:
        return f"{','.join(axis.name for axis in self.axes)} {self.count:,}"


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the dimensions. The last one varies fastest."""

    dimensions: tuple[Dimension, ...]
    fixed: Mapping[str, Any]
    ties: tuple[Tie, ...]

    @property
    def count(self) -> int:
        """How many layers there are, whether or not their kernels fit."""
        return prod(dimension.count for dimension in self.dimensions)

    @property
    def varying(self) -> tuple[str, ...]:
        """The names of what differs between layers, ties included, slowest first."""
        names = [axis.name for dimension in self.dimensions for axis in dimension.axes]
        names.extend(tie.target for tie in self.ties if tie.source in names)
        return tuple(names)

    def fields(self, index: int, own: Mapping[str, Any] = MappingProxyType({})) -> Fields:
        """What makes layer `index`, from 0; `own` is what a file says of it, unless an option says otherwise."""
        fields: Fields = {**own, **self.fixed}
        for dimension in reversed(self.dimensions):
            index, step = divmod(index, dimension.count)
            for axis in dimension.axes:
                fields[axis.name] = axis[step]
        for tie in self.ties:
            fields[tie.target] = fields[tie.source] * tie.times // tie.over
        return fields

    def walk(self, start: int, stop: int) -> Iterator[Fields]:
        """Layers `start` up to `stop`."""
        return map(self.fields, range(start, stop))

    def __str__(self) -> str:
        parts = [str(dimension) for dimension in self.dimensions]
        ties = [str(tie) for tie in self.ties]
        return ", ".join(([" × ".join(parts)] if parts else []) + ties)


def make_grid(
    axes: Mapping[str, Axis],
    fixed: Mapping[str, Any],
    zips: Sequence[str],
    given: Collection[str],
    own: Collection[str] = (),
) -> Grid:
    """A grid of `axes` (by name, slowest first) with `zips`, and `fixed` for what the layers have in common.

    Args:
        axes: the axis of every option that has one, its default included.
        fixed: further arguments of `ConvSpec`.
        zips: as on the command line.
        given: the names the user gave a value to; such a name cannot be tied to another.
        own: the names that a file sets, which may be tied to.

    Raises:
        DsconvError: a tie is malformed, contradicts a given value, goes round in a circle, or gives fractions.
    """
    ties, steps = _parse_zips(zips)
    _check_ties(ties, steps, given)
    free = {name: axis for name, axis in axes.items() if name not in {tie.target for tie in ties}}
    ordered = _in_order(ties, {*free, *own})
    _check_divisible(ordered, free)
    dimensions = [dimension for dimension in _dimensions(free, steps) if dimension.count > 1]
    single = {name: axis[0] for name, axis in free.items() if axis.count == 1}
    return Grid(tuple(dimensions), {**fixed, **single}, ordered)


def _parse_zips(zips: Sequence[str]) -> tuple[list[Tie], list[tuple[str, ...]]]:
    ties: list[Tie] = []
    steps: list[tuple[str, ...]] = []
    for text in zips:
        squeezed = text.replace(" ", "").replace("-", "_")
        if "=" in squeezed:
            ties.append(_parse_tie(squeezed, text))
            continue
        names = tuple(squeezed.split(","))
        for name in names:
            _check_name(name, text)
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise DsconvError(f"--zip {text!r}: {_FORMS}")
        steps.append(names)
    return ties, steps


def _parse_tie(squeezed: str, text: str) -> Tie:
    match = _TIE.fullmatch(squeezed)
    if match is None or (match["before"] and match["after"]):
        raise DsconvError(f"--zip {text!r}: {_FORMS}")
    for name in (match["target"], match["source"]):
        _check_name(name, text)
    number = int((match["before"] or match["after"] or "1")[:19])
    if number == 0:
        raise DsconvError(f"--zip {text!r}: nothing is tied by a factor of 0")
    return Tie(match["target"], match["source"], *((1, number) if match["sign"] == "/" else (number, 1)))


def _check_name(name: str, text: str) -> None:
    if name not in NUMBERS:
        raise DsconvError(f"--zip {text!r}: {name!r} cannot be tied; names are {', '.join(NUMBERS)}")


def _check_ties(ties: Sequence[Tie], steps: Sequence[tuple[str, ...]], given: Collection[str]) -> None:
    targets = [tie.target for tie in ties]
    for tie in ties:
        if targets.count(tie.target) > 1:
            raise DsconvError(f"--zip ties {tie.target} twice")
        if tie.target in given:
            raise DsconvError(f"--zip {tie} sets {tie.target}, which has a value of its own; drop one of the two")
    walked = [name for names in steps for name in names]
    for name in walked:
        if walked.count(name) > 1 or name in targets:
            raise DsconvError(f"--zip names {name} twice")


def _in_order(ties: Sequence[Tie], free: Collection[str]) -> tuple[Tie, ...]:
    """Ties so that each source is known before it is used."""
    known, waiting, ordered = set(free), list(ties), []
    while waiting:
        ready = [tie for tie in waiting if tie.source in known]
        if not ready:
            names = {tie.target for tie in waiting}
            lost = [tie for tie in waiting if tie.source not in names]
            if lost:
                raise DsconvError(f"--zip {lost[0]}: {lost[0].source} has no value; give --{lost[0].source}")
            raise DsconvError(f"--zip goes round in a circle: {', '.join(map(str, waiting))}")
        ordered.extend(ready)
        known.update(tie.target for tie in ready)
        waiting = [tie for tie in waiting if tie not in ready]
    return tuple(ordered)


def _check_divisible(ties: Sequence[Tie], free: Mapping[str, Axis]) -> None:
    for tie in ties:
        if tie.over == 1:
            continue
        if tie.source not in free:
            raise DsconvError(
                f"--zip {tie}: only a value that is given can be divided, and {tie.source} is tied itself"
            )
        odd = free[tie.source].first_not_divisible(tie.over)
        if odd is not None:
            raise DsconvError(f"--zip {tie}: {tie.source} is {odd} in one layer, which {tie.over} does not divide")


def _dimensions(free: Mapping[str, Axis], steps: Sequence[tuple[str, ...]]) -> Iterator[Dimension]:
    """Axes that walk in step stand where the first of them stands."""
    done: set[str] = set()
    for name, axis in free.items():
        if name in done:
            continue
        names = next((names for names in steps if name in names), (name,))
        together = tuple(other for candidate, other in free.items() if candidate in names)
        if len(together) < len(names):
            missing = next(other for other in names if other not in free)
            raise DsconvError(f"--zip {','.join(names)}: {missing} has no value; give --{missing}")
        counts = {other.count for other in together}
        if len(counts) > 1:
            told = ", ".join(f"{other.name} has {other.count:,}" for other in together)
            raise DsconvError(f"--zip {','.join(names)}: lists that walk in step must be equally long; {told}")
        done.update(names)
        yield Dimension(together) if len(names) > 1 else Dimension((axis,))

"""A grid of layers from axes and ties, lazily: its size is a product, and any layer is found by its number."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.sweep.axes import Axis
from dsconv_cli.sweep.ties import Tie, Zips, check_values, in_order

#: Keyword arguments of `ConvSpec`.
Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One direction of the grid: an axis, or several that are walked in step."""

    axes: tuple[Axis, ...]

    @property
    def count(self) -> int:
        """How many steps it has."""
        return self.axes[0].count

    def __str__(self) -> str:
        return f"{self.count:,} values of {','.join(axis.name for axis in self.axes)}"


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
    def values(self) -> dict[str, int]:
        """How many values each axis has that has several."""
        return {axis.name: axis.count for dimension in self.dimensions for axis in dimension.axes}

    @property
    def varying(self) -> tuple[str, ...]:
        """The names of what differs between layers, ties included, slowest first."""
        names = list(self.values)
        names.extend(tie.target for tie in self.ties if tie.source in names)
        return tuple(names)

    @property
    def tied(self) -> frozenset[str]:
        """The names of what only follows another: ties, and of lists that are walked in step all but the first."""
        steps = (axis.name for dimension in self.dimensions for axis in dimension.axes[1:])
        return frozenset((*(tie.target for tie in self.ties), *steps))

    def arguments(self, index: int, own: Mapping[str, Any] = MappingProxyType({})) -> Arguments:
        """What makes layer `index`, from 0; `own` is what a file says of it, unless an option says otherwise."""
        found: Arguments = {**own, **self.fixed}
        for dimension in reversed(self.dimensions):
            index, step = divmod(index, dimension.count)
            for axis in dimension.axes:
                found[axis.name] = axis[step]
        for tie in self.ties:
            found[tie.target] = tie.of(found[tie.source])
        return found

    def __str__(self) -> str:
        parts = [str(dimension) for dimension in self.dimensions]
        ties = [str(tie) for tie in self.ties]
        return ", ".join(([" × ".join(parts)] if parts else []) + ties)


def make_grid(axes: Mapping[str, Axis], zips: Zips, fixed: Mapping[str, Any], own: Collection[str] = ()) -> Grid:
    """A grid of `axes`, with ties, and `fixed` for what the layers have in common.

    Args:
        axes: by name, slowest first: the axis of every option that has one, its default included.
        zips: the ties, which outrank axes of the same name, and what is walked in step.
        fixed: further arguments of `ConvSpec`.
        own: the names that a file sets, which may be tied to.
    """
    free = {name: axis for name, axis in axes.items() if name not in zips.targets}
    ties = tuple(in_order(zips.ties, {*free, *own}))
    check_values(ties, free)
    dimensions = [dimension for dimension in _dimensions(free, zips) if dimension.count > 1]
    single = {name: axis[0] for name, axis in free.items() if axis.count == 1}
    return Grid(tuple(dimensions), {**fixed, **single}, ties)


def _dimensions(free: Mapping[str, Axis], zips: Zips) -> Iterator[Dimension]:
    """Axes that walk in step stand where the first of them stands."""
    done: set[str] = set()
    for name, axis in free.items():
        names = next((step for step in zips.steps if name in step), (name,))
        if name in done:
            continue
        done.update(names)
        for other in names:
            if other not in free:
                raise DsconvError(f"--zip {','.join(names)}: {other} has no value; give {FIELDS[other].option}")
            if free[other].count != axis.count:
                told = f"{name} has {axis.count:,}, {other} has {free[other].count:,}"
                raise DsconvError(f"--zip {','.join(names)}: lists that walk in step must be equally long; {told}")
        yield Dimension(tuple(other for candidate, other in free.items() if candidate in names))

"""Timing many layers: how a budget is split over them, and in which order they are visited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import CannotMeasureError

if TYPE_CHECKING:
    from dsconv_cli.timing.timer import Watcher
    from dsconv_cli.timing.timers import Timers

#: However late a run is, a layer gets this share of what it would have had.
LEAST_SHARE = 0.5


def shuffled(count: int) -> list[int]:
    """The order in which `count` layers are timed: the same at every run, and unlike any order of the grid.

    A machine that grows slower while it works then makes the points scatter, where in the grid's order it would
    look like a trend along an axis.
    """
    order = list(range(count))
    Random(count).shuffle(order)  # noqa: S311 - not for secrets
    return order


def time_layers(
    layers: Sequence[Comparison],
    counted: Callable[[Comparison], Comparison],
    timers: Timers,
    total_s: float,
    *,
    watch: Callable[[Comparison, float], Watcher],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[int, Comparison]]:
    """The layers with their times after their places in the sweep, in the order in which they are timed.

    What one layer leaves of its share of `total_s` goes to the others.

    Args:
        layers: in the order of the sweep.
        counted: a layer with what is counted of it.
        timers: their budget is set anew for each layer.
        total_s: seconds for all of them.
        watch: called before each layer with the seconds that are left at most; returns what hears of its progress.
        clock: seconds that only grow.

    Raises:
        CannotMeasureError: a layer could not be timed; the message names it.
    """
    begun = clock()
    fair = total_s / max(len(layers), 1)
    for visited, place in enumerate(shuffled(len(layers))):
        layer = layers[place]
        left = total_s - (clock() - begun)
        share = max(left / (len(layers) - visited), LEAST_SHARE * fair)
        timers.limit(share, share / total_s)
        comparison = counted(layer)
        watcher = watch(layer, max(left, 0.0))
        try:
            times = timers.time(layer.spec, lambda _, watcher=watcher: watcher)  # type: ignore[misc]
        except CannotMeasureError as error:
            raise CannotMeasureError(f"{layer.label}: {error}") from error
        yield place, comparison.with_times(times)

"""What one process measures: interleaved rounds of blocks of calls. What is called and the clock are parameters.

A runner makes a number of calls and returns the seconds they took; it synchronises its device itself. In a round
each runner runs one block, all blocks of the same number of calls, and every other round runs them in the opposite
order, so that a machine that slows down or speeds up does so for all of them. A block begins with one call that is
not timed: it brings back what the others pushed out of the caches, for all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dsconv_cli.timing.statistics import median

Runner = Callable[[int], float]
Clock = Callable[[], float]


class Schedule(NamedTuple):
    """How long one process measures and how it divides the time. Seconds.

    `block_s` is how long the fastest one's block should take: far above the clock's resolution, far below
    a scheduler's slice. A call longer than `long_call_s` needs no untimed one before it, and one warm-up.
    """

    seconds: float = 0.25
    warm_s: float = 0.01
    warm_calls: int = 3
    block_s: float = 0.5e-3
    long_call_s: float = 0.05
    min_rounds: int = 3
    long_round_s: float = 0.5


class Rounds(NamedTuple):
    """Seconds per call, by name and round, and the calls in each block."""

    per_call: dict[str, tuple[float, ...]]
    calls: int

    @property
    def number(self) -> int:
        """How many rounds there were."""
        return len(next(iter(self.per_call.values())))

    def fastest(self, name: str) -> float:
        """Seconds per call of one runner's fastest block: the one that nothing disturbed."""
        return min(self.per_call[name])


class Settled(NamedTuple):
    """What warming up taught: rough seconds per call of each, and the calls in a block."""

    rough: dict[str, float]
    calls: int


def settle(runners: Mapping[str, Runner], schedule: Schedule, clock: Clock) -> Settled:
    """Warm all up and choose one number of calls for all."""
    rough = {name: warm_up(run, schedule, clock) for name, run in runners.items()}
    return Settled(rough, calls_per_block(rough, schedule))


def sample(runners: Mapping[str, Runner], settled: Settled, schedule: Schedule, clock: Clock) -> Rounds:
    """Rounds of runners that are warm, until `schedule.seconds` have passed."""
    rough, calls = settled
    least = 1 if calls * sum(rough.values()) > schedule.long_round_s else schedule.min_rounds
    order = list(runners)
    blocks: dict[str, list[float]] = {name: [] for name in order}
    end = clock() + schedule.seconds
    done = 0
    while done < least or clock() < end:
        for name in order:
            if rough[name] <= schedule.long_call_s:
                runners[name](1)
            blocks[name].append(runners[name](calls) / calls)
        order.reverse()
        done += 1
    return Rounds({name: tuple(values) for name, values in blocks.items()}, calls)


def warm_up(run: Runner, schedule: Schedule, clock: Clock) -> float:
    """Call until the first, slow calls are over; the seconds of a call after that.

    A process's first calls take up to twenty times as long: kernels are chosen and compiled, weights are
    reordered, memory is mapped.
    """
    started = clock()
    took = run(1)
    if took > schedule.long_call_s:
        return took
    recent = [run(1) for _ in range(schedule.warm_calls)]
    while clock() - started < schedule.warm_s:
        recent.append(run(1))
    return median(recent[-7:])


def calls_per_block(rough: Mapping[str, float], schedule: Schedule) -> int:
    """One number of calls for all runners: enough for the fastest one's block to last `schedule.block_s`.

    A slow one beside a fast one limits it: its block may take a tenth of the process's time, no more.
    """
    fastest, slowest = min(rough.values()), max(rough.values())
    wanted = math.ceil(schedule.block_s / max(fastest, 1e-9))
    affordable = int(schedule.seconds / 10 / max(slowest, 1e-9))
    return max(1, min(wanted, affordable))


def disturbed_fraction(per_call: Mapping[str, tuple[float, ...]]) -> float:
    """The fraction of samples that took more than half as long again as the median of their kind."""
    total = late = 0
    for values in per_call.values():
        limit = 1.5 * median(values)
        total += len(values)
        late += sum(value > limit for value in values)
    return late / total

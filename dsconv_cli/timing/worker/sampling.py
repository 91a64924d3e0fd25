"""What one process measures: interleaved rounds of blocks of calls. What is called and the clock are parameters.

A runner makes a number of calls and returns the seconds they took; it synchronises its device itself. In a round
each runner runs one block, all blocks of the same number of calls, and always in the same order: rounds are so short
that a machine that slows down does so for all, and what ran before, and left the caches as they are, is the same for a
block each time. With the order turned in every other round a pair that followed itself was up to 4 % faster than one
that followed the ordinary form, as it does where anyone times the two in turn. What is not one of the two sides that
are compared runs in one round of three. A block begins with one call that is not timed: it brings back what the
others pushed out of the caches, for all alike. The clocks are read several times in a block, so that a part of it is
known that nothing disturbed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final, NamedTuple

Clock = Callable[[], float]
#: The two that are compared: their blocks together make a round's length.
SIDES: Final = ("ordinary", "separable")
#: Everything else runs in one round of so many: its share of the time is told beside theirs, with no interval.
OTHERS_EVERY: Final = 3


class Reading(NamedTuple):
    """Seconds that some calls took: by the wall clock, and those in which the thread that made them was running.

    `own` is `wall` where there is no such clock.
    """

    wall: float
    own: float


Runner = Callable[[int], Reading]


class Schedule(NamedTuple):
    """How long one process measures and how it divides the time. Seconds.

    It ends after `seconds` if there were `rounds` by then, for a median of fewer leaps on a busy machine, and after
    `longest` times as much at the latest. `round_s` is how long one block of each side should take together, as anyone
    would choose it who measures by hand: on a busy machine the typical time depends on it, for a short block is seldom
    interrupted. `part_s` is how long the fastest one's part of a block should take: far above the clock's resolution,
    far below a scheduler's slice. A call longer than `long_call_s` needs no untimed one before it, and one warm-up. One
    of 14 ms needs it: without, the ratio of 64×64×7×7 on 56×56 read 11 % more.
    """

    seconds: float = 0.2
    rounds: int = 20
    longest: float = 3.0
    warm_s: float = 0.01
    warm_calls: int = 2
    round_s: float = 8e-3
    part_s: float = 0.5e-3
    long_call_s: float = 0.05
    min_rounds: int = 3
    long_round_s: float = 0.5


class Rounds(NamedTuple):
    """Seconds per call: of each block on the wall clock, by name and round; of the fastest part, undisturbed."""

    per_call: dict[str, tuple[float, ...]]
    fastest: dict[str, float]

    @property
    def number(self) -> int:
        """How many rounds there were."""
        return len(self.per_call[SIDES[0]])

    def typical(self, name: str) -> float:
        """The median: half of the blocks took longer."""
        return median(self.per_call[name])


class Settled(NamedTuple):
    """What warming up taught: rough seconds per call of each, the parts of a block, and the calls in each part."""

    rough: dict[str, float]
    parts: int
    calls: int


def settle(runners: Mapping[str, Runner], schedule: Schedule, clock: Clock) -> Settled:
    """Warm all up and choose one number of calls for all."""
    rough = {name: warm_up(run, schedule, clock) for name, run in runners.items()}
    return Settled(rough, *block(rough, schedule))


def sample(runners: Mapping[str, Runner], settled: Settled, schedule: Schedule, clock: Clock) -> Rounds:
    """Rounds of runners that are warm, until `schedule.seconds` have passed."""
    rough, parts, calls = settled
    least = 1 if parts * calls * sum(rough.values()) > schedule.long_round_s else schedule.min_rounds
    # The first blocks after warming up are the slowest: of many they are one, of two they would be half.
    first = min(1, least - 1)
    order = list(runners)
    blocks: dict[str, list[float]] = {name: [] for name in order}
    fastest = dict.fromkeys(order, math.inf)
    started = clock()
    done = 0
    while done < least or clock() - started < schedule.seconds * (1 if done >= schedule.rounds else schedule.longest):
        for name in order:
            if name not in SIDES and done % OTHERS_EVERY != first:
                continue
            if rough[name] <= schedule.long_call_s:
                runners[name](1)
            readings = [runners[name](calls) for _ in range(parts)]
            blocks[name].append(sum(one.wall for one in readings) / (parts * calls))
            fastest[name] = min(fastest[name], *(one.own / calls for one in readings))
        done += 1
    return Rounds({name: tuple(values) for name, values in blocks.items()}, fastest)


def warm_up(run: Runner, schedule: Schedule, clock: Clock) -> float:
    """Call until the first, slow calls are over; the seconds of a call after that.

    A process's first calls take up to twenty times as long: kernels are chosen and compiled, weights are
    reordered, memory is mapped.
    """
    started = clock()
    took = run(1).wall
    if took > schedule.long_call_s:
        return took
    recent = [run(1).wall for _ in range(schedule.warm_calls)]
    while clock() - started < schedule.warm_s:
        recent.append(run(1).wall)
    return median(recent[-7:])


def block(rough: Mapping[str, float], schedule: Schedule) -> tuple[int, int]:
    """The parts of a block and the calls in each, the same for all.

    A block has as many calls as make a round of the two sides last `schedule.round_s`, or an eighth of the process's
    time where that is less. A part has as many as make the fastest one's last `schedule.part_s`.
    """
    both = sum(rough[name] for name in SIDES)
    calls = max(1, round(min(schedule.round_s, schedule.seconds / 8) / max(both, 1e-9)))
    part = min(calls, math.ceil(schedule.part_s / max(min(rough.values()), 1e-9)))
    return round(calls / part), part


def disturbed_fraction(per_call: Mapping[str, tuple[float, ...]]) -> float:
    """The fraction of samples that took more than half as long again as the median of their kind."""
    total = late = 0
    for values in per_call.values():
        limit = 1.5 * median(values)
        total += len(values)
        late += sum(value > limit for value in values)
    return late / total

"""What one process measures: interleaved rounds of blocks of calls. The workloads and the clock are parameters.

A workload is a function from a number of calls to the seconds they took; it synchronises its device itself. In a
round each workload runs one block, all blocks of the same number of calls, and every other round runs them in the
opposite order, so that a machine that slows down or speeds up does so for all of them. A block begins with one
call that is not timed: it brings back what the other workloads pushed out of the caches, for all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dsconv_cli.timing.statistics import median

Workload = Callable[[int], float]
Clock = Callable[[], float]


class Plan(NamedTuple):
    """How long one process measures and how it divides the time. Seconds.

    `block_s` is how long the fastest workload's block should take: far above the clock's resolution, far below
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
    """Seconds per call, by workload and round, and the calls in each block."""

    per_call: dict[str, tuple[float, ...]]
    calls: int

    @property
    def number(self) -> int:
        """How many rounds there were."""
        return len(next(iter(self.per_call.values())))

    def fastest(self, name: str) -> float:
        """Seconds per call of one workload's fastest block: the one that nothing disturbed."""
        return min(self.per_call[name])


class Settled(NamedTuple):
    """What warming up taught: rough seconds per call of each workload, and the calls in a block."""

    rough: dict[str, float]
    calls: int


def settle(workloads: Mapping[str, Workload], plan: Plan, clock: Clock) -> Settled:
    """Warm every workload up and choose one number of calls for all."""
    rough = {name: warm_up(workload, plan, clock) for name, workload in workloads.items()}
    return Settled(rough, calls_per_block(rough, plan))


def sample(workloads: Mapping[str, Workload], settled: Settled, plan: Plan, clock: Clock) -> Rounds:
    """Rounds of workloads that are warm, until `plan.seconds` have passed."""
    rough, calls = settled
    least = 1 if calls * sum(rough.values()) > plan.long_round_s else plan.min_rounds
    order = list(workloads)
    blocks: dict[str, list[float]] = {name: [] for name in order}
    end = clock() + plan.seconds
    done = 0
    while done < least or clock() < end:
        for name in order:
            if rough[name] <= plan.long_call_s:
                workloads[name](1)
            blocks[name].append(workloads[name](calls) / calls)
        order.reverse()
        done += 1
    return Rounds({name: tuple(values) for name, values in blocks.items()}, calls)


def warm_up(workload: Workload, plan: Plan, clock: Clock) -> float:
    """Call until the first, slow calls are over; the seconds of a call after that.

    A process's first calls take up to twenty times as long: kernels are chosen and compiled, weights are
    reordered, memory is mapped.
    """
    started = clock()
    took = workload(1)
    if took > plan.long_call_s:
        return took
    recent = [workload(1) for _ in range(plan.warm_calls)]
    while clock() - started < plan.warm_s:
        recent.append(workload(1))
    return median(recent[-7:])


def calls_per_block(rough: Mapping[str, float], plan: Plan) -> int:
    """One number of calls for all workloads: enough for the fastest one's block to last `plan.block_s`.

    A slow workload beside a fast one limits it: its block may take a tenth of the process's time, no more.
    """
    fastest, slowest = min(rough.values()), max(rough.values())
    wanted = math.ceil(plan.block_s / max(fastest, 1e-9))
    affordable = int(plan.seconds / 10 / max(slowest, 1e-9))
    return max(1, min(wanted, affordable))


def disturbed_fraction(per_call: Mapping[str, tuple[float, ...]]) -> float:
    """The fraction of samples that took more than half as long again as their workload's median."""
    total = late = 0
    for values in per_call.values():
        limit = 1.5 * median(values)
        total += len(values)
        late += sum(value > limit for value in values)
    return late / total

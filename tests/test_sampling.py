"""What one process does, on a clock that only the calls move."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from dsconv_cli.timing.worker.sampling import Reading, Schedule, Settled, block, disturbed_fraction, sample, settle


class World:
    """A clock, and runners that take it forward; `log` holds every reading as (name, calls).

    The wall clock shows twice what the thread itself used.
    """

    def __init__(self, noise=0.0, first=1.0, drift=0.0, seed=1):
        self.now, self.noise, self.first, self.drift = 0.0, noise, first, drift
        self.random = random.Random(seed)
        self.log = []
        self.calls = {}

    def clock(self):
        return self.now

    def runner(self, name, seconds):
        def run(calls):
            took = 0.0
            for _ in range(calls):
                done = self.calls[name] = self.calls.get(name, 0) + 1
                slow = self.first if done <= 2 else 1.0
                noise = self.random.lognormvariate(0, self.noise) if self.noise else 1.0
                took += seconds * slow * noise * (1 + self.drift * self.now)
            self.now += took
            self.log.append((name, calls))
            return Reading(2 * took, took)

        return run

    def works(self, ordinary=2e-4, separable=1e-4, depthwise=6e-5, pointwise=4e-5):
        seconds = {"ordinary": ordinary, "separable": separable, "depthwise": depthwise, "pointwise": pointwise}
        return {name: self.runner(name, value) for name, value in seconds.items()}


def measure(world, schedule, **seconds):
    works = world.works(**seconds)
    settled = settle(works, schedule, world.clock)
    world.log.clear()
    return sample(works, settled, schedule, world.clock)


def paired_log_ratio(rounds):
    pairs = zip(rounds.per_call["ordinary"], rounds.per_call["separable"], strict=True)
    return statistics.median(math.log(above / below) for above, below in pairs)


def test_a_ratio_of_two_is_recovered_from_noise():
    rounds = measure(World(noise=0.1), Schedule())
    assert paired_log_ratio(rounds) == pytest.approx(0.693, abs=0.02)
    assert statistics.median(rounds.per_call["depthwise"]) == pytest.approx(2 * 6e-5, rel=0.03)
    assert rounds.typical("depthwise") == statistics.median(rounds.per_call["depthwise"])
    assert rounds.fastest["depthwise"] < 0.95 * 6e-5, "of a part of a block, by the thread's own clock"


def test_slow_first_calls_are_left_out():
    rounds = measure(World(first=20.0), Schedule())
    assert max(rounds.per_call["ordinary"]) == pytest.approx(2 * 2e-4)


def test_a_machine_that_slows_down_does_so_for_both_sides():
    """Each second makes calls 40 % slower: in the 4 ms from one block to the next 0.2 %."""
    rounds = measure(World(drift=0.4), Schedule(seconds=1.0))
    assert paired_log_ratio(rounds) == pytest.approx(0.6931, abs=0.003)


def test_every_block_has_as_many_calls_and_follows_the_same():
    """8 ms for 400 + 200 µs are 13 calls a block, 0.5 ms of the fastest, 80 µs, are 7: two parts of 7."""
    world = World()
    rounds = measure(world, Schedule(seconds=0.25))
    turns = [world.log[index : index + 3] for index in range(0, len(world.log), 3)]
    assert all(turn == [(turn[0][0], calls) for calls in (1, 7, 7)] for turn in turns), "the first call is not timed"
    names = [turn[0][0] for turn in turns]
    sides = ["ordinary", "separable"]
    assert names[:14] == [*sides, *world.works(), *sides, *sides, *world.works()], "the halves once in three rounds"
    assert names.count("ordinary") == names.count("separable") == rounds.number
    assert names.count("depthwise") == (rounds.number + 1) // 3


@pytest.mark.parametrize(("slower", "rounds", "seconds"), [(1, None, 0.2), (4, 20, None), (20, None, 0.6)])
def test_a_busy_machine_gets_longer_for_its_median(slower, rounds, seconds):
    """Rounds of about 8 ms that take `slower` times as long once they are timed: 20 of them, and 0.6 s at most."""
    world = World()
    works = world.works()
    settled = settle(works, Schedule(), world.clock)
    began = world.now

    def slowed(run):
        def late(calls):
            reading = run(calls)
            world.now += (slower - 1) * reading.own
            return reading

        return late

    found = sample({name: slowed(run) for name, run in works.items()}, settled, Schedule(), world.clock)
    if rounds:
        assert found.number == rounds
        assert 0.2 < world.now - began < 0.6
    if seconds:
        assert world.now - began == pytest.approx(seconds, abs=0.01 * slower)


def test_a_block_is_timed_as_a_whole_and_its_fastest_part_alone():
    """Every second reading is three times as long: the block takes twice the part that nothing disturbed."""
    readings = iter([1e-3] + [Reading(1e-3, 1e-3), Reading(3e-3, 3e-3)] * 12)

    def run(calls):
        return next(readings)

    next(readings)
    schedule = Schedule(seconds=0, long_call_s=0)
    rounds = sample(
        {"ordinary": run, "separable": run}, Settled({"ordinary": 1, "separable": 1}, 2, 1), schedule, float
    )
    assert set(rounds.per_call["ordinary"]) == {2e-3}
    assert rounds.fastest == {"ordinary": 1e-3, "separable": 1e-3}


def test_a_slow_layer_is_called_once_a_round_and_not_warmed_for_long():
    world = World()
    rounds = measure(world, Schedule(seconds=0.25), ordinary=2.0, separable=0.5, depthwise=0.3, pointwise=0.2)
    assert (rounds.number, world.log[0]) == (1, ("ordinary", 1))
    assert world.calls == {"ordinary": 2, "separable": 2, "depthwise": 2, "pointwise": 2}


@pytest.mark.parametrize(
    ("ordinary", "separable", "halves", "seconds", "expected"),
    [
        # 8 ms for both sides; 0.5 ms for a part of the fastest
        (3e-4, 1e-4, 5e-5, 0.25, (2, 10)),
        (1e-5, 1e-5, 5e-6, 0.25, (4, 100)),
        # a call of 8 ms or more is a block
        (3e-2, 4e-3, 2e-3, 0.25, (1, 1)),
        # an eighth of a short process's time, 5 ms, is 12 calls, of which 10 are a part
        (3e-4, 1e-4, 5e-5, 0.04, (1, 10)),
    ],
)
def test_calls_in_a_block(ordinary, separable, halves, seconds, expected):
    rough = {"ordinary": ordinary, "separable": separable, "depthwise": halves, "pointwise": halves}
    assert block(rough, Schedule(seconds=seconds)) == expected


def test_a_clock_that_stands_still_is_no_division_by_zero():
    parts, calls = block({"ordinary": 0.0, "separable": 0.0}, Schedule())
    assert min(parts, calls) >= 1


def test_disturbed_fraction():
    assert disturbed_fraction({"a": (1.0,) * 10, "b": (1.0,) * 8 + (1.6, 9.0)}) == pytest.approx(0.1)
    assert disturbed_fraction({"a": (1.0, 1.4, 1.0)}) == 0

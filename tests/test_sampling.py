"""What one process does, on a clock that only the calls move."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from dsconv_cli.timing.worker.sampling import Schedule, calls_per_block, disturbed_fraction, sample, settle


class World:
    """A clock, and runners that take it forward; `log` holds every block as (name, calls)."""

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
            return took

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
    assert statistics.median(rounds.per_call["depthwise"]) == pytest.approx(6e-5, rel=0.03)
    assert rounds.fastest("depthwise") == min(rounds.per_call["depthwise"])


def test_slow_first_calls_are_left_out():
    rounds = measure(World(first=20.0), Schedule())
    assert max(rounds.per_call["ordinary"]) == pytest.approx(2e-4)


def test_a_machine_that_slows_down_does_so_for_both_sides():
    """Each second makes calls 40 % slower; AB then BA puts neither side always second."""
    rounds = measure(World(drift=0.4), Schedule(seconds=1.0))
    assert paired_log_ratio(rounds) == pytest.approx(0.6931, abs=0.002)


def test_every_block_has_as_many_calls_and_the_order_turns():
    world = World()
    rounds = measure(world, Schedule(seconds=0.05))
    timed = [entry for index, entry in enumerate(world.log) if index % 2]
    untimed = [entry for index, entry in enumerate(world.log) if not index % 2]
    assert {calls for _, calls in timed} == {rounds.calls}
    assert {calls for _, calls in untimed} == {1}
    names = [name for name, _ in timed]
    assert names[:8] == [*world.works(), *reversed(world.works())]
    assert names.count("ordinary") == names.count("separable") == rounds.number


def test_a_slow_layer_is_called_once_a_round_and_not_warmed_for_long():
    world = World()
    rounds = measure(world, Schedule(seconds=0.25), ordinary=2.0, separable=0.5, depthwise=0.3, pointwise=0.2)
    assert (rounds.number, rounds.calls) == (1, 1)
    assert world.calls == {"ordinary": 2, "separable": 2, "depthwise": 2, "pointwise": 2}


def test_calls_per_block():
    schedule = Schedule(seconds=0.25, block_s=0.5e-3)
    assert calls_per_block({"a": 1e-5, "b": 2e-5}, schedule) == 50
    assert calls_per_block({"a": 1e-5, "b": 5e-3}, schedule) == 5, "the slow one limits the fast one"
    assert calls_per_block({"a": 1.0, "b": 5e-3}, schedule) == 1
    assert calls_per_block({"a": 0.0, "b": 0.0}, schedule) >= 1


def test_disturbed_fraction():
    assert disturbed_fraction({"a": (1.0,) * 10, "b": (1.0,) * 8 + (1.6, 9.0)}) == pytest.approx(0.1)
    assert disturbed_fraction({"a": (1.0, 1.4, 1.0)}) == 0

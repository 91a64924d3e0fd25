"""When measuring ends, and whether what it ends with holds the truth: simulated machines whose truth is known."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from fakes import sample

from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.stopping import wants_more
from dsconv_cli.timing.verdict import fastest, typical, typical_s, verdict, wander

TAKES_S = 0.3


def of_ratio(log_ratio):
    """A process that nothing disturbed."""
    return sample({"ordinary": (1e-4 * math.exp(log_ratio),), "separable": (1e-4,)})


def whole(draw, **settings):
    """One whole measurement: processes are added until the program's own rule has enough."""
    samples = [draw()]
    while wants_more(samples, [TAKES_S], TAKES_S * len(samples), TimingSettings(**settings)):
        samples.append(draw())
    return samples


#: How processes differ, and the true mean: alike, in two groups, with wild ones among them, lopsided.
SPREADS = {
    "normal": (lambda rng: rng.gauss(0.7, 0.04), 0.7),
    "two groups": (lambda rng: rng.gauss(0.7, 0.01) + (0.06 if rng.random() < 0.3 else 0), 0.7 + 0.3 * 0.06),
    "contaminated": (lambda rng: rng.gauss(0.7, 0.03) + (rng.gauss(0, 0.2) if rng.random() < 0.1 else 0), 0.7),
    "lopsided": (lambda rng: 0.7 + 0.03 * rng.expovariate(1), 0.73),
}


@pytest.mark.parametrize("spread", SPREADS)
def test_coverage_with_the_stop_rule(spread):
    """The nominal 95 % interval holds the truth in at least 90 % of whole measurements, early stops included."""
    draw, truth = SPREADS[spread]
    rng = random.Random(20240607)
    gains = [typical(whole(lambda: of_ratio(draw(rng)))) for _ in range(400)]
    covered = sum(gain.low <= math.exp(truth) <= gain.high for gain in gains) / len(gains)
    assert covered >= 0.90, covered


class Machine:
    """A machine on which a layer takes 300 and 100 µs undisturbed, and what disturbs comes and goes.

    Every block of every process is slowed down by an exponential share, of mean `ordinary` and `separable`, times the
    level of the minute, times the luck of the process. Levels of minutes are lognormal and differ by `wanders`.
    """

    def __init__(self, seed, *, ordinary, separable, wanders=0.25, luck=0.02):
        self.rng = random.Random(seed)
        self.shares = {"ordinary": (3e-4, ordinary), "separable": (1e-4, separable)}
        self.wanders, self.luck, self.level = wanders, luck, 1.0

    def next_minute(self):
        self.level = self.rng.lognormvariate(0, self.wanders)

    def process(self, blocks=20):
        per_call = {}
        for name, (seconds, share) in self.shares.items():
            slower = seconds * self.rng.lognormvariate(0, self.luck)
            per_call[name] = [slower * (1 + self.rng.expovariate(1) * share * self.level) for _ in range(blocks)]
        return sample(per_call)

    def referee(self):
        """What a plain measurement finds in a minute of its own: medians of 24 processes, and the standard error."""
        self.next_minute()
        rounds = [self.process().rounds.per_call for _ in range(24)]
        logs = [math.log(statistics.median(one["ordinary"]) / statistics.median(one["separable"])) for one in rounds]
        return statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))

    def measured(self, **settings):
        self.next_minute()
        return whole(self.process, **settings)


QUIET = {"ordinary": 0.02, "separable": 0.06}
BUSY = {"ordinary": 0.15, "separable": 0.45}
#: Both forms lose alike, so that the ratio hides how much there is to lose.
ALIKE = {"ordinary": 0.3, "separable": 0.3}


@pytest.mark.parametrize("disturbed", [QUIET, BUSY, ALIKE], ids=["quiet", "busy", "alike"])
def test_the_interval_holds_what_a_plain_measurement_finds_in_another_minute(disturbed):
    machine = Machine(11, **disturbed)
    held, bias = 0, []
    for _ in range(150):
        gain = typical(machine.measured())
        truth, error = machine.referee()
        held += math.log(gain.low) - 2 * error <= truth <= math.log(gain.high) + 2 * error
        bias.append(math.log(gain.value) - truth)
    assert held >= 0.9 * 150, held
    assert abs(statistics.fmean(bias)) < 0.02


def test_the_fastest_is_another_thing_and_repeats():
    """The short form loses more, so that the undisturbed ratio, 3, is above what a plain measurement finds."""
    machine = Machine(5, **BUSY)
    swift = [fastest(machine.measured()) for _ in range(100)]
    assert all(one.speedup.low <= 3.0 * 1.02 for one in swift)
    assert statistics.fmean(one.speedup.value for one in swift) == pytest.approx(3.0, rel=0.02)
    assert swift[0].ordinary_s == pytest.approx(3e-4, rel=0.05)
    plain = math.exp(statistics.fmean(machine.referee()[0] for _ in range(50)))
    assert plain < 2.7


def test_the_interval_widens_on_a_busy_machine():
    widths = {}
    for name, disturbed in (("quiet", QUIET), ("busy", BUSY), ("alike", ALIKE)):
        machine = Machine(3, **disturbed)
        widths[name] = statistics.median(typical(machine.measured()).half_width for _ in range(30))
    assert widths["quiet"] <= 0.05 < min(widths["busy"], widths["alike"])


def test_wander_by_hand():
    """Medians of 330 and 121 µs over fastest ones of 300 and 100: ln 1.1 and ln 1.21, which is twice that."""
    one = sample({"ordinary": (3.3e-4,) * 3, "separable": (1.21e-4,) * 3}, {"ordinary": 3e-4, "separable": 1e-4})
    slower = math.log(1.1)
    assert wander([one] * 9) == pytest.approx(math.sqrt(0.015**2 + (slower / 6) ** 2 + (2 * slower / 20) ** 2))
    assert typical_s([one] * 9, "separable") == pytest.approx(1.21e-4)
    assert typical([one] * 9).value == pytest.approx(3.3 / 1.21)


def test_processes_that_differ_make_the_next_minute_less_sure():
    """Logarithms of ratios 0.6, 0.7, 0.8: their standard deviation is 0.1, of which a fifth is the machine's state."""
    few = [of_ratio(ratio) for ratio in (0.6, 0.7, 0.8)]
    assert wander(few) == pytest.approx(math.hypot(0.015, 0.02))
    assert wander(few[:1]) == pytest.approx(0.015), "one differs from nothing"


@pytest.mark.parametrize(("ratio", "said"), [(1.25, "faster"), (0.8, "slower"), (3.0, "faster")])
def test_a_verdict_is_quick(ratio, said):
    """Where the forms differ by a quarter, nine of ten are decided within four seconds, processes of 0.3 s."""
    rng = random.Random(8)
    runs = [whole(lambda: of_ratio(math.log(ratio) + rng.gauss(0, 0.04))) for _ in range(200)]
    quick = [verdict(typical(run)) == said and TAKES_S * len(run) <= 4 for run in runs]
    assert sum(quick) >= 180


def test_the_stop_rule():
    quiet, noisy = [0.7, 0.701] * 5, [0.5, 0.9] * 5
    settings = TimingSettings(budget_s=15)

    def more(ratios, elapsed, settings=settings):
        return wants_more([of_ratio(one) for one in ratios], [0.3] * len(ratios), elapsed, settings)

    assert more([], 0)
    assert more(quiet[:7], 2.1), "too few to trust a narrow interval"
    assert not more(quiet[:8], 2.4)
    assert more(noisy, 3)
    assert not more(noisy, 14.8), "another process would not end in time"


def test_there_are_never_more_processes_than_tell_something():
    """Two minutes that differ by 0.8: batches of neighbours say so, however many processes there are."""
    settings = TimingSettings(budget_s=600)

    def more(count):
        half = count // 2
        return wants_more([of_ratio(one) for one in [0.3] * half + [1.1] * (count - half)], [0.3], 1, settings)

    assert more(179)
    assert not more(180)


def test_a_clear_verdict_ends_after_four_seconds_where_no_precision_was_asked_for():
    noisy = [0.6, 0.8] * 10
    alike = [-0.1, 0.1] * 10

    def more(ratios, elapsed, **settings):
        settings = TimingSettings(**settings)
        return wants_more([of_ratio(one) for one in ratios], [0.3] * len(ratios), elapsed, settings)

    assert 0.05 < typical([of_ratio(one) for one in noisy]).half_width < 0.10
    assert more(noisy, 2.8)
    assert not more(noisy, 3.3)
    assert more(noisy, 3.3, precision=0.02)
    assert more(alike, 3.3), "nothing is clear yet"
    assert more([0.3, 1.1] * 4, 3.3), "faster, and too wide to be reliable"


def test_the_interval_asked_for_is_reached():
    """Processes that differ by 6 %: sooner within 9 % than within 5.5 %, and no further than that."""
    counts = {}
    for precision in (0.09, 0.07, 0.055):
        rng = random.Random(2)
        run = whole(lambda rng=rng: of_ratio(rng.gauss(0.7, 0.06)), precision=precision, budget_s=600)
        assert typical(run).half_width <= precision
        assert typical(run[:-1]).half_width > precision or len(run) == 8
        counts[precision] = len(run)
    assert counts[0.09] < counts[0.07] < counts[0.055]


def test_what_more_processes_would_not_narrow_ends_it():
    """Disturbance that is the same in every process and doubles the short form's time: all that is left is wander."""
    rng = random.Random(4)

    def process():
        noise = rng.lognormvariate(0, 0.05)
        return sample({"ordinary": (3e-4 * noise,), "separable": (2e-4,)}, {"ordinary": 3e-4, "separable": 1e-4})

    run = whole(process, budget_s=600)
    assert len(run) < 30
    assert typical(run).half_width > 0.2

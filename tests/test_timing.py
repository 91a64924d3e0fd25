"""Which processes are started, what is made of them, and what is refused, in a laboratory without torch or time."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from fakes import MACHINE, PEAKS, PREPARED, FakeLaboratory, sample

from dsconv_cli import ConvSpec
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.timing.jobs import MeasureLayer, MeasurePeaks, PrepareLayer, Probe
from dsconv_cli.timing.result import Interval, PerOperator
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.stopping import (
    BUSY,
    MOST_PROCESSES,
    QUICK,
    THOROUGH,
    bytes_needed,
    pace,
    refuse_hopeless,
    refuse_too_large,
    schedule,
)
from dsconv_cli.timing.timer import Timer
from dsconv_cli.timing.verdict import _wide, findings, kept, verdict, wander

SPEC = ConvSpec(64, 32, h=32, w=32)
TWO_CORES = replace(MACHINE, cores=2, all_cores=2)


def timed(laboratory, spec=SPEC, **settings):
    with Timer(TimingSettings(**settings), laboratory=laboratory, clock=laboratory.clock) as timer:
        return timer.time(spec)


def test_a_ratio_of_two_is_recovered():
    laboratory = FakeLaboratory(ratio=2.0, spread=0.03)
    result = timed(laboratory)
    assert result.speedup.low < 2.0 < result.speedup.high
    assert result.speedup.value == pytest.approx(2.0, rel=0.03)
    assert result.speedup.half_width <= 0.05
    assert result.fastest.speedup.low < 2.0 < result.fastest.speedup.high
    assert result.fastest.ordinary_s < result.ordinary_s
    assert (result.verdict, result.reliable, result.warnings) == ("faster", True, ())
    assert (result.depthwise_s, result.pointwise_s) == (pytest.approx(6e-5, rel=0.05), pytest.approx(4e-5, rel=0.05))
    assert result.separable_s == pytest.approx(1e-4, rel=0.1)
    assert result.pairs == 20 * result.processes
    assert laboratory.closed


def test_repeated_measurements_cover_the_truth():
    runs = [timed(FakeLaboratory(ratio=3.0, spread=0.04, seed=seed)).speedup for seed in range(400)]
    covered = sum(gain.low <= 3.0 <= gain.high for gain in runs)
    assert covered >= 360


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [
        (2.0, 0.01, "faster"),
        (0.5, 0.01, "slower"),
        (1.0, 0.01, "no detectable difference"),
        (1.2, 0.9, "no detectable difference"),
    ],
)
def test_verdicts(ratio, spread, expected):
    assert timed(FakeLaboratory(ratio=ratio, spread=spread, seed=3)).verdict == expected


def test_a_verdict_needs_the_whole_interval():
    assert verdict(Interval(1.1, 1.001, 1.2, 0.95)) == "faster"
    assert verdict(Interval(1.1, 1.0, 1.2, 0.95)) == "no detectable difference"
    assert verdict(Interval(0.9, 0.8, 1.0, 0.95)) == "no detectable difference"
    assert verdict(Interval(0.9, 0.8, 0.99, 0.95)) == "slower"


@pytest.mark.parametrize(
    ("sample", "settings", "words"),
    [
        ({"spread": 0.5}, {}, "wider than ±15%"),
        ({}, {"threads": 5}, "more threads (5) than cores (4)"),
        ({"others": 3.6}, {"threads": 2}, "other programs kept 3.6 of"),
        ({"job_s": 2.9}, {}, "only 5 measuring processes fit into 15 s"),
    ],
)
def test_warnings(sample, settings, words):
    result = timed(FakeLaboratory(**sample), **settings)
    assert not result.reliable
    assert [text for text in result.warnings if words in text], result.warnings


def test_disturbed_samples_are_warned_of():
    laboratory = FakeLaboratory()
    clean = laboratory.sample(MeasureLayer(None, None, SPEC))
    wild = replace(clean, rounds=replace_rounds(clean.rounds, (1.0,) * 12 + (2.0,) * 8))
    found = findings([wild] * 8, TimingSettings(), MACHINE)
    assert [caution.code for caution in found.cautions] == ["wide", "disturbed"]
    assert "40% of the samples" in found.cautions[1].text


def replace_rounds(rounds, values):
    return rounds._replace(per_call=dict.fromkeys(rounds.per_call, values))


def test_one_thread_beside_one_busy_core_of_two_is_no_crowd():
    assert timed(FakeLaboratory(others=1.0, machine=TWO_CORES)).reliable
    assert not timed(FakeLaboratory(others=1.5, machine=TWO_CORES)).reliable
    device = [FakeLaboratory().sample(MeasureLayer(None, None, SPEC)) for _ in range(9)]
    crowded = [replace(one, others=1.5) for one in device]
    assert findings(crowded, TimingSettings(device="cuda"), TWO_CORES).reliable, "nobody takes a device away"
    assert not timed(FakeLaboratory(others=1.0, machine=TWO_CORES), threads=2).reliable


def test_a_wide_interval_names_the_budget_that_would_do():
    """Twice too wide needs four times the processes, a fifth on top; what drifts from minute to minute stays."""
    samples = FakeLaboratorySamples(0.3)
    found = findings(samples, TimingSettings(budget_s=10), MACHINE)
    (caution,) = found.cautions
    half, drifting, enough = math.log1p(found.speedup.half_width), 1.96 * wander(samples), math.log1p(0.15)
    wanted = 10 * (half**2 - drifting**2) / (enough**2 - drifting**2) * 1.2
    assert f"a budget of {wanted:.0f} s " in caution.text


def test_where_no_budget_would_do_none_is_named():
    """The median lies ln 6 above the fastest: a twentieth of that drifts from minute to minute, and 1.96 times that."""
    blocks = (1e-4, *(6e-4,) * 8)
    one = sample({"ordinary": blocks, "separable": blocks})
    (caution,) = findings([one] * 9, TimingSettings(budget_s=10), MACHINE).cautions[:1]
    assert caution.text.endswith("the machine is too noisy for this layer")


def test_the_least_disturbed_third_is_kept():
    """Thirty processes, of which every third is undisturbed; what disturbs is worse for the separable form."""
    laboratory = FakeLaboratory(ratio=2.0, spread=0.0)
    calm = laboratory.sample(MeasureLayer(None, None, SPEC))
    late = sample({name: [2 * one for one in blocks] for name, blocks in calm.rounds.per_call.items()})
    samples = [calm if number % 3 == 0 else late for number in range(30)]
    assert kept(samples) == [calm] * 10
    assert kept(samples[:4]) == samples[:4], "an interval needs a few"
    assert len(kept(samples[:6])) == 5
    found = findings(samples, TimingSettings(device="cuda"), MACHINE)
    assert found.processes == 30
    assert found.fastest.speedup.value == pytest.approx(2.0)
    assert found.fastest.speedup.half_width == pytest.approx(math.exp(1.96 * 0.01) - 1, rel=1e-3), "what drifts stays"
    assert found.fastest.ordinary_s == pytest.approx(2e-4)


def FakeLaboratorySamples(spread):  # noqa: N802
    laboratory = FakeLaboratory(spread=spread)
    return [laboratory.sample(MeasureLayer(None, None, SPEC)) for _ in range(9)]


def test_the_budget_bounds_the_time():
    laboratory = FakeLaboratory(spread=0.5, job_s=0.31)
    result = timed(laboratory, budget_s=6)
    assert laboratory.now <= 6
    assert result.processes == 19


def test_a_quiet_machine_stops_early_and_a_noisy_one_does_not_go_on_for_ever():
    assert timed(FakeLaboratory(spread=0.001)).processes == 8
    # A fifth of what processes differ by is not narrowed by more of them: half of that is left of 100.
    assert 90 <= timed(FakeLaboratory(spread=0.5, job_s=0.01)).processes <= MOST_PROCESSES


def test_too_few_processes_is_an_error_that_names_the_budget():
    with pytest.raises(CannotMeasureError, match=r"holds 2 of the 3 .* one takes 5 s; a budget of 20 s will do"):
        timed(FakeLaboratory(job_s=5), budget_s=14)


def test_advice_is_about_the_whole_budget():
    """Two measurements of 4 s fit into a sixth of 60 s; three and one to spare, 16 s, are 96 s of the whole."""
    laboratory = FakeLaboratory(job_s=4)
    with (
        Timer(TimingSettings(budget_s=60).part(1 / 6), laboratory=laboratory, clock=laboratory.clock) as timer,
        pytest.raises(CannotMeasureError) as raised,
    ):
        timer.time(SPEC)
    assert str(raised.value) == (
        "its share of the budget (10 s) holds 2 of the 3 measurements that an interval needs, because one takes 4 s; "
        "a budget of 96 s will do"
    )
    samples = FakeLaboratorySamples(0.3)
    whole, sixth = (
        findings(samples, TimingSettings(budget_s=10, share=share), MACHINE).cautions[0].text for share in (1, 1 / 6)
    )
    seconds = [int(re.search(r"a budget of (\d+) s", text)[1]) for text in (whole, sixth)]
    assert seconds[1] == pytest.approx(6 * seconds[0], abs=4)


def test_where_timing_would_end_no_longer_budget_is_advised():
    """It ends at half as much as the machine wanders: ±14 % of that is ±15.7 % whatever the budget."""
    texts = [_wide(0.18, drifting, TimingSettings(budget_s=10)) for drifting in (0.14, 0.1)]
    assert texts[0].endswith("the machine is too noisy for this layer")
    assert "a budget of" in texts[1]


def test_a_process_that_never_ends_is_an_error():
    with pytest.raises(CannotMeasureError, match="did not end within the budget of 3 s"):
        timed(FakeLaboratory(slow=[1e9]), budget_s=3)


def test_a_late_process_is_dropped_when_there_are_enough():
    result = timed(FakeLaboratory(spread=0.5, slow=[0.3] * 12 + [1e9]))
    assert result.processes == 12


def test_too_large_for_memory_names_the_bytes_before_anything_runs():
    spec = ConvSpec(512, 256, h=4096, w=4096)
    # input three times, intermediate twice, output; ordinary weights three times, separable four times; 4 bytes each
    pixels = 4096 * 4096
    needed = 4 * (pixels * (3 * 256 + 2 * 256 + 512) + 3 * 512 * 256 * 9 + 4 * (256 * 9 + 512 * 256))
    assert bytes_needed(spec) == needed
    laboratory = FakeLaboratory()
    with pytest.raises(CannotMeasureError, match=f"needs {needed:,} bytes of memory"):
        timed(laboratory, spec)
    assert not [job for job in laboratory.jobs if not isinstance(job, Probe)]
    refuse_too_large(spec, None)


def test_hopeless_is_refused_before_a_process_is_spent():
    spec = ConvSpec(1024, 1024, h=100, w=100)  # 9.4e10 MACs, 1.9e11 FLOPs
    refuse_hopeless(spec, PEAKS, TimingSettings(budget_s=15))
    laboratory = FakeLaboratory()
    with pytest.raises(CannotMeasureError, match=r"takes about 9 s .* too long for the budget of 2 s"):
        timed(laboratory, spec, budget_s=2)
    assert not [job for job in laboratory.jobs if isinstance(job, MeasureLayer)]


def test_hopeless_is_a_row_of_layers_that_one_of_them_is_not():
    """Six calls of a hundred layers of 64·64·9·448² multiply-adds, 1.48e10 FLOPs, are 74 s at 120 GFLOP/s."""
    spec = ConvSpec(64, 64, h=448, w=448)
    refuse_hopeless(spec, PEAKS, TimingSettings(budget_s=2))
    with pytest.raises(CannotMeasureError, match=r"takes about 74 s \(6 calls of 1.48e\+12 FLOPs at 120 GFLOP/s"):
        refuse_hopeless(spec, PEAKS, TimingSettings(budget_s=2, chain=100))


def test_one_timer_measures_the_machine_once_for_many_layers():
    laboratory = FakeLaboratory()
    with Timer(laboratory=laboratory, clock=laboratory.clock) as timer:
        for k in (8, 16, 32):
            timer.time(ConvSpec(k, 8, h=8, w=8))
    kinds = [type(job) for job in laboratory.jobs]
    assert (kinds.count(Probe), kinds.count(MeasurePeaks)) == (1, 1)


def test_every_process_gets_the_same_conditions():
    laboratory = FakeLaboratory()
    timed(laboratory, device="cpu", threads=3, channels_last=True, spec=ConvSpec(8, 8, h=8, w=8, dtype="bfloat16"))
    (conditions,) = {job.conditions for job in laboratory.jobs}
    assert (conditions.threads, conditions.channels_last, conditions.dtype) == (3, True, "bfloat16")
    assert len({job.schedule for job in laboratory.jobs if isinstance(job, MeasureLayer)}) == 1


def test_progress_is_told_after_every_process():
    laboratory, told = FakeLaboratory(), []
    with Timer(laboratory=laboratory, clock=laboratory.clock) as timer:
        timer.time(SPEC, told.append)
    assert [one.processes for one in told] == list(range(1, len(told) + 1))
    assert told[0].speedup is None
    assert told[-1].speedup.half_width <= 0.05
    assert all(one.elapsed_s <= one.budget_s for one in told)


def test_a_layer_against_itself_reads_one():
    laboratory = FakeLaboratory(ratio=5.0)
    with Timer(laboratory=laboratory, clock=laboratory.clock) as timer:
        floor, prepared = timer.noise_floor(SPEC)
    assert prepared is PREPARED
    assert floor.speedup.low < 1 < floor.speedup.high
    assert {type(job) for job in laboratory.jobs} == {Probe, PrepareLayer, MeasureLayer}


def test_an_exception_closes_the_laboratory():
    laboratory = FakeLaboratory()

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Timer(laboratory=laboratory, clock=laboratory.clock) as timer:
        timer.time(SPEC, interrupt)
    assert laboratory.closed


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"device": "tpu"}, "device must be cpu, cuda, cuda:INDEX or mps, not 'tpu'"),
        ({"device": "cuda:"}, "not 'cuda:'"),
        ({"threads": 0}, "threads must be a positive integer"),
        ({"budget_s": 0}, "above 0"),
        ({"budget_s": math.nan}, "above 0"),
        ({"budget_s": math.inf}, "above 0"),
        ({"precision": 0}, "precision must be a fraction between 0 and 1, such as 0.05, not 0"),
        ({"precision": math.nan}, "not nan"),
    ],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(DsconvError, match=words):
        TimingSettings(**settings)


def test_short_budgets_get_short_processes():
    assert schedule(15).seconds == 0.2
    assert schedule(3).seconds == 0.05
    assert schedule(0.1).seconds == 0.04
    # A quarter of the time that building takes, but no more than a tenth of the budget.
    assert schedule(15, 4.0).seconds == 1.0
    assert schedule(5, 40.0).seconds == 0.5
    # Shorter still as long as a clear verdict may come in time.
    assert (schedule(15, pace=QUICK).seconds, schedule(0.1, pace=QUICK).seconds) == (0.07, 0.04)
    assert schedule(15, 4.0, QUICK).seconds == 1.0
    assert schedule(15, pace=QUICK).rounds < schedule(15).rounds


def test_a_machine_that_takes_the_processor_away_gets_longer_processes():
    quiet = FakeLaboratory(stolen=0.02).sample(MeasureLayer(None, None, SPEC))
    robbed = replace(quiet, stolen=0.3)
    assert [pace(samples, 1.0) for samples in ([], [quiet] * 3, [robbed])] == [QUICK, QUICK, BUSY]
    assert [pace([quiet], elapsed) for elapsed in (6.0, 7.0)] == [QUICK, THOROUGH]
    assert (schedule(15, pace=BUSY).seconds, schedule(5, pace=BUSY).seconds) == (0.6, 0.2)
    assert pace([replace(quiet, stolen=None)], 1.0) == QUICK, "several threads, a device: it is not known"
    caution = findings([robbed] * 9, TimingSettings(), TWO_CORES).cautions[0].text
    assert caution.startswith("the thread had the processor for 70% of the time")


def test_unknown_surroundings_are_no_warning():
    result = timed(
        FakeLaboratory(prepared=replace(PREPARED, fixed_s=None), stolen=None, others=None, pages=None, copy_bytes=None)
    )
    assert result.reliable
    assert (result.pages, result.fixed_s, result.copy_bytes) == (None, None, None)
    assert timed(FakeLaboratory(pages=PerOperator(10, 0, 0))).pages == PerOperator(10, 0, 0)


def test_the_regime_is_told():
    machine = replace(MACHINE, device_name="Some GPU", notes=("cudnn.benchmark off",))
    result = timed(FakeLaboratory(machine=machine), spec=ConvSpec(64, 32, h=32, w=32, batch=3))
    regime = result.regime
    assert (regime.torch, regime.device_name, regime.cores, regime.batch) == ("2.99.0", "Some GPU", 4, 3)
    assert regime.backends == ("Mkldnn", "Mkldnn", "Slow2d")
    assert regime.notes == ("cudnn.benchmark off",)


def test_a_call_that_costs_more_than_all_of_itself_was_not_measured():
    """Depthwise takes 60 µs: a call of 65 is within the noise of the two, one of 70 is not."""
    noise, nonsense = (replace(PREPARED, fixed_s=PerOperator(1e-6, cost, 1e-6)) for cost in (65e-6, 70e-6))
    assert timed(FakeLaboratory(prepared=noise)).fixed_s is not None
    assert timed(FakeLaboratory(prepared=nonsense)).fixed_s is None


def test_building_is_in_no_budget():
    """Forty processes fit into twelve seconds of 0.3 each; that each is built for 1 s changes nothing.

    Where it is 3 s, 17 of them make more than four times the budget.
    """
    quick = timed(FakeLaboratory(spread=0.5), budget_s=12.1)

    def building(built_s):
        prepared = replace(PREPARED, built_s=built_s)
        return timed(FakeLaboratory(spread=0.5, job_s=0.3 + built_s, prepared=prepared, built_s=built_s), budget_s=12.1)

    slow = building(1.0)
    assert (quick.processes, slow.processes, building(3.0).processes) == (40, 40, 17)
    assert slow.runtime.built_s == 1.0

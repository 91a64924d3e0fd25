"""Timing many layers: the split of the budget, the order, and the command."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pytest
from fakes import FakeLaboratory, timing

from dsconv_cli.cli.progress import clock_text, layers_text
from dsconv_cli.cli.streams import Streams
from dsconv_cli.cli.sweep_outlets import doubts
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.counting.profilers import Counted
from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.cost import Counts
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.rows import json_line
from dsconv_cli.sweep.pacing import shuffled, time_layers
from dsconv_cli.sweep.results import comparison_of
from dsconv_cli.timing.result import Times
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timers import Timers

LAYERS = [closed_forms(ConvSpec(k, 8)) for k in range(1, 21)]


class FakeTimer:
    """Takes as long as it is told, up to its budget."""

    def __init__(self, *, wants_s):
        self.wants_s, self.now, self.budgets, self.shares, self.visited = wants_s, 0.0, [], [], []

    def limit(self, budget_s, share):
        self.budgets.append(budget_s)
        self.shares.append(share)

    def time(self, spec, progress=None):
        self.visited.append(closed_forms(spec))
        self.now += min(self.wants_s, self.budgets[-1])
        return Times({"torch": timing()}, {})


def timed(timer, layers=LAYERS, total=100.0):
    left = []

    def watch(_, seconds):
        left.append(seconds)
        return lambda _: None

    rows = list(time_layers(layers, lambda layer: layer, timer, total, watch=watch, clock=lambda: timer.now))
    return rows, left


def test_a_budget_is_split_evenly():
    timer = FakeTimer(wants_s=1000)
    _, left = timed(timer)
    assert timer.budgets == pytest.approx([5.0] * 20)
    assert timer.now == pytest.approx(100)
    assert left == pytest.approx(range(100, 0, -5))


def test_what_a_layer_leaves_goes_to_the_others():
    timer = FakeTimer(wants_s=1)
    timed(timer)
    assert timer.now == 20
    assert timer.budgets == sorted(timer.budgets)
    assert timer.budgets[-1] == 81


def test_a_late_run_still_gives_each_layer_something():
    timer = FakeTimer(wants_s=1)
    timer.time = lambda spec, progress: (setattr(timer, "now", 1e9), Times({"torch": timing()}, {}))[1]
    timed(timer)
    assert timer.budgets[1:] == [2.5] * 19


def test_the_order_is_stable_and_follows_no_axis():
    order = shuffled(1000)
    assert order == shuffled(1000)
    assert sorted(order) == list(range(1000))
    mean = sum(order) / 1000
    drift = sum((place - mean) * (number - mean) for number, place in enumerate(order))
    assert abs(drift / sum((place - mean) ** 2 for place in order)) < 0.1


def test_rows_know_their_place():
    timer = FakeTimer(wants_s=1)
    rows, _ = timed(timer)
    assert timer.visited == [LAYERS[place] for place in shuffled(20)]
    assert [one.spec for _, one in sorted(rows, key=lambda row: row[0])] == [layer.spec for layer in LAYERS]


def test_a_layer_that_cannot_be_timed_is_named():
    laboratory = FakeLaboratory(job_s=1000)
    timer = Timers(TimingSettings(budget_s=1), ["torch"], laboratory=laboratory, clock=laboratory.clock)
    with pytest.raises(CannotMeasureError, match=r"^k=1 c=8 r=3 s=3 h=56 w=56: one measurement .* did not end"):
        list(
            time_layers(
                LAYERS[:1], lambda layer: layer, timer, 10, watch=lambda *_: lambda _: None, clock=laboratory.clock
            )
        )


def test_a_row_with_a_time_comes_back_as_it_was():
    closed = closed_forms(ConvSpec(64, 32, h=32, w=32))
    counts = Counts({"ordinary": 5, "separable": 4})
    measured = Counted("thop", counts, counts, exact=True, counters=("thop 0.1.1",))
    first = KEYS.document(Comparison(closed.spec, closed.cost, measured, timing(warnings=("a", "b"))))
    first["environment"]["cpu"] = "another machine"
    back = comparison_of(json.loads(json.dumps(first)))
    assert json.loads(json_line(tuple(KEYS))(back)) == first
    assert back.time.speedup == timing().speedup
    assert back.time.warnings == ("a", "b")


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "left", "expected"),
    [
        (0, 10, 0, None, "0 of 10 layers  0%"),
        (0, 10, 1, 75, "0 of 10 layers  0%  1:15 left"),
        (250, 1000, 2, None, "250 of 1,000 layers  25%  125/s  0:06 left"),
        (3, 10, 12, 20, "3 of 10 layers  30%  0.25/s  0:20 left"),
        (1, 100000, 1, None, "1 of 100,000 layers  0%  1/s  27:46:39 left"),
    ],
)
def test_progress_tells_rate_and_time_left(done, total, elapsed, left, expected):
    assert layers_text(done, total, elapsed, left) == expected


def test_timings_that_are_in_doubt_are_counted(capsys):
    outlet = doubts(Streams())
    closed = LAYERS[0]
    for reliable, warnings in ((True, ("c",)), (False, ("a", "b")), (False, ("b",))):
        outlet.add(Comparison(closed.spec, closed.cost, time=timing(reliable=reliable, warnings=warnings)))
    outlet.finish()
    assert capsys.readouterr().err == "warning: 2 of 3 timings are not reliable (time.reliable), most often: b\n"


def test_clock_text():
    assert [clock_text(seconds) for seconds in (0, 59.6, 61, 3600, -5)] == ["0:00", "1:00", "1:01", "1:00:00", "0:00"]


def test_the_command_times_resumes_and_draws(dsconv, tmp_path):
    path, picture = tmp_path / "rows.jsonl", tmp_path / "a.svg"
    common = (
        "sweep",
        "--c",
        "8",
        "--h",
        "8",
        "--zip",
        "w=h",
        "--time",
        "--budget",
        "8",
        "--profiler",
        "none",
        "--resume",
    )
    first = dsconv(*common, "--k", "8,16", "--output", str(path), "--jobs", "2")
    assert first.returncode == 0, first.stderr
    assert "note: timing 2 layers takes at most 0:08, split over them" in first.stderr
    assert "--jobs is for counting alone" in first.stderr
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(row["spec"]["k"] for row in rows) == [8, 16]
    assert sum(row["time"]["seconds"] for row in rows) < 10
    again = dsconv(
        *common, "--k", "8,16", "--output", str(path), "--plot", str(picture), "--format", "csv",
        "--fail-over", "time.speedup=0.0001",
    )  # fmt: skip
    assert again.returncode == 1
    assert "2 rows were there, 0 were added" in again.stderr
    speedups = [float(row["time.speedup.value"]) for row in csv.DictReader(io.StringIO(again.stdout))]
    assert sorted(speedups) == sorted(row["time"]["speedup"]["value"] for row in rows)
    words = " ".join(ET.parse(picture).getroot().itertext())
    assert "ratio of time, ordinary ÷ separable" in words
    assert "Bars: 95% confidence intervals." in words
    refused = dsconv(*common, "--k", "8,16", "--output", str(path), "--threads", "2")
    assert refused.returncode == 2
    assert "was made with --threads 1, this run has 2" in refused.stderr

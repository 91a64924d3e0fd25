"""`--time`: which shapes are timed how often, how the budget is divided, and one run from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import fakes
import pytest
import torch
from conftest import run_dsconv
from torch import nn

from dsconv_cli import CannotMeasureError, Selection, analyse
from dsconv_cli.model.result import InputShape, Recipe
from dsconv_cli.model.timing import NETWORK_SHARES, ExportNetwork, MeasureNetwork, time_network
from dsconv_cli.report.network import Levels, page
from dsconv_cli.report.page import View
from dsconv_cli.report.table import render
from dsconv_cli.timing.jobs import MeasureGraphs, MeasureLayer
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timer import Timer
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.sampling import Schedule

ODD = str(Path(__file__).parent / "networks" / "odd.py")
SHAPE = (1, 8, 16, 16)


def FakeLaboratory(**more):  # noqa: N802
    """Every layer is 3 times as fast when separable, the network 2 times."""
    return fakes.FakeLaboratory(ratio=3.0, ratios={MeasureNetwork: 2.0, MeasureGraphs: 2.0}, spread=0.0, **more)


DOES_NOT_FIT = CannotMeasureError("it does not fit")


def _show(_):
    return lambda progress: None


def _network():
    convs = [nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 8, 1)]
    return nn.Sequential(*convs)


def _timed(laboratory, budget_s=60, **selection):
    recipe = Recipe("package:network", {"width": 8}, (InputShape(None, SHAPE, ""),))
    with Timer(TimingSettings(budget_s=budget_s), laboratory=laboratory) as timer:
        return time_network(timer, (), analyse(_network(), SHAPE, Selection(**selection)), recipe, _show)


def test_each_shape_is_timed_once():
    laboratory = FakeLaboratory()
    result = _timed(laboratory)
    specs = {job.spec for job in laboratory.jobs if isinstance(job, MeasureLayer)}
    assert len(specs) == 2
    assert [layer.time is not None for layer in result.layers] == [True, True, True, False]
    assert result.layers[0].time is result.layers[1].time
    assert laboratory.closed


def test_what_was_kept_is_timed_too_but_not_replaced_in_the_network():
    laboratory = FakeLaboratory()
    result = _timed(laboratory, keep=("2",))
    assert result.layers[2].time is not None
    job = next(job for job in laboratory.jobs if isinstance(job, MeasureNetwork))
    assert [name for name, _ in job.replaced] == ["0", "1"]
    assert job.recipe == Recipe("package:network", {"width": 8}, (InputShape(None, SHAPE, ""),))


def test_the_network_before_and_after():
    time = _timed(FakeLaboratory()).time
    assert time.speedup.value == pytest.approx(2, rel=2e-2)
    assert time.speedup.low < 2 < time.speedup.high
    assert time.fastest.speedup.value == pytest.approx(2, rel=2e-2)
    assert (time.verdict, time.reliable) == ("faster", True)
    assert time.ordinary_s == pytest.approx(2 * time.separable_s, rel=2e-2)


def test_the_budget_is_divided():
    laboratory = FakeLaboratory()
    _timed(laboratory, budget_s=6)
    plans = {type(job): job.schedule.seconds for job in laboratory.jobs if hasattr(job, "schedule")}
    share = 6 / (2 + NETWORK_SHARES)
    assert plans[MeasureLayer] == pytest.approx(max(0.04, share / 60))
    assert plans[MeasureNetwork] == pytest.approx(NETWORK_SHARES * share / 60)


@pytest.mark.parametrize(
    ("fails", "note"),
    [
        (MeasureLayer, "2 of 2 shapes were not timed in 10 s each: it does not fit"),
        (MeasureNetwork, "the whole network was not timed in 40 s: it does not fit"),
    ],
)
def test_what_cannot_be_timed_is_said_and_the_rest_stands(fails, note):
    result = _timed(FakeLaboratory(fails={fails: DOES_NOT_FIT}))
    assert result.notes[-1] == note
    assert (result.time is None) == (fails is MeasureNetwork)
    assert (result.layers[0].time is None) == (fails is MeasureLayer)
    assert result.macs.after < result.macs.before


def test_nothing_replaced_nothing_compared():
    laboratory = FakeLaboratory()
    assert _timed(laboratory, keep=("*",)).time is None


def test_times_are_shown_and_in_the_document(valid):
    result = _timed(FakeLaboratory())
    lines = render(page(result), View()).splitlines()
    first = next(line for line in lines if line.startswith("0 "))
    assert "3.00×" in first
    largest = render(page(result, Levels(top=1)), View()).splitlines()
    assert "3.00×" in largest[next(number for number, line in enumerate(largest) if line.startswith("layer ")) + 2]
    assert any(line.split()[:2] == ["median", "time"] and "2.00×" in line for line in lines)
    assert lines[0].startswith("2.00× faster here (95%: ")
    assert result.get("totals.time.speedup") == result.time.speedup.value
    valid(result.to_dict())


def test_each_runtime_times_the_layers_and_some_the_network(valid, monkeypatch):
    """Layers on both. ncnn is given no networks; ONNX Runtime is given what torch writes, once."""
    monkeypatch.setattr("dsconv_cli.timing.runtimes.protocol.installed", lambda _: True)
    laboratory = FakeLaboratory()
    recipe = Recipe("package:network", {}, (InputShape(None, SHAPE, ""),))
    with Timer(TimingSettings(budget_s=120), laboratory=laboratory) as timer:
        result = time_network(timer, ("onnxruntime", "ncnn"), analyse(_network(), SHAPE), recipe, _show)
    assert [type(job) for job in laboratory.jobs].count(ExportNetwork) == 1
    assert list(result.times) == ["onnxruntime", "ncnn"]
    assert result.times["ncnn"] is None
    assert result.time is result.times["onnxruntime"]
    assert result.time.runtime.name == "onnxruntime"
    assert result.notes[-1] == "ncnn, the whole network is not timed: ncnn is given single layers here"
    assert [sorted(layer.times) for layer in result.eligible] == [["ncnn", "onnxruntime"]] * 3
    document = result.to_dict()
    valid(document)
    assert document["totals"]["runtimes"]["ncnn"] is None
    assert document["totals"]["runtimes"]["onnxruntime"] == document["totals"]["time"]
    assert document["layers"][0]["runtimes"]["ncnn"]["runtime"]["name"] == "ncnn"
    assert document["layers"][3]["runtimes"] == {"onnxruntime": None, "ncnn": None}
    assert result.get("totals.runtimes.onnxruntime.speedup") == pytest.approx(2, rel=2e-2)
    lines = render(page(result), View()).splitlines()
    heading = next(line for line in lines if line.startswith("layer "))
    assert "onnxruntime" in heading
    assert "ncnn" in heading
    assert lines[0].startswith("2.00× faster on ONNX Runtime here (95%: ")
    assert any(line.startswith("median time, ONNX Runtime") and "2.00×" in line for line in lines)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_network_on_a_runtime_gives_what_torch_gives(name):
    """What runs in the other processes, run here: torch writes both networks, the runtime runs them."""
    if RUNTIMES[name].absent() is not None:
        pytest.skip(RUNTIMES[name].absent())
    result = analyse(torch.nn.Sequential(nn.Conv2d(3, 8, 3, padding=1)), (1, 3, 8, 8))
    recipe = Recipe(f"{ODD}:small", {}, (InputShape(None, (1, 3, 8, 8), ""),))
    graphs = ExportNetwork(recipe, (("0", result.layers[0].spec),)).run()
    conditions = Conditions("cpu", 1, False, "float32", name)
    sample = MeasureGraphs(conditions, Schedule(seconds=0.005), graphs).run()
    assert set(sample.rounds.per_call) == {"ordinary", "separable"}
    wrong = {form: graph._replace(outputs=tuple(one + 1 for one in graph.outputs)) for form, graph in graphs.items()}
    with pytest.raises(CannotMeasureError, match=f"{RUNTIMES[name].title} computed the network wrong: it is off by 1"):
        MeasureGraphs(conditions, Schedule(seconds=0.005), wrong).run()


def test_end_to_end():
    result = run_dsconv(
        "model",
        f"{ODD}:small",
        "--arg",
        "width=32",
        "--input",
        "1,3,32,32",
        "--time",
        "--budget",
        "10",
        "--format",
        "json",
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    notes = " ".join(document["model"]["notes"])
    for layer in document["layers"]:
        # A machine that is busy with other things may not get there in time, and then says so.
        assert layer["time"]["ordinary"]["median_s"] > 0 if layer["time"] else "shapes were not timed in" in notes
    total = document["totals"]["time"]
    assert total["before"]["median_s"] > 0 if total else "the whole network was not timed in" in notes


def test_time_options_need_time():
    from dsconv_cli.cli import run

    assert run(["model", f"{ODD}:small", "--input", "1,3,8,8", "--budget", "3"]) == 2
    assert run(["model", f"{ODD}:small", "--input", "1,3,8,8", "--threads", "3"]) == 2


@pytest.mark.parametrize("command", ["compare 64 32", f"model {ODD}:small", "sweep --k 64 --c 32", "doctor"])
def test_a_budget_without_words_is_no_budget(command, capsys):
    from dsconv_cli.cli import run

    assert run([*command.split(), *([] if command == "doctor" else ["--time"]), "--budget", ""]) == 2
    assert capsys.readouterr().err.startswith("error: --budget must be a number of seconds above 0")


def test_the_measuring_side():
    """What runs in the other process, run here."""
    from dsconv_cli.model.workload import measure_network

    result = analyse(torch.nn.Sequential(nn.Conv2d(3, 8, 3, padding=1)), (1, 3, 8, 8))
    spec = result.layers[0].spec
    threads = torch.get_num_threads()
    job = MeasureNetwork(
        Conditions("cpu", 1, True, "float32"),
        Schedule(seconds=0.01),
        Recipe(f"{ODD}:small", {}, (InputShape(None, (1, 3, 8, 8), ""),)),
        (("0", spec),),
    )
    try:
        sample = measure_network(job)
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
    assert set(sample.rounds.per_call) == {"ordinary", "separable"}


def test_advice_is_about_the_whole_budget():
    """Two shapes and the network's four shares: a sixth of 60 s each. `test_timing.py` has what is advised."""
    result = _timed(FakeLaboratory(job_s=1e9))
    (note,) = [note for note in result.notes if "shapes were not timed" in note]
    words = "one measurement of this layer did not end within its share of the budget (10 s)"
    assert note.startswith(f"2 of 2 shapes were not timed in 10 s each: {words}")

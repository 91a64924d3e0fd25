"""CONTRIBUTING's recipes, followed: what is added by one entry appears wherever users look for it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT, clean_environment

METRIC = """
    import dsconv_cli.layer.metrics as home
    entry = home.Metric("outputs", "output values", "outputs", "outputs", "values", "Values written.",
                        lambda one, _: one.batch * one.out_channels * one.output_size[0] * one.output_size[1], combine=max)
    home.METRICS = {**home.METRICS, entry.name: entry}
"""
FORM = """
    import dsconv_cli.layer.forms as home
    def reduced(spec):
        depthwise, pointwise = home.separable(spec)
        thin = pointwise._replace(role="reduce", out_channels=4)
        return (thin._replace(in_channels=spec.c, input_size=(spec.h, spec.w), output_size=(spec.h, spec.w)),
                home.ordinary(spec)[0]._replace(role="widen", in_channels=4))
    home.FORMS = {**home.FORMS, "reduced": home.Form("reduced", ("reduce", "widen"), reduced)}
"""
PROFILER = """
    import dsconv_cli.counting.profilers as home
    from dsconv_cli.layer.cost import cost
    def by_hand(spec, form):
        closed = cost(spec)
        return home.FormCount(closed.params[form], closed.macs[form], spec.output_shape)
    home.PROFILERS = {**home.PROFILERS, "hand": home.Profiler(by_hand, 0.0, lambda: "a pencil 1.0")}
"""
FORMAT = """
    import dsconv_cli.report.formats as home
    home.FORMATS = (*home.FORMATS, home.Format("shout", "document", lambda document, view: "MACS!\\n", (".shout",),
                                               on_stdout=True))
"""


@pytest.fixture
def dsconv_with(tmp_path):
    """The command line with an entry added before anything reads the table."""

    def run(recipe: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        program = "\n".join(line[4:] for line in recipe.splitlines())
        program += "\nimport sys\nfrom dsconv_cli.cli.main import run\nsys.exit(run())\n"
        path = tmp_path / "dsconv"
        path.write_text(program, encoding="utf-8")
        return subprocess.run(
            [sys.executable, str(path), *arguments], capture_output=True, encoding="utf-8", cwd=tmp_path,
            env=clean_environment(PYTHONPATH=str(ROOT), **env), timeout=120, check=False,
        )  # fmt: skip

    return run


#: Eager torch by another name.
RUNTIME = """
    import dsconv_cli.timing.runtimes as home
    from dsconv_cli.timing.runtimes.protocol import Runtime
    entry = Runtime("mine", "My Runtime", ("torch",), "torch", ("float32",), home.TORCH.build)
    home.RUNTIMES = {**home.RUNTIMES, entry.name: entry}
"""
#: One that is there, and dies when it is to build something.
CRASH = """
    import os, signal
    import dsconv_cli.timing.runtimes as home
    from dsconv_cli.timing.runtimes.protocol import Runtime
    entry = Runtime("crash", "Crash", ("torch",), "torch", ("float32",), lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    home.RUNTIMES = {**home.RUNTIMES, entry.name: entry}
"""
#: Every call takes a millisecond.
CLOCK = """
    import dsconv_cli.timing.worker.devices as home
    from dsconv_cli.timing.worker.sampling import Reading
    def sundial(torch, work, calls):
        work()
        return Reading(calls * 1e-3, calls * 1e-3)
    home.DEVICES = {**home.DEVICES, "cpu": home.DEVICES["cpu"]._replace(stopwatch=sundial, clock="sundial")}
"""

CLOSED = ("compare", "--k", "64", "--c", "32", "--profiler", "none")


@pytest.fixture
def dsconv_everywhere(tmp_path):
    """The command line, and the processes that measure, with an entry added before anything reads the table."""

    def run(recipe: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = "\n".join(line[4:] for line in recipe.splitlines())
        (tmp_path / "sitecustomize.py").write_text(program, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "dsconv_cli", *arguments], capture_output=True, encoding="utf-8", cwd=ROOT,
            env=clean_environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"), timeout=120, check=False,
        )  # fmt: skip

    return run


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_metric(dsconv_with):
    """Outputs of the largest operator: 64·56·56 for the ordinary form, 32·56·56 and 64·56·56 for the halves."""
    figures = document(dsconv_with(METRIC, *CLOSED, "--format", "json"))["outputs"]
    assert figures == {
        "ordinary": 200704, "depthwise": 100352, "pointwise": 200704, "separable": 200704, "ratio": 1.0,
    }  # fmt: skip
    assert dsconv_with(METRIC, *CLOSED, "--get", "outputs.ratio").stdout == "1.0\n"
    (row,) = csv.DictReader(io.StringIO(dsconv_with(METRIC, *CLOSED, "--format", "csv").stdout))
    assert row["outputs.depthwise"] == "100352"
    assert re.search(
        r"output values +200,704 +200,704 +100,352 +200,704 +1(\.00)?×", dsconv_with(METRIC, *CLOSED).stdout
    )
    assert dsconv_with(METRIC, *CLOSED, "--fail-over", "outputs.depthwise=100351").returncode == 1
    shell = {"_DSCONV_COMPLETE": "complete_bash", "COMP_WORDS": "dsconv compare --get outp", "COMP_CWORD": "3"}
    assert "outputs.separable" in dsconv_with(METRIC, **shell).stdout.split()
    rows = dsconv_with(
        METRIC, "sweep", "--k", "8,64", "--c", "32", "--profiler", "none", "--where", "outputs.ratio < 1"
    )
    assert rows.returncode == 0
    assert "outputs" in rows.stdout


@pytest.fixture
def valid_with(dsconv_with):
    """Whether the schema that an entry makes allows a document."""

    def check(recipe, found):
        recipe += (
            "    import json, sys\n    from dsconv_cli.report.schema import schema\n"
            "    print(json.dumps(schema()))\n    sys.exit()\n"
        )
        jsonschema.Draft202012Validator(json.loads(dsconv_with(recipe).stdout)).validate(found)

    return check


def test_a_metric_is_in_the_schema(dsconv_with, valid_with):
    found = document(dsconv_with(METRIC, *CLOSED, "--format", "json"))
    valid_with(METRIC, found)
    del found["outputs"]
    with pytest.raises(jsonschema.ValidationError):
        valid_with(METRIC, found)


def test_a_form(dsconv_with):
    """1×1 to 4 channels, then 3×3 to 64: 32·4 + 4·64·9 = 2,432 weights, built and counted by thop and torch too."""
    found = document(dsconv_with(FORM, "compare", "--k", "64", "--c", "32", "--profiler", "both", "--format", "json"))
    assert found["params"]["reduce"] == 128
    assert found["params"]["widen"] == 2304
    assert found["params"]["reduced"] == found["measured"]["params"]["reduced"] == 2432
    assert found["measured"]["macs"]["reduced_ratio"] == 18432 / 2432
    table = dsconv_with(FORM, *CLOSED).stdout
    for words in ("reduced", "reduce", "widen", "reduced ratio", "7.58×"):
        assert words in table
    assert dsconv_with(FORM, *CLOSED, "--get", "macs.reduced_ratio").stdout == f"{18432 / 2432!r}\n"


def test_a_profiler(dsconv_with):
    found = document(
        dsconv_with(PROFILER, "compare", "--k", "64", "--c", "32", "--profiler", "hand", "--format", "json")
    )
    assert found["measured"]["profiler"] == "hand"
    assert found["environment"]["versions"]["profiler"] == "a pencil 1.0"
    assert "thop|torch|hand|both|none" in dsconv_with(PROFILER, "compare", "--help").stdout
    refused = dsconv_with(PROFILER, *CLOSED[:-1], "nobody")
    assert refused.returncode == 2
    assert "hand" in refused.stderr


def test_a_format(dsconv_with, tmp_path):
    assert dsconv_with(FORMAT, *CLOSED, "--format", "shout").stdout == "MACS!\n"
    assert dsconv_with(FORMAT, *CLOSED, "--output", "a.shout", "--quiet").returncode == 0
    assert (tmp_path / "a.shout").read_text() == "MACS!\n"
    assert "shout" in dsconv_with(FORMAT, "model", "--help").stdout


TIMED = ("compare", "--k", "8", "--c", "8", "--h", "9", "--w", "9", "--profiler", "none", "--budget", "20")


def test_a_runtime(dsconv_everywhere, valid_with):
    quick = ("--precision", "0.9", "--runtime", "mine,torch", "--format", "json")
    found = document(dsconv_everywhere(RUNTIME, *TIMED, *quick))
    assert list(found["runtimes"]) == ["mine", "torch"]
    assert found["time"]["runtime"]["name"] == "mine"
    assert found["runtimes"]["mine"]["ordinary"]["backend"] == found["runtimes"]["torch"]["ordinary"]["backend"]
    assert "|ncnn|mine|all" in dsconv_everywhere(RUNTIME, "compare", "--help").stdout.replace(" ", "")
    asked = dsconv_everywhere(RUNTIME, *CLOSED, "--time", "--get", "runtimes.mine.speedup")
    assert "it needs --runtime mine" in asked.stderr
    valid_with(RUNTIME, found)


def test_a_runtime_that_crashes_costs_one_line_and_its_own_row(dsconv_everywhere):
    arguments = (*TIMED, "--precision", "0.9", "--runtime", "crash,torch", "--format", "json")
    done = dsconv_everywhere(CRASH, *arguments)
    assert done.returncode == 3
    assert done.stderr == "error: crash: the measuring process ended without an answer (signal 11)\n"
    found = json.loads(done.stdout)
    assert found["runtimes"]["crash"] is None
    assert found["runtimes"]["torch"]["ordinary"]["median_s"] > 0


def test_a_clock(dsconv_everywhere):
    """Each call takes a millisecond by it, so that neither form is faster."""
    found = document(dsconv_everywhere(CLOCK, *TIMED, "--time", "--format", "json"))["time"]
    assert found["regime"]["clock"] == "sundial"
    assert (found["ordinary"]["median_s"], found["separable"]["median_s"]) == (0.001, 0.001)
    assert found["speedup"]["value"] == 1
    assert found["verdict"] == "no detectable difference"


def test_every_recipe_is_written_down():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for place in (
        "layer/metrics.py",
        "layer/forms.py",
        "counting/profilers.py",
        "report/formats.py",
        "layer/fields.py",
        "timing/runtimes",
        "timing/worker/devices.py",
    ):
        assert place in text, place
        assert (Path(ROOT) / "dsconv_cli" / place).exists()

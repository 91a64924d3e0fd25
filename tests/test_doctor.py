"""What the doctor says about machines that do not exist."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace

import pytest
from fakes import MACHINE, FakeLaboratory

from dsconv_cli.report.doctor import report
from dsconv_cli.report.formats import formats_of
from dsconv_cli.report.page import View
from dsconv_cli.timing import doctor
from dsconv_cli.timing.doctor import Surveyed, examine
from dsconv_cli.timing.doctor_keys import KEYS
from dsconv_cli.timing.runtimes import RUNTIMES, protocol
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timer import Timer

QUIET = Surveyed(
    thop="thop 0.1.1", platform="Linux 6 x86_64", cpu="A CPU", cores=4, load=0.1, governor=None, virtual=False, forks=True
)  # fmt: skip


def examined(monkeypatch, survey=QUIET, settings=None, **laboratory):
    monkeypatch.setattr(doctor, "survey", lambda: survey)
    monkeypatch.setattr("os.cpu_count", lambda: survey.cores)
    one = FakeLaboratory(**laboratory)
    with Timer(settings, laboratory=one, clock=one.clock) as timer:
        return examine(timer)


def render(name, found, view):
    return formats_of("doctor")[name].content(report(found), view)


def test_a_quiet_machine_is_trusted(monkeypatch):
    found = examined(monkeypatch)
    assert found.trusted
    assert found.advice == ()
    assert found.noise.speedup.low < 1 < found.noise.speedup.high
    gain = found.noise.speedup
    assert f"can be trusted: differences above {max(gain.high - 1, 1 - gain.low):.1%} are detectable" in found.verdict


def test_every_runtime_has_its_line(monkeypatch):
    """Of those that are there, what a call costs and what a layer reads against itself; of the others, how to get them."""
    monkeypatch.setattr(protocol, "installed", lambda package: package in ("torch", "openvino"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = examined(monkeypatch)
    lines = {one.name: one for one in found.runtimes}
    assert list(lines) == list(RUNTIMES)
    assert (lines["torch"].call_s, lines["openvino"].call_s) == (3e-6, 3e-6)
    assert lines["openvino"].noise.speedup.low < 1 < lines["openvino"].noise.speedup.high
    assert lines["ncnn"].version is None
    text = render("table", found, View())
    assert "no ncnn: pip install 'dsconv-cli[ncnn]'" in text
    assert "OpenVINO 2.99.0: call overhead 3.00 µs, noise 1.0" in text
    assert "torch.compile needs a C++ compiler" in text
    document = KEYS.document(found)["runtimes"]
    assert document["ncnn"]["noise"] is None
    assert document["openvino"]["noise"]["ratio"]["low"] < 1
    assert document["torch"]["version"] == "2.99.0"


def test_runtimes_are_measured_where_they_are_shown(monkeypatch):
    monkeypatch.setattr(protocol, "installed", lambda _: True)
    laboratory = FakeLaboratory()
    with Timer(laboratory=laboratory, clock=laboratory.clock) as timer:
        found = examine(timer, runtimes=["litert"])
    assert KEYS.read(found, "runtimes.litert.call_s") == 3e-6
    assert {job.conditions.runtime for job in laboratory.jobs if hasattr(job, "schedule")} == {"torch", "litert"}


def test_a_noisy_machine_is_not(monkeypatch):
    found = examined(monkeypatch, spread=0.5)
    assert not found.trusted
    assert "a longer --budget than 15 s" in " ".join(found.advice)


def test_what_should_read_one_and_does_not_is_not_trusted(monkeypatch):
    """An interval that misses 1 by a hair happens once in twenty runs; one that misses it by 8 % is a fault."""
    found = examined(monkeypatch)
    by_a_hair, far_off = (
        found.noise._replace(speedup=replace(found.noise.speedup, value=value, low=value - 0.01, high=value + 0.01))
        for value in (1.02, 1.09)
    )
    assert replace(found, noise=by_a_hair).trusted
    assert not replace(found, noise=far_off).trusted


@pytest.mark.parametrize(
    ("survey", "settings", "laboratory", "words"),
    [
        (
            {"load": 3.8},
            {},
            {"spread": 0.5},
            "stop other programs, or wait until they are done (the load is 3.8 on 4 cores)",
        ),
        ({}, {}, {"others": 3.9}, "stop other programs"),
        ({}, {"threads": 8}, {}, "--threads 4 or fewer"),
        ({}, {"threads": 2}, {"spread": 0.5}, "--threads 1"),
        ({"governor": "powersave"}, {}, {}, "governor is 'powersave'"),
        ({"forks": False}, {}, {}, "loads torch anew"),
        ({"virtual": True}, {}, {"spread": 0.5}, "virtual machine"),
        ({"thop": "ultralytics-thop 2.0"}, {}, {}, "the package thop comes from ultralytics-thop 2.0"),
    ],
)
def test_advice(monkeypatch, survey, settings, laboratory, words):
    found = examined(monkeypatch, replace(QUIET, **survey), TimingSettings(**settings), **laboratory)
    assert [line for line in found.advice if words in line], found.advice


@pytest.mark.parametrize("survey", [{}, {"governor": "performance"}, {"virtual": True}, {"load": None}])
def test_no_advice_without_a_reason(monkeypatch, survey):
    assert examined(monkeypatch, replace(QUIET, **survey)).advice == ()


def test_one_screen(monkeypatch):
    found = examined(monkeypatch, replace(QUIET, virtual=True), spread=0.5)
    text = render("table", found, View())
    assert len(text.splitlines()) <= 24 + len(RUNTIMES)
    assert max(map(len, text.splitlines())) <= 80
    for word in ("thop 0.1.1", "torch 2.99.0", "A CPU", "no cuda", "a layer against itself", "cannot be trusted"):
        assert word in text
    assert max(len(line) for line in render("table", found, View(width=40)).splitlines()) <= 40
    render("table", found, View(unicode=False)).encode("ascii")


def test_json_is_as_the_schema_says(monkeypatch, valid):
    found = examined(monkeypatch, machine=replace(MACHINE, notes=("cudnn.benchmark off",)))
    parsed = json.loads(render("json", found, View()))
    valid(parsed)
    assert parsed == json.loads(render("jsonl", found, View())) == KEYS.document(found)
    assert (parsed["command"], parsed["trusted"], parsed["notes"]) == ("doctor", True, ["cudnn.benchmark off"])


def test_csv_has_the_same_keys(monkeypatch):
    """On a machine that has every runtime: none is without figures, and no column is left out."""
    monkeypatch.setattr(protocol, "installed", lambda _: True)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    header, row = csv.reader(io.StringIO(render("csv", examined(monkeypatch), View())))
    assert header == list(KEYS)
    assert row[header.index("cores.available")] == "4"
    assert row[header.index("trusted")] == "true"


def test_markdown_is_a_table(monkeypatch):
    lines = render("markdown", examined(monkeypatch), View()).splitlines()
    assert lines[0].startswith("**Timings can be trusted: ")
    table = lines.index("| :--- | :--- |")
    assert all(line.startswith("|") for line in lines[table - 1 :])


def test_the_survey_of_this_machine():
    seen = doctor.survey()
    assert seen.cores >= 1
    assert seen.thop

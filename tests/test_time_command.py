"""`--time` and `doctor` as a user runs them, really measuring: structure is asserted, not speed."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from conftest import SCRIPT, clean_environment
from interrupting import running

LAYER = ("compare", "--k", "16", "--c", "16", "--h", "16", "--w", "16", "--profiler", "none", "--time")

proc_only = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One real run that writes everything it can, the table on stdout."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("timed")
    names = ["t.json", "t.csv", "t.md", "t.svg", "roofline.svg", "roofline.png", "other.txt"]
    outputs = [option for name in names for option in ("--output", str(folder / name))]
    command = [str(SCRIPT), *LAYER, "--budget", "10", "--details", *outputs, "--fail-under", "time.speedup=1000000"]
    result = subprocess.run(
        command, capture_output=True, encoding="utf-8", env=clean_environment(), timeout=120, check=False
    )
    return result, folder


def test_the_document(measured, valid):
    _, folder = measured
    document = json.loads((folder / "t.json").read_text(encoding="utf-8"))
    valid(document)
    timing = document["time"]
    gain = timing["speedup"]
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    assert gain["level"] == 0.95
    assert (timing["device"], timing["threads"], timing["dtype"]) == ("cpu", 1, "float32")
    assert timing["layout"] == "channels first"
    assert timing["samples"]["processes"] >= 3
    assert timing["samples"]["pairs"] >= timing["samples"]["processes"]
    assert timing["reliable"] == (not timing["warnings"])
    assert timing["seconds"] <= 10 + 2
    assert document["environment"]["versions"]["torch"] == timing["regime"]["torch"]
    rate = 2 * document["macs"]["depthwise"] / timing["depthwise"]["median_s"]
    assert timing["depthwise"]["flops_per_s"] == pytest.approx(rate)
    assert 0 < timing["depthwise_share"]["time"] < 1
    assert timing["explanation"]


def test_the_table(measured):
    result, _ = measured
    for words in ("median time", "GFLOP/s", "share of time", "(95%: ", "Measured on cpu, 1 thread", "large copy"):
        assert words in result.stdout
    assert not [line for line in result.stdout.splitlines() if len(line) > 80]


def test_a_gate_is_judged_by_the_bound(measured):
    result, folder = measured
    document = json.loads((folder / "t.json").read_text(encoding="utf-8"))
    assert result.returncode == 1
    low = document["time"]["speedup"]["low"]
    told = re.search(r"gate failed: time\.speedup\.value \(its lower bound\) is ([\d.]+), under 1000000", result.stderr)
    assert float(told[1]) == pytest.approx(low, rel=5e-3), "three figures of it"


def test_other_formats(measured):
    _, folder = measured
    with (folder / "t.csv").open(encoding="utf-8") as file:
        header, row = csv.reader(file)
    assert row[header.index("time.threads")] == "1"
    assert "| median time |" in (folder / "t.md").read_text(encoding="utf-8")
    assert "median" in (folder / "t.svg").read_text(encoding="utf-8")


def test_the_pictures(measured):
    _, folder = measured
    picture = (folder / "roofline.svg").read_text(encoding="utf-8")
    assert ET.fromstring(picture).tag.endswith("svg")
    for words in ("depthwise", "pointwise", "ordinary", "FLOPs per byte of traffic", "large copy"):
        assert words in picture
    assert (folder / "roofline.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--device", "tpu"], 2, "device must be cpu, cuda, cuda:INDEX or mps, not 'tpu'"),
        (["--threads", "0"], 2, "--threads must be a positive integer, not '0'"),
        (["--budget", "nan"], 2, "--budget must be a number of seconds above 0, at most 10,000,000"),
        (["--budget", "-1"], 2, "--budget must be a number of seconds above 0"),
        (["--precision", "5"], 2, "--precision must be a fraction between 0 and 1, such as 0.05, not '5'"),
        (["--batch", "99999999999"], 3, "bytes of memory and"),
    ],
)
def test_errors_are_one_line(dsconv, options, code, words):
    result = dsconv(*LAYER, *options)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "option", [["--threads", "2"], ["--device", "cuda"], ["--channels-last"], ["--budget", "3"], ["--precision", "0.1"]]
)
def test_options_of_time_without_time(dsconv, option):
    result = dsconv("compare", "--k", "16", "--c", "16", "--profiler", "none", *option)
    assert result.returncode == 2
    assert f"{option[0]} is about measured time: add --time" in result.stderr


def test_an_absent_device_is_one_error(dsconv):
    torch = pytest.importorskip("torch")
    if torch.backends.mps.is_available():
        pytest.skip("there is one here")
    result = dsconv(*LAYER, "--device", "mps")
    assert result.returncode == 2
    assert re.fullmatch(r"error: no device mps here: torch \S+ finds no Metal \(MPS\) device; .*\n", result.stderr)


def test_a_roofline_needs_time(dsconv, tmp_path):
    for wanted in (tmp_path / "roofline.svg", tmp_path / "x.png", f"roofline:{tmp_path / 'y.svg'}"):
        result = dsconv("compare", "--k", "16", "--c", "16", "--profiler", "none", "--output", str(wanted))
        assert result.returncode == 2
        assert "a roofline picture" in result.stderr
        assert "needs --time" in result.stderr
    assert not list(tmp_path.iterdir())


def test_one_bare_value_of_the_doctor(dsconv):
    result = dsconv("doctor", "--budget", "4", "--get", "noise.ratio")
    assert (result.returncode, result.stderr) == (0, "")
    assert float(result.stdout) > 0
    wrong = dsconv("doctor", "--get", "noise.ration")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: unknown key 'noise.ration'; did you mean noise.ratio")


def test_doctor(dsconv, tmp_path, valid):
    # Few runtimes have that dtype, and each takes its time.
    result = dsconv("doctor", "--budget", "4", "--dtype", "float64", "--output", str(tmp_path / "d.json"))
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) <= 42
    for words in ("versions", "thop 0.1.1", "cores", "threads", "devices", "peaks", "noise floor", "Timings can"):
        assert words in result.stdout
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    valid(document)
    assert "cpu" in document["devices"]


def started(marker, *more):
    process = subprocess.Popen(
        [str(SCRIPT), *LAYER, "--budget", "60", "--h", "112", "--w", "112", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=clean_environment(DSCONV_TEST_MARKER=marker),
    )
    # The command itself, the process that loads torch, and a forked one that measures.
    wait_for(lambda: len(running(marker)) >= 3)
    return process


def wait_for(condition, limit_s=40.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@proc_only
def test_ctrl_c_leaves_no_child():
    marker = uuid4().hex
    process = started(marker)
    process.send_signal(signal.SIGINT)
    try:
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert (out, errors) == ("", "error: interrupted\n")
    wait_for(lambda: not running(marker), limit_s=1)


@proc_only
def test_a_command_that_is_killed_leaves_no_child():
    marker = uuid4().hex
    process = started(marker)
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not running(marker), limit_s=10)


@proc_only
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_progress_is_shown_on_a_terminal_only():
    from terminals import Terminal

    terminal = Terminal(*LAYER, "--budget", "20", "--get", "time.verdict", stdout=subprocess.PIPE)
    terminal.until("processes, ")
    assert re.search(r"timing: \d+ processes, \d+ of at most 20 s", terminal.screen.text)
    assert terminal.rest() == 0
    with terminal.process.stdout as out:
        said = out.read().decode()
    assert said.strip() in {"faster", "slower", "no detectable difference"}
    assert not terminal.screen.text, "the line is erased"

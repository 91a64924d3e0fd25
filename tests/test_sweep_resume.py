"""Runs that are killed, and the runs that go on from there."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import SCRIPT, clean_environment
from fakes import timing

from dsconv_cli.cli import run, sweep_wishes
from dsconv_cli.cli.streams import Streams
from dsconv_cli.cli.sweep_run import _with_failures
from dsconv_cli.comparison.keys import KEYS, keys_of
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.counting.profilers import Counted
from dsconv_cli.environment import machine
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import replacing
from dsconv_cli.layer.cost import Counts
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.rows import json_line
from dsconv_cli.sweep.results import ResultsFile, comparison_of
from dsconv_cli.timing.result import Times

LINE = json_line(tuple(KEYS))
SETTINGS = {"--profiler": "none", "--time": "off"}
SPECS = [ConvSpec(k, 4) for k in (8, 16, 32, 16)]
ROWS = list(map(closed_forms, SPECS))
TIMING = timing(warnings=("a", "b"))


def grid(path, *more):
    arguments = ("--k", "1:60", "--c", "4:100:4", "--profiler", "none", "--quiet", "--resume", "--output", str(path))
    return [str(SCRIPT), "sweep", *arguments, *more]


def whole_run(path):
    subprocess.run(grid(path), check=True, env=clean_environment())
    return path.read_bytes()


def test_killed_at_any_moment_and_completed(tmp_path):
    """Each layer once, nothing torn, and byte for byte what an undisturbed run writes."""
    expected = whole_run(tmp_path / "whole.jsonl")
    lines = expected.splitlines(keepends=True)
    assert len(lines) == len(set(lines)) == 1500
    path, dice, kills = tmp_path / "killed.jsonl", random.Random(4), 0
    for _ in range(20):
        process = subprocess.Popen(grid(path), env=clean_environment())
        time.sleep(dice.uniform(0.1, 0.3))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
        left = path.read_bytes() if path.exists() else b""
        assert expected.startswith(left)
    assert kills >= 1
    subprocess.run(grid(path), check=True, env=clean_environment())
    assert path.read_bytes() == expected


@pytest.mark.parametrize("cut", [0, 1, 10, 19, 200, 1000, -1, -2])
def test_a_torn_row_is_cut_off(tmp_path, cut):
    rows = [LINE(closed_forms(spec)).encode() for spec in SPECS]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(rows[:2]) + rows[2][: cut % len(rows[2])])
    with ResultsFile(path, SETTINGS) as file:
        assert file.rows == 2
        assert file.torn == cut % len(rows[2])
        for one in file.missing(ROWS):
            file.append(one)
    assert path.read_bytes() == b"".join(rows)


def test_a_layer_that_is_there_twice_needs_two_rows(tmp_path):
    with ResultsFile(tmp_path / "rows.jsonl", SETTINGS) as file:
        file.append(closed_forms(SPECS[1]))
        assert list(file.missing(ROWS)) == [ROWS[0], ROWS[2], ROWS[3]]
        assert list(file.missing(ROWS * 2)).count(ROWS[1]) == 3


def test_two_names_of_one_layer_are_two_layers(tmp_path):
    a, b = (closed_forms(SPECS[0], name) for name in "ab")
    settings = {**SETTINGS, "names": "yes"}
    with ResultsFile(tmp_path / "rows.jsonl", settings, keys_of(named=True)) as file:
        file.append(a)
    with ResultsFile(tmp_path / "rows.jsonl", settings, keys_of(named=True)) as file:
        assert list(file.missing([a, b, a])) == [b, a]
        assert [one.name for one in file.read_all([a])] == ["a"]
    with pytest.raises(DsconvError, match="was made with names yes, this run has no"):
        ResultsFile(tmp_path / "rows.jsonl", {**SETTINGS, "names": "no"})


def test_what_is_there_is_not_measured_again_and_counts_everywhere(dsconv, tmp_path):
    path = tmp_path / "rows.jsonl"
    common = ("sweep", "--c", "4", "--profiler", "none", "--resume", "--output", str(path))
    assert dsconv(*common, "--k", "32").returncode == 0
    before = path.read_text("utf-8")
    done = dsconv(*common, "--k", "16,32,64", "--get", "k", "--fail-under", "macs.ratio=7.5")
    assert done.stdout.split() == ["16", "32", "64"]
    assert done.returncode == 1
    assert "gate failed at k=32" in done.stderr
    assert "1 rows were there, 2 were added" in done.stderr
    after = path.read_text("utf-8")
    assert after.startswith(before)
    assert [json.loads(line)["spec"]["k"] for line in after.splitlines()] == [32, 16, 64]
    again = dsconv(*common, "--k", "16,32,64", "--get", "k")
    assert "3 rows were there, 0 were added" in again.stderr
    assert path.read_text("utf-8") == after


def test_a_run_that_needs_no_more_than_its_file_says_so_without_a_warning(dsconv, tmp_path):
    result = dsconv(
        "sweep", "--k", "4", "--c", "4", "--profiler", "none", "--resume", "--output", "a.jsonl", cwd=tmp_path
    )
    assert result.returncode == 0
    assert result.stderr == "note: 1 layer\nnote: a.jsonl: 0 rows were there, 1 were added\n"


def test_shards_may_share_a_file_one_after_the_other(tmp_path):
    path = tmp_path / "rows.jsonl"
    for part in (1, 2, 3):
        subprocess.run(grid(path, "--shard", f"{part}/3"), check=True, env=clean_environment())
    assert path.read_bytes() == whole_run(tmp_path / "whole.jsonl")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda one: one.update(schema_version=2), "has schema version 2, this program writes 1"),
        (lambda one: one.pop("schema_version"), "is not a result of dsconv sweep"),
        (lambda one: one["spec"].pop("k"), "is not a result of dsconv sweep"),
        (lambda one: one["spec"].update(k=-1), "is not a result of dsconv sweep"),
        (
            lambda one: one.update(measured={"profiler": "thop"}),
            "was made with --profiler thop, this run has none; results are not mixed",
        ),
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path, change, complaint):
    one = KEYS.document(closed_forms(SPECS[0]))
    change(one)
    path = tmp_path / "rows.jsonl"
    text = LINE(closed_forms(SPECS[1])) + json.dumps(one) + "\n"
    path.write_text(text)
    with pytest.raises(DsconvError, match="line 2") as caught:
        ResultsFile(path, SETTINGS)
    assert complaint in str(caught.value)
    assert path.read_text() == text


def test_a_row_that_says_only_which_layer_it_is_of_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(foreign(environment={"versions": {"profiler": None}}, spec={"k": 8, "c": 4, "bias": {}}))
    with (
        ResultsFile(path, SETTINGS) as file,
        pytest.raises(DsconvError, match="of k=8 c=4 r=3 s=3 h=56 w=56 is no result of"),
    ):
        list(file.read_all([closed_forms(ConvSpec(8, 4))]))


def foreign(**sections):
    return json.dumps({"schema_version": 1, "measured": None, "time": None, **sections}) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "hello\n", "hello", "{}\n", "[1]\n", "k,c\n1,2\n", '{"schema'[::-1], foreign(environment=[]),
        foreign(environment={"versions": {"profiler": None}}, spec=[]), f'{"[" * 100_000}\n',
        foreign(environment={"versions": {"profiler": None}}, spec={"k": 8, "c": 4, "bias": {}}, name="\ud800"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_results_file_is_left_alone(tmp_path, text):
    path = tmp_path / "notes.jsonl"
    path.write_text(text)
    with pytest.raises(DsconvError, match="leaves"):
        ResultsFile(path, SETTINGS)
    assert path.read_text() == text


def timed(**changes):
    closed = closed_forms(SPECS[0])
    return Comparison(closed.spec, closed.cost, time=replace(TIMING, **changes))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"threads": 2}, "was made with --threads 1, this run has 2"),
        ({"device": "cuda"}, "was made with --device cpu, this run has cuda"),
        ({"layout": "channels last"}, "was made with layout channels first, this run has channels last"),
    ],
)
def test_timings_of_other_settings_are_not_mixed(tmp_path, change, complaint):
    path = tmp_path / "rows.jsonl"
    with ResultsFile(path, {"--time": "on"}) as file:
        file.append(timed())
    with ResultsFile(path, {"--time": "on"}) as file, pytest.raises(DsconvError, match=complaint):
        file.append(timed(**change))
    assert len(path.read_text().splitlines()) == 1


def test_two_runs_do_not_write_one_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    with ResultsFile(path, SETTINGS), pytest.raises(DsconvError, match="is being written by another run"):
        ResultsFile(path, SETTINGS)


def slow(path):
    """A run that goes on for minutes, and has written some rows."""
    arguments = ("--k", "1:1000", "--c", "1:1000", "--profiler", "none", "--quiet", "--resume", "--output", str(path))
    process = subprocess.Popen(
        [str(SCRIPT), "sweep", *arguments], stderr=subprocess.PIPE, text=True, env=clean_environment()
    )
    while not path.exists() or path.stat().st_size < 100_000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def rows(path):
    return [(one["spec"]["k"], one["spec"]["c"]) for one in map(json.loads, path.read_text("utf-8").splitlines())]


@pytest.mark.parametrize("taken", [lambda path: path.unlink(), lambda path: path.rename(path.with_suffix(".old"))])
def test_a_file_that_is_taken_away_is_an_error_and_nothing_is_lost(tmp_path, taken):
    path, saved = tmp_path / "rows.jsonl", tmp_path / "rows-saved-1.jsonl"
    process = slow(path)
    before = len(path.read_bytes().splitlines()) - 1
    taken(path)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 3
    assert error == f"error: {path} was deleted or replaced while this run wrote to it; its lines are in {saved}\n"
    assert not path.exists()
    done = rows(saved)
    assert len(done) >= before
    assert done == [(k, c) for k in range(1, 1001) for c in range(1, 1001)][: len(done)]
    with ResultsFile(saved, SETTINGS) as file:
        assert file.rows == len(done), "from which --resume goes on"


def test_a_file_that_is_replaced_by_another_program(tmp_path):
    path, other = tmp_path / "rows.jsonl", tmp_path / "other"
    other.write_text("mine")
    file = ResultsFile(path, SETTINGS)
    file.append(closed_forms(SPECS[0]))
    other.replace(path)
    with pytest.raises(DsconvError, match="its lines are in") as caught, file:
        assert file.rows == 1
    assert caught.value.exit_code == 3
    assert path.read_text() == "mine"
    assert rows(tmp_path / "rows-saved-1.jsonl") == [(SPECS[0].k, SPECS[0].c)]


def test_a_folder_that_is_taken_away_with_the_file(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    file = ResultsFile(folder / "a.jsonl", {})
    shutil.rmtree(folder)
    with pytest.raises(DsconvError, match="lines are lost: no such file"):
        file.append(closed_forms(SPECS[0]))
    file.close()


def test_a_run_that_would_replace_the_file_is_refused(dsconv, tmp_path):
    path = tmp_path / "rows.jsonl"
    process = slow(path)
    for command in ("sweep", "compare"):
        result = dsconv(command, "--k", "7", "--c", "7", "--profiler", "none", "--output", str(path))
        assert result.returncode == 2
        assert "another run is writing to it" in result.stderr
    process.kill()
    process.communicate()
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    assert [json.loads(line)["spec"]["c"] for line in whole[:3]] == [1, 2, 3]


def test_a_file_that_came_to_be_in_use_is_not_replaced(tmp_path):
    path = tmp_path / "rows.jsonl"

    def replace():
        with replacing(path) as replacement:
            replacement.write(b"other")
            opened.append(ResultsFile(path, SETTINGS))
            opened[0].append(closed_forms(SPECS[0]))

    opened = []
    with pytest.raises(DsconvError, match="another run is writing to it") as caught:
        replace()
    assert caught.value.exit_code == 3
    (file,) = opened
    with file:
        file.append(closed_forms(SPECS[1]))
    assert len(rows(path)) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_nothing_is_added_to_a_file_that_is_about_to_be_replaced(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    with replacing(path) as replacement:
        replacement.write(b"other")
        with pytest.raises(DsconvError, match="is being written by another run"):
            ResultsFile(path, SETTINGS)
    assert path.read_bytes() == b"other"


def test_a_layer_that_failed_now_is_not_one_that_failed_before(capsys):
    """It failed on two runtimes, and another layer in an earlier run."""
    told = SimpleNamespace(lost=1, failures=2)
    broken = Times({"a": TIMING, "b": None, "c": None}, {})
    rows = [replace(ROWS[0], times=broken), replace(ROWS[1], error="died"), ROWS[2]]
    assert list(_with_failures(iter(rows), told, Streams())) == rows
    said = "error: 1 layer could not be measured in an earlier run and was not tried again\n"
    assert (told.failures, capsys.readouterr().err) == (2, said)


def test_what_machines_failed_to_count_in_an_earlier_run_fails_again(monkeypatch, tmp_path, capsys):
    from dsconv_cli.sweep import cluster

    monkeypatch.setattr(cluster, "Cluster", lambda *_, **__: nullcontext(SimpleNamespace(answers=lambda *_: ())))
    monkeypatch.setattr(sweep_wishes, "check_installed", lambda *_, **__: None)
    row = replace(closed_forms(ConvSpec(8, 4)), error="it died of it", machine=machine())
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(keys_of(shared=True).document(row)) + "\n", "utf-8")
    layers = ("--k", "8", "--c", "4", "--profiler", "torch", "--cluster", "tcp://127.0.0.1:1", "--quiet")
    assert run(["sweep", *layers, "--resume", "--output", str(path)]) == 3
    said = "error: 1 layer could not be measured in an earlier run and was not tried again\n"
    assert capsys.readouterr() == ("", said)


def test_a_row_comes_back_as_it_was():
    closed = closed_forms(ConvSpec(8, 4, 2, 2, padding="same"))
    counts = Counts({"ordinary": 5, "separable": 4})
    measured = Counted("thop", counts, counts, exact=True, counters=("thop 0.1.1",))
    for one in (closed, Comparison(closed.spec, closed.cost, measured, TIMING)):
        first = KEYS.document(one)
        first["environment"]["cpu"] = "another machine"
        back = comparison_of(json.loads(json.dumps(first)))
        assert json.loads(LINE(back)) == first


def test_what_could_not_be_measured_is_no_gate_and_makes_every_run_fail(dsconv, tmp_path):
    path = tmp_path / "rows.jsonl"
    layers = ("--k", "16,32", "--c", "16", "--size", "16", "--time", "--budget", "4", "--profiler", "none", "--quiet")
    command = ("sweep", *layers, "--resume", "--output", str(path))
    assert dsconv(*command).returncode == 0
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    # As a layer of which three workers died.
    rows[0] |= {"time": None, "error": "three workers died of it"}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    again = dsconv(*command, "--fail-under", "time.speedup=1e-9", "--get", "k")
    assert (again.returncode, again.stdout.split()) == (3, ["16", "32"])
    assert again.stderr == "error: 1 layer could not be measured in an earlier run and was not tried again\n"

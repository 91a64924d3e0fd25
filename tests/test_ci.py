"""What CI services get: docs/ci.md's workflow, the action and the hook, run as scripts; summaries and annotations."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import sysconfig
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, clean_environment
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli.cli import run
from dsconv_cli.cli.place import place_of
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import appending, check_targets
from dsconv_cli.report.github import annotation
from dsconv_cli.report.page import Place

GUIDE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
NET = (
    "from torch import nn\n\n\ndef net(width=16):\n"
    "    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 32, 3))\n"
)
COMPARE = ["compare", "--k", "64", "--c", "32", "--profiler", "none"]
SWEEP = ["sweep", "--k", "8,16", "--c", "8", "--profiler", "none"]


def examples():
    """Every YAML block of the guide, parsed."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """What the network costs, as JSON."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "net.py").write_text(NET)
    assert (
        run(["model", f"{folder}/net.py:net", "--input", "1,3,32,32", "--output", f"{folder}/cost.json", "--quiet"])
        == 0
    )
    return (folder / "cost.json").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path, baseline):
    """A checkout on a runner, with the network and its baseline."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "cost.json").write_text(baseline, encoding="utf-8")
    (tmp_path / "summary.md").write_text("# What another step wrote\n")
    return tmp_path


def script(folder, text, **more):
    """A step as the runner has bash run it, with the variables that it sets."""
    path = f"{folder / 'bin'}:{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin"
    env = clean_environment(
        PATH=path, CI="true", GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(folder), GITHUB_ACTION_PATH=str(ROOT),
        GITHUB_STEP_SUMMARY=str(folder / "summary.md"), GITHUB_OUTPUT=str(folder / "output"), RUNNER_OS="Linux", **more,
    )  # fmt: skip
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text], capture_output=True, encoding="utf-8",
        cwd=folder, env=env, check=False, timeout=120,
    )  # fmt: skip


def wider(folder):
    (folder / "net.py").write_text(NET.replace("width=16", "width=18"))


# --- the workflow, the action, the hook ------------------------------------------------------------------------


def test_the_documented_workflow(project):
    """Its steps that are scripts, but for the one that installs, before and after the network has grown by an eighth."""
    (job,) = next(one for one in examples() if "jobs" in one)["jobs"].values()
    install, cost = (step["run"] for step in job["steps"] if "run" in step)
    assert "-c .dsconv/constraints.txt ./.dsconv" in install
    assert "https://download.pytorch.org/whl/cpu" in install
    setup = next(step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["cache"] == "pip"
    assert (ROOT / Path(setup["cache-dependency-path"]).name).is_file()
    passed = script(project, cost)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert "::" not in passed.stdout
    assert "2 gates passed" in passed.stdout
    wider(project)
    failed = script(project, cost)
    assert failed.returncode == 1
    assert failed.stderr == ""
    assert failed.stdout.count("::error ") == failed.stdout.count("macs=1%25") + failed.stdout.count("params=1%25") == 2
    assert "::error file=net.py,line=4,title=dsconv%3A totals.macs.before::MACs grew 12.5" in failed.stdout
    summary = (project / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("# What another step wrote\n\n**2 gates passed**\n")
    assert summary.count("**2 gates failed**") == 1


def test_the_action(project):
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    example = next(step for one in examples() if isinstance(one, list) for step in one if "dsconv@" in step["uses"])
    assert set(example["with"]) <= set(action["inputs"])
    given = {name: one.get("default", "") for name, one in action["inputs"].items()} | example["with"]
    assert action["runs"]["using"] == "composite"
    steps = [step for step in action["runs"]["steps"] if "run" in step]
    assert all(step["shell"] == "bash" for step in steps)
    pip, install, cost = steps
    assert "${{" not in "".join(step["run"] for step in steps), "an input in a script could be a command"
    env = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda one: given[one[1]], text)
        for name, text in cost["env"].items()
    }
    wider(project)
    failed = script(project, cost["run"], **env)
    assert failed.returncode == 1, failed.stderr
    assert "::error file=net.py,line=4" in failed.stdout
    assert "**2 gates failed**" in (project / "summary.md").read_text(encoding="utf-8")
    told = {"FAIL_IF_GROWS": "", "FAIL_OVER": "macs.after=5M\n", "ARGS": "--arg\nname='a b'"}
    _pretend(project, "dsconv", 'printf "<%s>" "$@"')
    words = script(project, cost["run"], **env | told).stdout
    summary = project / "summary.md"
    assert words == (
        f"<model><net.py:net><--format><github><--output><markdown:{summary}><--input><1,3,32,32><--baseline><cost.json>"
        "<--fail-over><macs.after=5M><--arg><name='a b'>"
    )
    assert script(project, pip["run"]).returncode == 0
    assert re.search(r"^folder=/.*\npins=[0-9a-f]{16}$", (project / "output").read_text(), re.MULTILINE)
    assert {"folder", "pins"} == set(re.findall(r"steps\.pip\.outputs\.(\w+)", json.dumps(action)))
    _check_install(project, install["run"])


def _check_install(project, text):
    """With a Python that only writes down what it is to do: with a torch, and without."""
    for has_torch, pins in (("false", f"-c {ROOT}/constraints.txt "), ("true", "")):
        _pretend(project, "python", f'case "$*" in *show*) {has_torch};; *) echo "$@";; esac')
        done = script(project, text)
        wanted = f"-m pip install --extra-index-url https://download.pytorch.org/whl/cpu {pins}{ROOT}\n"
        assert (done.returncode, done.stdout) == (0, wanted)


def _pretend(project, name, text):
    """A program of that name, found first."""
    path = project / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_the_hook(project):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    (repository,) = next(one for one in examples() if "repos" in one)["repos"]
    (used,) = repository["hooks"]
    assert used["id"] == hook["id"]
    assert re.search(used["files"], "net.py")
    assert not re.search(used["files"], "subnet.py")
    command = shlex.join([*shlex.split(hook["entry"]), *used["args"]])
    wider(project)
    failed = script(project, command)
    assert failed.returncode == 1
    assert "error: gate failed: MACs grew 12.5" in failed.stderr


def test_the_project_that_says_it_once(project, monkeypatch, capsys):
    (text,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    wider(project)
    monkeypatch.chdir(project)
    assert run(["model"]) == 1
    assert capsys.readouterr().err.count("gate failed") == 2


def test_the_pinned_torch_is_the_one_that_is_named():
    (pinned,) = re.findall(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert set(re.findall(r"torch==[\w.]+", GUIDE)) == {pinned}


# --- annotations -----------------------------------------------------------------------------------------------


class Failed:
    key, option, passed = "macs.ratio", "--fail-under macs.ratio=8", False

    def __init__(self, message):
        self.message = message


@given(st.text(), st.text(min_size=1))
def test_an_annotation_is_one_line_that_the_runner_reads_back(message, file):
    line = annotation(Failed(message), Place(file, 3))
    assert line.count("\n") == 1
    properties, _, said = line.removeprefix("::error ").removesuffix("\n").partition("::")
    read = dict(one.split("=", 1) for one in properties.split(","))
    for sign, code in ((":", "%3A"), (",", "%2C"), ("\n", "%0A"), ("\r", "%0D"), ("%", "%25")):
        read = {name: value.replace(code, sign) for name, value in read.items()}
        said = said.replace(code, sign)
    assert (read["line"], read["title"]) == ("3", "dsconv: macs.ratio")
    assert message.isprintable() is False or said == message


def test_github_has_the_table_and_says_each_failure_once(capsys, monkeypatch):
    assert (
        run([*COMPARE, "--fail-under", "macs.ratio=8", "--fail-over", "params.separable=5k", "--format", "github"]) == 1
    )
    said = capsys.readouterr()
    assert "57,802,752" in said.out
    assert "\n1 gate failed, 1 passed\n" in said.out
    assert "\n::error title=dsconv%3A macs.ratio::macs.ratio is 7.89, under 8 (--fail-under macs.ratio=8)\n" in said.out
    assert "\npassed: params.separable is 2,336, not over 5k (--fail-over params.separable=5k)\n" in said.out
    assert said.err == ""
    monkeypatch.setenv("DSCONV_FORMAT", "github")
    assert run([*COMPARE, "--fail-under", "macs.ratio=8", "--get", "macs.ratio"]) == 1
    said = capsys.readouterr()
    assert "::" not in said.out
    assert "gate failed" in said.err


def test_gates_of_a_sweep_on_github(capsys):
    """5.76 and 7.2 for K of 16 and 36: 1/(1/K + 1/9)."""
    assert (
        run([*SWEEP, "--fail-under", "macs.ratio=5", "--fail-over", "macs.ratio=9", "--format", "github", "--quiet"])
        == 1
    )
    said = capsys.readouterr()
    assert "::error title=dsconv%3A macs.ratio::k=8 c=8 r=3 s=3 h=56 w=56: macs.ratio is 4.24, under 5" in said.out
    assert said.out.count("::error") == 1
    assert "passed: macs.ratio of 2 layers (--fail-over macs.ratio=9)" in said.out
    assert said.err == ""


def test_no_name_commands_the_runner(tmp_path, capsys):
    (tmp_path / "layers.csv").write_text("name,k,c\n::stop-commands::x,8,8\n##[error]y,16,8\n")
    assert (
        run(["sweep", "--from", str(tmp_path / "layers.csv"), "--profiler", "none", "--format", "github", "--quiet"])
        == 0
    )
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert any("stop-commands" in line for line in lines)
    assert not [line for line in lines if line.startswith(("::", "##["))]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("sub/net.py:net", Place("sub/net.py", 4)),
        ("./sub/net.py:later", Place("sub/net.py", 9)),
        ("sub/net.py:unknown", Place("sub/net.py")),
        ("sub/net.py", Place("sub/net.py")),
        ("torchvision.models:resnet18", None),
        ("none.py:net", None),
        ("sub/broken.py:net", Place("sub/broken.py")),
    ],
)
def test_where_a_target_is_written(tmp_path, monkeypatch, target, place):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/net.py").write_text(f"{NET}\n\n\nlater = net()\n")
    (tmp_path / "sub/broken.py").write_text("def net(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert place_of(target) == place
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "sub")
    if place is not None:
        assert place_of(target.replace("./", "").removeprefix("sub/")) == place


def test_a_target_that_cannot_be_looked_at_is_nowhere(tmp_path, monkeypatch):
    """The name is longer than the 255 bytes that Linux allows; the directory is gone."""
    assert place_of(f"{'a' * 300}.py:net") is None
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "gone").mkdir()
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert place_of(f"{tmp_path / 'net.py'}:net") is None


def test_links_that_form_a_loop_are_no_summary(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert run([*COMPARE, "--output", "loop.json"]) == 2
    assert capsys.readouterr().err.startswith("error: cannot write loop.json: ")


def append_file(path, text, apart=""):
    with appending(path, apart) as file:
        file.write(text.encode())


# --- files that are added to -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".md", ".txt", ".jsonl"])
def test_append_keeps_what_is_there(tmp_path, capsys, ending):
    path = tmp_path / f"log{ending}"
    arguments = [*COMPARE, "--output", str(path), "--append", "--quiet"]
    assert run(arguments) == 0
    once = path.read_text(encoding="utf-8")
    assert run(arguments) == 0
    assert path.read_text(encoding="utf-8") == once + ("" if ending == ".jsonl" else "\n") + once
    assert run([*SWEEP, "--output", str(path), "--append", "--quiet"]) == 0
    assert path.read_text(encoding="utf-8").startswith(once)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*COMPARE, "--append"], "--append is about files; it goes with --output"),
        (
            [*COMPARE, "--append", "--output", "a.json"],
            "nothing can be added to json (--append); use one of table, jsonl",
        ),
        ([*COMPARE, "--append", "--output", "a.csv"], "nothing can be added to csv"),
        ([*SWEEP, "--append", "--output", "a.svg"], "nothing can be added to svg"),
        ([*COMPARE, "--output", "json:summary.md"], "nothing can be added to json (the summary of a job is added to)"),
    ],
)
def test_what_cannot_be_added_to(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert run(arguments) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_added_begins_a_line(tmp_path):
    path = tmp_path / "log"
    path.write_text("no end")
    path.chmod(0o640)
    append_file(path, "more\n", "\n")
    assert path.read_text() == "no end\n\nmore\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_many_runs_add_to_one_file(tmp_path):
    path = tmp_path / "log"
    with ThreadPool(8) as pool:
        path.touch()
        pool.map(lambda number: append_file(path, f"{number}\n"), range(100))
    assert sorted(map(int, path.read_text().split())) == list(range(100))
    assert [one.name for one in tmp_path.iterdir()] == ["log"]


def test_a_failure_adds_nothing(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("before\n")
    monkeypatch.setattr(
        "dsconv_cli.files._copy", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(DsconvError, match="no space left on device") as error:
        append_file(path, "more\n")
    assert error.value.exit_code == 3
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before\n", [path])


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_a_file_that_another_run_keeps_is_not_added_to(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr("dsconv_cli.files._PATIENCE_S", 0.05)
    path = tmp_path / "log"
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DsconvError, match="another run is writing to it"):
            append_file(path, "more\n")
        with pytest.raises(DsconvError, match="another run is writing to it"):
            check_targets([path], [path])
    append_file(path, "more\n")
    assert path.read_text() == "more\n"

"""Code that others wrote, in our process: what it says, what it raises, what it leaves behind."""

# ruff: noqa: T201

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from conftest import run_dsconv, slow

from dsconv_cli.cli import run

RUDE = str(Path(__file__).parent / "networks" / "rude.py")
IMAGE = ("--input", "1,3,8,8")

#: 8·3·3·3 weights, each used 8·8 times.
MACS = "13824\n"


def test_a_directory_that_was_removed_is_no_reason_to_fail(tmp_path, monkeypatch, capsys):
    (tmp_path / "net.py").write_text("from torch import nn\n\nnet = nn.Conv2d(3, 8, 3, padding=1, bias=False)\n")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(["model", str(tmp_path / "net.py"), *IMAGE, "--get", "totals.macs.before"]) == 0
    assert capsys.readouterr().out == MACS
    assert run(["model", "none:net", *IMAGE]) == 2
    assert "no module named 'none', in this environment\n" in capsys.readouterr().err


# --- what it says ----------------------------------------------------------------------------------------------


def test_only_the_result_reaches_stdout(tmp_path):
    """Not by print, by the descriptor, by a child, from a thread or an exit handler."""
    result = run_dsconv("model", f"{RUDE}:Loud", *IMAGE, "--format", "json", cwd=tmp_path)
    assert result.returncode == 0
    assert json.loads(result.stdout)["totals"]["macs"]["before"] == 13824
    assert set(result.stderr.splitlines()) == {
        *("built", "built, by the descriptor", "forward: ±", "from a child"),
        *("a thread that goes on", "a thread that goes on, by the descriptor"),
        *("an exit handler", "an exit handler, by the descriptor"),
    }


@slow
def test_only_the_result_reaches_stdout_also_when_time_is_measured(tmp_path):
    result = run_dsconv(
        "model", f"{RUDE}:Loud", *IMAGE, "--time", "--budget", "3", "--get", "totals.macs.before", cwd=tmp_path
    )
    assert (result.returncode, result.stdout) == (0, MACS)


def test_a_stream_that_is_ascii_is_no_reason_to_fail(tmp_path):
    result = run_dsconv(
        "model", f"{RUDE}:Loud", *IMAGE, "--get", "totals.macs.before",
        cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, MACS)


def test_streams_that_the_network_closes(tmp_path):
    result = run_dsconv("model", f"{RUDE}:ClosesStreams", *IMAGE, "--get", "totals.macs.before", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, MACS)


def test_a_process_that_goes_on_has_its_stdout_back(capfd):
    before = sys.stdout
    assert run(["model", f"{RUDE}:ElsewhereAfterwards", *IMAGE, "--get", "totals.macs.before"]) == 0
    assert sys.stdout is before
    print("ours again")
    os.write(1, b"and the descriptor\n")
    assert capfd.readouterr().out == f"{MACS}ours again\nand the descriptor\n"


def test_the_library_leaves_descriptors_alone(capfd):
    """What a network prints goes to stderr; what it writes to descriptor 1 goes where its caller had it go."""
    import torch

    from dsconv_cli import analyse

    class Speaks(torch.nn.Sequential):
        def forward(self, x):
            print("printed")
            os.write(1, b"written\n")
            return super().forward(x)

    assert analyse(Speaks(torch.nn.Conv2d(3, 8, 3, padding=1)), (1, 3, 8, 8)).macs.before == 13824
    out, err = capfd.readouterr()
    assert set(out.split()) == {"written"}
    assert set(err.split()) == {"printed"}


# --- what it raises --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises_own", "raised Stop: enough"),
        ("raises_generator_exit", "raised GeneratorExit"),
        ("leaves", "raised SystemExit: 0"),
        ("recurses", "raised RecursionError: maximum recursion depth exceeded"),
        ("raises_what_cannot_be_told", "raised UntellableError"),
        ("stops_when_copied", "raised Stop: no copies"),
        ("StopsInForward", "raised Stop: not today"),
        ("LeavesInForward", "raised SystemExit: 0"),
        ("moody", "raised Stop: not in the mood"),
    ],
)
def test_one_line_and_exit_3(here, name, message):
    code, out, err = here(f"{RUDE}:{name}", *IMAGE)
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_no_traceback_from_the_installed_command():
    result = run_dsconv("model", f"{RUDE}:raises_own", *IMAGE)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == f"error: {RUDE}:raises_own raised Stop: enough\n"


def test_an_interruption_stays_one(here):
    assert here(f"{RUDE}:interrupts", *IMAGE) == (130, "", "error: interrupted\n")


def test_a_measuring_process_that_the_network_ends(here):
    code, out, err = here(f"{RUDE}:StopsLater", *IMAGE, "--time", "--budget", "3", "--get", "totals.macs.before")
    assert (code, out) == (0, MACS)
    (note,) = (line for line in err.splitlines() if line.startswith("note: the whole network was not timed"))
    assert note.endswith("Stop: enough of it")


def test_an_exit_handler_that_fails_is_told_in_a_line():
    result = run_dsconv("model", f"{RUDE}:FailsAtExit", *IMAGE, "--get", "totals.macs.before")
    assert (result.returncode, result.stdout) == (0, MACS)
    assert result.stderr == "warning: an exit handler raised Stop: enough\n"


# --- what it leaves behind -------------------------------------------------------------------------------------


def test_files_go_where_the_command_line_said(here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = here(f"{RUDE}:ElsewhereAfterwards", *IMAGE, "--output", "result.json")
    assert code == 0, err
    assert (tmp_path / "result.json").is_file()
    assert Path.cwd() == tmp_path

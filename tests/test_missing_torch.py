"""What is said where torch is not there, or is broken: one line, exit 3, before any work."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT, run_dsconv

LAYER = ("--k", "4,8", "--c", "4")
RUNS = [
    ("compare", "--k", "4", "--c", "4"),
    ("sweep", *LAYER),
    ("sweep", *LAYER, "--jobs", "2"),
    ("model", f"{ROOT}/tests/networks/odd.py:small", "--input", "1,3,8,8"),
    ("compare", "--k", "4", "--c", "4", "--profiler", "none", "--time"),
    ("compare", "--k", "4", "--c", "4", "--time"),
    ("sweep", *LAYER, "--profiler", "none", "--time"),
    ("doctor",),
]


def without(tmp_path, program):
    """The environment of a Python that runs `program` first."""
    (tmp_path / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("arguments", RUNS, ids=" ".join)
def test_missing(tmp_path, arguments):
    result = run_dsconv(*arguments, env=without(tmp_path, "import sys; sys.modules['torch'] = None"))
    assert (result.returncode, result.stdout) == (3, "")
    (error,) = (line for line in result.stderr.splitlines() if not line.startswith("note: "))
    assert error.startswith("error: torch is not installed for ")
    assert ": pip install torch" in error


def test_a_folder_called_torch_is_not_torch(tmp_path):
    """What lies in the current directory and has no file of its own can be imported, and is nothing."""
    (tmp_path / "torch").mkdir()
    said = run_python(
        "import sys; sys.path.insert(0, '.'); from dsconv_cli.errors import need; need('torch')", tmp_path
    )
    assert "CannotMeasureError: torch is not installed" in said.stderr


def run_python(program, folder):
    """A Python that has nothing installed, but this package."""
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True, text=True, check=False, cwd=folder, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [RUNS[0], RUNS[3], RUNS[4], RUNS[5], RUNS[7]], ids=" ".join)
def test_broken(tmp_path, arguments):
    """A torch whose libraries are not those that it was built with."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.12: cannot open\\nmore of it')")
    result = run_dsconv(*arguments, env={"PYTHONPATH": str(tmp_path)})
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("error: torch cannot be loaded (libcudart.so.12: cannot open); ")
    assert result.stderr.count("\n") == 1


def test_closed_forms_need_no_torch(tmp_path):
    env = without(tmp_path, "import sys; sys.modules['torch'] = None")
    result = run_dsconv("compare", "--k", "64", "--c", "32", "--profiler", "none", "--get", "macs.ordinary", env=env)
    # 64·32·3·3·56·56
    assert (result.returncode, result.stdout) == (0, "57802752\n")

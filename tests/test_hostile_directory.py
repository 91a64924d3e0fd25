"""Files in the current directory that are called as modules are: none of them is run, by no process of ours."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest
from conftest import ROOT, SCRIPT, clean_environment, slow

#: Whatever Python, torch or this program may import.
NAMES = {
    *sys.stdlib_module_names,
    "torch",
    "thop",
    "numpy",
    "typer",
    "rich",
    "matplotlib",
    "plotille",
    "sympy",
    "mpmath",
}
SMALL = ("--k", "8", "--c", "8", "--h", "8", "--w", "8")
MODEL = "import torch\n\ndef net():\n    return torch.nn.Sequential(torch.nn.Conv2d(16, 32, 3, padding=1))\n"
INPUT = ("--input", "1,16,8,8")


@pytest.fixture
def trap(tmp_path):
    """A directory full of such files, and a network; each file that is run says so."""
    caught = tmp_path.parent / f"{tmp_path.name}-caught"
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(caught)!r}, 'a').write('{name} ')\nraise SystemExit(66)\n")
    (tmp_path / "network.py").write_text(MODEL)
    caught.write_text("")
    return tmp_path, caught


def run(command, trap):
    folder, caught = trap
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=clean_environment(), timeout=300, check=False
    )
    assert caught.read_text() == "", "files of the current directory were run"
    return result


#: A network's own directory is looked in, after what is installed: for what is not, such as modules of other systems.
ELSEWHERE = {name for name in NAMES if importlib.util.find_spec(name) is None}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("--help",),
        ("compare", *SMALL, "--profiler", "both", "--output", "a.json"),
        ("compare", *SMALL, "--time", "--budget", "6", "--output", "roofline.svg"),
        ("sweep", "--k", "1:20", "--c", "1:20", "--jobs", "2", "--output", "rows.csv", "--plot", "b.svg"),
        pytest.param(("model", "network.py:net", *INPUT, "--plot", "c.svg"), marks=slow),
        pytest.param(("model", "network:net", *INPUT), marks=slow),
        pytest.param(("model", "network.py:net", *INPUT, "--time", "--budget", "8"), marks=slow),
    ],
)  # fmt: skip
def test_nothing_is_imported_from_the_current_directory(trap, arguments):
    for name in ELSEWHERE if arguments[0] == "model" else ():
        (trap[0] / f"{name}.py").unlink()
    result = run([str(SCRIPT), *arguments], trap)
    # A busy machine may not manage to time anything; it must have come that far.
    assert result.returncode == 0 or "--budget" in result.stderr, result.stderr


def test_nor_as_a_module_once_python_has_started(trap):
    """`python -m` itself looks there first for what it needs, and for the program: those files are taken away."""
    empty = trap[0].parent / "empty"
    empty.mkdir(exist_ok=True)
    (empty / "nothing.py").write_text("")
    started = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nothing"], cwd=empty, capture_output=True, text=True, check=True
    )
    needed = set(re.findall(r"\| +(\w+)$", started.stderr, re.MULTILINE))
    assert not needed & {"json", "pickle", "random", "multiprocessing", "torch", "typing", "signal", "select"}
    for name in needed & NAMES:
        (trap[0] / f"{name}.py").unlink()
    for arguments in (("--version",), ("sweep", "--k", "1:20", "--c", "1:20", "--jobs", "2", "--quiet")):
        assert run([sys.executable, "-m", "dsconv_cli", *arguments], trap).returncode == 0


def test_from_a_checkout_that_is_not_installed(tmp_path):
    """There the current directory is where the program itself is found, also by the processes that it starts."""
    (tmp_path / "dsconv_cli").symlink_to(ROOT / "dsconv_cli")
    result = subprocess.run(
        [sys.executable, "-m", "dsconv_cli", "sweep", "--k", "1:20", "--c", "1:20", "--jobs", "2", "--format", "csv"],
        cwd=tmp_path, capture_output=True, text=True, env=clean_environment(), timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 401

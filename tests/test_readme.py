"""README.md against the program it describes."""

from __future__ import annotations

import difflib
import re
import subprocess
from pathlib import Path

import pytest
import readme

ROOT = Path(__file__).parent.parent
TEXT = readme.README.read_text(encoding="utf-8")


def test_every_shown_output_is_real():
    again = readme.rewritten(TEXT)
    difference = "\n".join(
        difflib.unified_diff(TEXT.splitlines(), again.splitlines(), "README.md", "real", lineterm="")
    )
    assert not difference, f"run `python tests/readme.py`:\n{difference}"


def test_every_command_has_its_help_there(dsconv):
    commands = re.findall(r"^  (\w+) ", dsconv().stdout.split("Commands:")[1], re.MULTILINE)
    assert "compare" in commands
    for command in commands:
        assert f"$ dsconv {command} --help" in TEXT, f"README lacks the help of {command}"


@pytest.mark.parametrize("name", ["LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt", "docs/compare.svg"])
def test_what_readme_points_to_exists(name):
    assert (ROOT / name).is_file()


def test_both_set_up_commands_use_the_constraints():
    commands = [line for line in TEXT.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert all("-c constraints.txt" in command for command in commands)
    assert "dsconv compare --k 64 --c 32 --r 3 --s 3" in commands[0]
    assert "pytest" in commands[1]


def test_the_picture_is_of_today(dsconv, tmp_path):
    dsconv(*["compare", "--k", "64", "--c", "32", "--r", "3", "--s", "3", "--output", "compare.svg"], cwd=tmp_path)
    assert (tmp_path / "compare.svg").read_text() == (ROOT / "docs/compare.svg").read_text()


def test_the_workflow_installs_from_a_checkout_and_its_gate_runs(tmp_path):
    """The package is in no index; the step that gates is run as the runner would, with the summary's variable."""
    workflow = re.search(r"```yaml\n(jobs:.*?)```", TEXT, re.DOTALL)[1]
    steps = [" ".join(step.split()) for step in re.findall(r"- run: >?\n?(.*?)(?=\n      - |\Z)", workflow, re.DOTALL)]
    install, gate = steps
    assert install.endswith("-c .dsconv/constraints.txt ./.dsconv")
    assert "path: .dsconv" in workflow
    assert (ROOT / "constraints.txt").exists()
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "-e", "-c", gate], capture_output=True, text=True, cwd=tmp_path, check=False,
        env=readme._environment() | {"GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), "128·9 + 128·128 = 17,536 parameters, 8.4 times fewer"
    assert "17,536" in summary.read_text(encoding="utf-8")

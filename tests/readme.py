"""Keeps README.md true: runs the commands it shows and holds, or puts, their real output there.

A fenced `console` block under `<!-- checked -->` is run: each line that begins with `$ ` is a command, what follows
is its output. `python tests/readme.py` rewrites the blocks; `tests/test_readme.py` compares them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from conftest import clean_environment

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- checked -->\n```console\n)(.*?)(```\n)", re.DOTALL)


def outputs(commands: list[str], folder: Path) -> str:
    """What the terminal would show, 80 columns wide."""
    shown = []
    for command in commands:
        result = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=_environment(),
            check=False,
        )
        shown.append(f"$ {command}\n{result.stdout}")
    return "".join(shown)


def _environment() -> dict[str, str]:
    env = clean_environment(COLUMNS="80", PYTHONUTF8="1")
    return {**env, "PATH": f"{sysconfig.get_path('scripts')}:{env['PATH']}"}


def rewritten(text: str) -> str:
    """README with every checked block run again, all in one folder."""
    with tempfile.TemporaryDirectory() as folder:

        def again(block: re.Match[str]) -> str:
            commands = [line[2:] for line in block[2].splitlines() if line.startswith("$ ")]
            return block[1] + outputs(commands, Path(folder)) + block[3]

        return BLOCK.sub(again, text)


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)

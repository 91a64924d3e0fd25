"""Keeps README.md and docs/ true: runs the commands they show and holds, or puts, their real output there.

A fenced `console` block under `<!-- checked -->` is run: each line that begins with `$ ` is a command, what follows
is its output. `python tests/readme.py [FILE]...` rewrites the blocks; `tests/test_readme.py` compares them.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import tempfile
from pathlib import Path

from terminals import Terminal

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FILES = (README, *sorted((ROOT / "docs").glob("*.md")))
#: What fits a page without scrolling sideways.
COLUMNS = 100
BLOCK = re.compile(r"(<!-- checked -->\n```console\n)(.*?)(```\n)", re.DOTALL)


def commands_in(text: str) -> list[str]:
    """The commands of a block, or of all blocks of a file."""
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def outputs(commands: list[str], folder: Path) -> str:
    """What a terminal of `COLUMNS` columns would show."""
    shown = []
    for command in commands:
        terminal = Terminal(command=("bash", "-c", command), columns=COLUMNS, lines=1000, cwd=folder, **environment())
        terminal.rest()
        shown.append(f"$ {command}\n{terminal.written}")
    return "".join(shown)


def environment() -> dict[str, str]:
    """Of a plain terminal, on which nothing is drawn over and the command is at hand."""
    path = f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin"
    return {"TERM": "dumb", "PYTHONUTF8": "1", "PATH": path}


def rewritten(text: str) -> str:
    """A file's text with every checked block run again, all in one folder."""
    with tempfile.TemporaryDirectory() as folder:
        return BLOCK.sub(lambda block: block[1] + outputs(commands_in(block[2]), Path(folder)) + block[3], text)


if __name__ == "__main__":
    for file in [Path(name) for name in sys.argv[1:]] or FILES:
        file.write_text(rewritten(file.read_text(encoding="utf-8")), encoding="utf-8")

"""Keeps README.md and docs/ true: runs the commands they show and holds, or puts, their real output there.

A fenced `console` block under `<!-- checked -->` is run: each line that begins with `$ ` is a command, what follows
is its output. `python tests/readme.py [FILE]...` rewrites the blocks; `tests/test_readme.py` compares them.

A block under `<!-- measured -->` has times, and a `sh` block under `<!-- made by -->` makes a picture. Both are run
again by `python tests/readme.py --measured [FILE]...`, on a machine that does nothing else.
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
_BLOCK = r"(<!-- {} -->\n```console\n)(.*?)(```\n)"
BLOCK = re.compile(_BLOCK.format("checked"), re.DOTALL)
_MEASURED = re.compile(_BLOCK.format("measured"), re.DOTALL)
_PICTURE = re.compile(r"<!-- made by -->\n```sh\n(.*?)```\n", re.DOTALL)


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


def rewritten(text: str, block: re.Pattern[str] = BLOCK) -> str:
    """A file's text with every such block run again, all in one folder."""
    with tempfile.TemporaryDirectory() as folder:
        return block.sub(lambda one: one[1] + outputs(commands_in(one[2]), Path(folder)) + one[3], text)


def pictures_in(text: str) -> list[str]:
    """The commands that make the pictures of a file, in the root of the project."""
    return [command for block in _PICTURE.findall(text) for command in block.splitlines()]


if __name__ == "__main__":
    words = sys.argv[1:]
    measured = "--measured" in words
    for file in [Path(name) for name in words if name != "--measured"] or FILES:
        content = file.read_text(encoding="utf-8")
        file.write_text(rewritten(content, _MEASURED if measured else BLOCK), encoding="utf-8")
        if measured:
            outputs(pictures_in(content), ROOT)

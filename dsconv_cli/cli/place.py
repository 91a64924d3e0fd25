"""Where a TARGET is written, for annotations: its file as GitHub knows it, and the line of its definition."""

from __future__ import annotations

import ast
import os
from contextlib import suppress
from pathlib import Path

from dsconv_cli.report.page import Place

_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def place_of(target: str) -> Place | None:
    """`net.py:Net` → its file, below the checkout of the job where it is there, and the line where Net is defined.

    None where the target is no file. Reads the file and runs nothing.
    """
    text, _, name = target.rpartition(":") if target.rpartition(":")[0].endswith(".py") else (target, "", "")
    path = Path(text)
    # What cannot be looked at is told of by who loads it; nor is the current directory always there.
    with suppress(OSError, RuntimeError):
        if path.is_file():
            return Place(_in_checkout(path), _line(path, name) if name else 0)
    return None


def _in_checkout(path: Path) -> str:
    """GitHub takes paths from the root of the checkout, wherever the command runs."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    whole = path.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.as_posix()


def _line(path: Path, name: str) -> int:
    """The line on which `name` is defined, or assigned; 0 where it cannot be told."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return 0
    lines = [one.lineno for one in tree.body if name in _names(one)]
    return lines[-1] if lines else 0


def _names(statement: ast.stmt) -> set[str]:
    """What a statement at the top of a file defines."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return {one.id for one in targets if isinstance(one, ast.Name)}

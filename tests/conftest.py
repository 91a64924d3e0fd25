"""What tests share: the installed command, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

#: Where tests are started in the background, Ctrl-C is ignored, and so it would be by all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SCRIPT = Path(sysconfig.get_path("scripts")) / ("dsconv.exe" if os.name == "nt" else "dsconv")

#: Variables by which a developer's shell would change what is printed.
_PERSONAL = ("NO_COLOR", "FORCE_COLOR", "DSCONV_FORMAT", "COLUMNS", "LINES", "LC_ALL", "PYTHONIOENCODING", "TERM")

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


def clean_environment(**more: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in _PERSONAL}
    return {**env, "LANG": "C.UTF-8", "TERM": "xterm-256color", **more}


def run_dsconv(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, stdin: str = "") -> Result:
    return subprocess.run(
        [str(SCRIPT), *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=clean_environment(**(env or {})),
        cwd=cwd,
        timeout=120,
        check=False,
    )


@pytest.fixture
def dsconv() -> Run:
    """`dsconv("compare", "--k", "64", …)` in a process of its own, with a pipe on both streams."""
    return run_dsconv


@pytest.fixture
def python() -> str:
    return sys.executable

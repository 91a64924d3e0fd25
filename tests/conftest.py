"""What tests share: the installed command, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

#: Where tests are started in the background, Ctrl-C is ignored, and so it would be by all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
#: And under nohup, hanging up.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
#: Hundreds of commands are started, and none should compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent.parent
SCRIPT = Path(sysconfig.get_path("scripts")) / ("dsconv.exe" if os.name == "nt" else "dsconv")

#: What takes long and whose like is tested anyway.
slow = pytest.mark.skipif("DSCONV_SLOW" not in os.environ, reason="takes long; DSCONV_SLOW=1 has it run")

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


@pytest.fixture(scope="session")
def valid() -> Callable[[Any], Any]:
    """`valid(document)`: the document as JSON has it, if the schema that is shipped allows it."""
    import jsonschema

    text = files("dsconv_cli").joinpath("schema/dsconv-1.schema.json").read_text(encoding="utf-8")
    validator = jsonschema.Draft202012Validator(json.loads(text))

    def validate(document: Any) -> Any:
        plain = json.loads(json.dumps(document))
        validator.validate(plain)
        return plain

    return validate


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`here(target, …)` is `dsconv model` in this process: exit code, stdout, stderr.

    Loading torch once is enough for most tests.
    """
    from dsconv_cli.cli import run

    def go(*arguments: object) -> tuple[int, str, str]:
        code = run(["model", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return go


@pytest.fixture
def python() -> str:
    return sys.executable

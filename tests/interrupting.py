"""One command, broken off at one moment, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from conftest import SCRIPT, clean_environment
from terminals import CTRL_C, Terminal

NETWORK = """
import torch
from torch import nn

def net():
    layers = [nn.Conv2d(16 if n else 3, 16, 3, padding=1) for n in range(12)]
    return nn.Sequential(*layers)
"""
_SMALL = ("--h", "14", "--w", "14")
_MODEL = ("model", "network.py:net", "--input", "1,3,32,32")

#: What is broken off. Each writes into the current directory.
COMMANDS = {
    "closed forms": ("compare", "--k", "64", "--c", "32", "--profiler", "none", "--output", "a.json"),
    "counted": ("compare", "--k", "64", "--c", "32", "--profiler", "both", "--explain", "--output", "a.svg"),
    "timed": ("compare", "--k", "16", "--c", "8", *_SMALL, "--time", "--budget", "6", "--output", "a.csv"),
    "rows": ("sweep", "--k", "1:400", "--c", "1:100", "--profiler", "none", "--format", "csv"),
    "rows in a file": ("sweep", "--k", "1:30", "--c", "1:30", "--output", "a.csv"),
    "in processes": ("sweep", "--k", "1:40", "--c", "1:60", "--jobs", "2", "--output", "a.csv", "--format", "json"),
    "resumed": ("sweep", "--k", "1:40", "--c", "1:40", "--resume", "--output", "rows.jsonl"),
    "rows timed": ("sweep", "--k", "8,16", "--c", "8", *_SMALL, "--time", "--budget", "8", "--output", "a.md"),
    "drawn": ("sweep", "--k", "1:40", "--c", "8,16", "--profiler", "none", "--plot", "a.svg", "--output", "a.csv"),
    "network": (*_MODEL, "--plot", "a.svg"),
    "network timed": (*_MODEL, "--time", "--budget", "8", "--output", "a.json"),
    # Few runtimes have that dtype.
    "machine": ("doctor", "--budget", "4", "--dtype", "float64", "--output", "a.json"),
    "help": ("compare", "--help"),
}
#: A result that was written before, to its last line.
_WHOLE = re.compile(r"is the least that must move\.|A ratio is before / after\.|steadier|Options:")
_OURS = re.compile(r"(note|warning): |timing|\d+ of |schema_version|1,compare|\{\"schema|\^C")


@dataclass
class Outcome:
    """`faults` is empty if all held; `finished` if the command was over before it could be broken off."""

    faults: list[str] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0
    seen: str = ""


def in_charge(pid):
    """Whether the process has got as far as to handle SIGTERM: before that it is Python's own, and not ours."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\t([0-9a-f]+)", status)[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def running(marker):
    """Processes that were started with `marker` in their environment, which children inherit."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def break_off(name, folder, *, delay_s, number=signal.SIGINT, again_s=None, terminal=False):
    """Start `COMMANDS[name]` in `folder` and send it a signal `delay_s` after it can be sent one; with None, none.

    In a terminal Ctrl-C is typed. With `again_s` it comes once more after so many seconds.
    """
    (folder / "network.py").write_text(NETWORK)
    marker = uuid4().hex
    run = (_InTerminal if terminal else _InPipes)(COMMANDS[name], folder, marker)
    while run.process.poll() is None and not in_charge(run.process.pid):
        time.sleep(0.001)
    begun = time.monotonic()
    for wait in () if delay_s is None else (delay_s,) if again_s is None else (delay_s, again_s):
        time.sleep(wait)
        begun = begun if wait is again_s else time.monotonic()
        run.strike(number)
    outcome = Outcome(seen=run.to_its_end())
    outcome.seconds = time.monotonic() - begun
    # A busy machine may not manage to time anything.
    outcome.finished = run.process.returncode == 0 or "the budget of" in outcome.seen
    if not outcome.finished:
        outcome.faults += [*_faults(run.process.returncode, number, folder, marker), *run.faults(number)]
    return outcome


class _InPipes:
    def __init__(self, arguments, folder, marker):
        self.process = subprocess.Popen(
            [str(SCRIPT), *arguments], cwd=folder, env=clean_environment(DSCONV_TEST_MARKER=marker),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def strike(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def to_its_end(self):
        out, err = self.process.communicate(timeout=300)
        self._out, self._err = out.decode(), err.decode()
        return self._out + self._err

    def faults(self, number):
        lines = self._err.splitlines()
        if number == signal.SIGINT and lines[-1:] != ["error: interrupted"]:
            yield "the last line is not 'error: interrupted'"
        if [line for line in lines[: -1 if number == signal.SIGINT else None] if not _OURS.match(line)]:
            yield "lines on stderr that are not ours"
        if self._out and not self._out.endswith("\n"):
            yield "half a row on stdout"


class _InTerminal:
    def __init__(self, arguments, folder, marker):
        # So wide that rows, which may be long, stay on one line.
        self._terminal = Terminal(*arguments, cwd=folder, columns=10_000, DSCONV_TEST_MARKER=marker)
        self.process = self._terminal.process

    def strike(self, number):
        if number == signal.SIGINT:
            self._terminal.type(CTRL_C)
        elif self.process.poll() is None:
            self.process.send_signal(number)

    def to_its_end(self):
        self._terminal.rest()
        return self._terminal.written

    def faults(self, number):
        return _on_screen(self._terminal.screen, number)


def _whole(path):
    """A file that was finished before, or the rows that `--resume` goes on from."""
    text = path.read_text()
    if path.suffix in {".json", ".jsonl"}:
        for document in [text] if path.suffix == ".json" else text.splitlines():
            json.loads(document)
    return not path.name.startswith(".") and (text.endswith("\n") or (path.name == "rows.jsonl" and not text))


def _faults(code, number, folder, marker):
    wanted = 130 if number == signal.SIGINT else -number
    if code != wanted:
        yield f"exit code {code}, not {wanted}"
    for one in folder.iterdir():
        if one.name not in {"network.py", "__pycache__"} and not _whole(one):
            yield f"left behind: {one.name}"
    end = time.monotonic() + 1
    while (alive := running(marker)) and time.monotonic() < end:
        time.sleep(0.01)
    if alive:
        yield f"processes {alive} still there a second later"


def _on_screen(screen, number):
    if not screen.cursor_shown:
        yield "the cursor is hidden"
    lines = screen.text.splitlines()
    while lines[-1:] == ["^C"]:
        # It was typed once more when there was nobody to hear it.
        lines.pop()
    if number == signal.SIGINT:
        if lines[-1:] != ["error: interrupted"]:
            yield "the last line is not 'error: interrupted'"
        lines = lines[:-1]
    whole = _WHOLE.search(screen.text.replace("\n", " "))
    if not whole and not all(_OURS.match(line) for line in lines):
        yield f"lines that are no part of a result: {lines}"

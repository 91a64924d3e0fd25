"""Ctrl-C, SIGTERM and SIGHUP at any moment, in every command: how it ends, what is said, what is left."""

from __future__ import annotations

import csv
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from conftest import SCRIPT, clean_environment

if not Path("/proc/self/status").exists():
    pytest.skip("looks at processes in /proc", allow_module_level=True)
from interrupting import COMMANDS, break_off, running
from terminals import Terminal

ROWS = ("sweep", "--k", "1:1000000", "--c", "1", "--profiler", "none", "--quiet", "--format", "csv")
#: A factory whose one call in C takes a minute, in which Python runs no handler.
IN_C = """
import hashlib, os

def net():
    os.write(2, b"begun\\n")
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
"""


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
@pytest.mark.parametrize("name", COMMANDS)
def test_at_any_moment(tmp_path, name, terminal):
    dice = random.Random(f"{name} {terminal}")
    number = signal.SIGINT if terminal else dice.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    again_s = dice.choice([None, dice.uniform(0, 0.05)])
    delay_s = dice.uniform(0, 2)
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        outcome = break_off(name, folder, delay_s=delay_s, number=number, again_s=again_s, terminal=terminal)
        if not outcome.finished:
            break
        delay_s /= 2
    assert not outcome.finished
    assert not outcome.faults, outcome


def started(*arguments, **settings):
    """A command with pipes on its streams, in a group of its own."""
    return subprocess.Popen(
        [str(SCRIPT), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        start_new_session=True, **settings,
    )  # fmt: skip


def wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("name", ["counted", "rows in a file", "network"])
def test_while_torch_loads(tmp_path, name, attempt):
    """C code that runs then swallows exceptions, or ends the process over one."""
    from interrupting import NETWORK

    (tmp_path / "network.py").write_text(NETWORK)
    process = started(*COMMANDS[name], cwd=tmp_path)
    wait_for(lambda: "libtorch_python" in Path(f"/proc/{process.pid}/maps").read_text(), process)
    time.sleep(random.Random(f"{name} {attempt}").uniform(0, 0.5))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "error: interrupted")
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_main_thread_is_in_c_code(tmp_path, number):
    (tmp_path / "slow.py").write_text(IN_C)
    process = started("model", "slow.py:net", "--input", "1,3,8,8", "--output", "a.json", cwd=tmp_path)
    assert "begun" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == ((130 if number == signal.SIGINT else -number), "")
    assert err == ("error: interrupted\n" if number == signal.SIGINT else "")


def _held_by(pipe):
    """Bytes in it that nobody has read."""
    return struct.unpack("i", fcntl.ioctl(pipe.fileno(), termios.FIONREAD, struct.pack("i", 0)))[0]


def test_while_nobody_reads_stdout():
    process = started(*ROWS)
    # A pipe holds 64 KiB, and takes whole pages.
    wait_for(lambda: _held_by(process.stdout) > 60_000, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.communicate()[1] == "error: interrupted\n"


@pytest.mark.parametrize("attempt", range(4))
def test_rows_are_whole_also_where_python_buffers_nothing(attempt):
    """A signal breaks off a write into a full pipe: what it left over is written when the pipe is read."""
    unbuffered = clean_environment(PYTHONUNBUFFERED="1")
    process = subprocess.Popen([str(SCRIPT), *ROWS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=unbuffered)
    wait_for(lambda: _held_by(process.stdout) > 60_000, process)
    time.sleep(0.05 * attempt)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, b"error: interrupted\n")
    header, *rows = csv.reader(out.decode().splitlines())
    assert out.endswith(b"\n")
    assert {len(row) for row in rows} == {len(header)}


def test_rows_that_are_finished_are_not_lost(tmp_path):
    with (tmp_path / "rows.csv").open("wb") as stream:
        process = subprocess.Popen([str(SCRIPT), *ROWS], stdout=stream, stderr=subprocess.PIPE, env=clean_environment())
    wait_for(lambda: (tmp_path / "rows.csv").stat().st_size > 100_000, process)
    process.send_signal(signal.SIGINT)
    assert process.communicate() == (None, b"error: interrupted\n")
    text = (tmp_path / "rows.csv").read_text()
    assert text.endswith("\n")
    header, *rows = csv.reader(text.splitlines())
    assert [row[header.index("spec.k")] for row in rows] == [str(k) for k in range(1, len(rows) + 1)]
    assert {len(row) for row in rows} == {len(header)}


def test_nohup_holds(tmp_path):
    with (tmp_path / "rows.csv").open("wb") as stream:
        process = subprocess.Popen(
            ["nohup", str(SCRIPT), *ROWS], stdout=stream, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env=clean_environment(),
        )  # fmt: skip
    wait_for(lambda: (tmp_path / "rows.csv").stat().st_size > 0, process)
    process.send_signal(signal.SIGHUP)
    begun = (tmp_path / "rows.csv").stat().st_size
    wait_for(lambda: (tmp_path / "rows.csv").stat().st_size > begun + 1_000_000, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == -signal.SIGTERM


def test_a_terminal_that_goes_away(tmp_path):
    terminal = Terminal(*COMMANDS["timed"], "--quiet", cwd=tmp_path, DSCONV_TEST_MARKER="goes-away")
    terminal.until("timing")
    terminal.hang_up()
    assert terminal.process.wait(timeout=30) == -signal.SIGHUP
    end = time.monotonic() + 5
    while running("goes-away") and time.monotonic() < end:
        time.sleep(0.01)
    assert not running("goes-away")
    assert not list(tmp_path.iterdir())


def test_a_terminal_that_was_stopped():
    """Ctrl-S: nothing can be written to it, not even the one line."""
    terminal = Terminal(*ROWS)
    terminal.until("1,compare,9,")
    terminal.type("\x13")
    time.sleep(0.2)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(timeout=30) == 130
    terminal.type("\x11")
    terminal.rest()


def test_a_counting_process_that_is_killed_is_an_error(tmp_path):
    marker = f"counting-{os.getpid()}"
    process = subprocess.Popen(
        [str(SCRIPT), "sweep", "--k", "1:1000", "--c", "1:1000", "--jobs", "2", "--quiet", "--output", "a.csv"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=clean_environment(DSCONV_TEST_MARKER=marker),
    )  # fmt: skip
    wait_for(lambda: len(running(marker)) == 3, process)
    os.kill(max(one for one in running(marker) if one != process.pid), signal.SIGKILL)
    assert process.communicate()[1] == "error: the measuring process was killed, probably because memory ran out\n"
    assert process.returncode == 3
    assert not running(marker)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_must_not_be_torn_apart_is_finished_first(number):
    program = (
        "import os\nfrom dsconv_cli import interrupts as i\ni.install()\n"
        "i.at_end(lambda: os.write(1, b'undone '))\n"
        f"with i.held:\n    os.kill(os.getpid(), {int(number)})\n    os.write(1, b'finished ')\n"
        "os.write(1, b'never')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout == "finished undone "
    assert result.returncode == (130 if number == signal.SIGINT else -number)

"""In a real terminal: what stands there at once, what is redrawn, what fits."""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest
from conftest import SCRIPT, clean_environment

pty = pytest.importorskip("pty")

LAYER = ("compare", "--k", "64", "--c", "32")


def in_terminal(*arguments, columns=80, lines=40, **env):
    """All that the command writes to a terminal of that size, and its exit code."""
    import fcntl
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        [str(SCRIPT), *arguments], stdin=child, stdout=child, stderr=child, env=clean_environment(**env)
    )
    os.close(child)
    out = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(parent)
    return out.decode().replace("\r\n", "\n"), process.wait(timeout=10)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_closed_forms_first_then_what_was_counted():
    text, code = in_terminal(*LAYER)
    assert code == 0
    pending, done = text.index("thop is counting"), text.index("counted by thop")
    assert text.index("57,802,752") < done
    assert pending < done
    assert text.count("57,802,752") == 2, "drawn twice, in the same place"
    between = text[pending:done]
    assert "\x1b[1A" in between, "the cursor goes back up"


def test_a_terminal_that_cannot_redraw_gets_it_once():
    for env in ({"TERM": "dumb"},):
        text, code = in_terminal(*LAYER, **env)
        assert code == 0
        assert text.count("57,802,752") == 1
        assert "\x1b" not in text


def test_no_color_means_none_not_even_bold():
    text, _ = in_terminal(*LAYER, "--profiler", "none", NO_COLOR="1")
    assert "\x1b[" not in text
    colored, _ = in_terminal(*LAYER, "--profiler", "none")
    assert "\x1b[1m" in colored


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120])
@pytest.mark.parametrize("layer", ["--k 64 --c 32", "--k 65536 --c 65536 --h 65536 --w 65536 --bias --batch 99"])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut(columns, layer):
    text, code = in_terminal("compare", *layer.split(), "--profiler", "none", columns=columns)
    assert code == 0
    lines = plain(text).splitlines()
    assert max(len(line) for line in lines) <= columns
    assert "…" not in text
    words = plain(text)
    for needed in ("ordinary", "separable", "depthwise", "pointwise", "parameters", "MACs", "ratio"):
        assert needed in words


@pytest.mark.parametrize(
    ("columns", "shown"),
    [(120, "57,802,752"), (80, "57,802,752"), (78, "57,802,752"), (70, "57,802,752"), (30, "57,802,752")],
)
def test_exact_counts_survive_narrow_windows(columns, shown):
    text, _ = in_terminal(*LAYER, "--profiler", "none", columns=columns)
    assert shown in plain(text)


def test_machine_formats_are_the_same_in_a_terminal(dsconv):
    arguments = (*LAYER, "--profiler", "none", "--format", "csv")
    assert in_terminal(*arguments)[0] == dsconv(*arguments).stdout

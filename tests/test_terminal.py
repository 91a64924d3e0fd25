"""In a real terminal: what stands there at once, what is redrawn, what fits."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time

import pytest
from conftest import SCRIPT, clean_environment

pty = pytest.importorskip("pty")

LAYER = ("compare", "--k", "64", "--c", "32")


def in_terminal(*arguments, columns=80, lines=40, interrupt_after=None, **env):
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
    if interrupt_after is not None:
        time.sleep(interrupt_after)
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 60
    while select.select([parent], [], [], max(0.0, deadline - time.monotonic()))[0]:
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


def test_the_closed_forms_do_not_wait_for_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    text, code = in_terminal(*LAYER, PYTHONPATH=str(tmp_path))
    assert code == 3
    assert text.index("57,802,752") < text.index("no torch here")
    assert "is counting" not in text[text.rindex("57,802,752") - 400 :], "nobody is counting any more"


@pytest.mark.parametrize(("options", "lines"), [(("--explain",), 24), ((), 12), (("--explain",), 12)])
def test_windows_that_are_too_low_keep_no_half_table(options, lines):
    """What has scrolled away cannot be drawn over, so that it must not be drawn before it is complete."""
    text, code = in_terminal(*LAYER, *options, lines=lines)
    assert code == 0
    drafts = [len(draft.splitlines()) for draft in plain(text).split("counted by")[0].split("is counting")[1:]]
    assert not drafts or lines > 20, "drawn once, at the end"
    assert text.rindex("R×S") > text.index("counted by")
    assert ("From the exact ratio" in text) is ("--explain" in options)
    assert text.count("From the exact ratio to R×S: MACs") == len(options)


def test_colors_stay_away_in_the_live_view_too():
    text, _ = in_terminal(*LAYER, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", text)
    wrong, _ = in_terminal("compare", "--k", "0", "--c", "1", "--color", "never")
    assert "\x1b" not in wrong


def test_ctrl_c_in_a_terminal_leaves_it_usable():
    text, code = in_terminal(*LAYER, "--profiler", "both", interrupt_after=1.0)
    assert code == 130
    assert text.rstrip().endswith("error: interrupted") or "error:" in text.splitlines()[-1]
    assert text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l"), "the cursor is shown"


def test_a_terminal_that_cannot_redraw_gets_it_once():
    text, code = in_terminal(*LAYER, TERM="dumb")
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

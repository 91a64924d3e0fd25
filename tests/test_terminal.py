"""In a real terminal: what stands there at once, what is redrawn, what fits."""

from __future__ import annotations

import os
import re
import sys

import pytest

pytest.importorskip("pty")
import pty
import termios

from terminals import CTRL_C, Terminal

from dsconv_cli.cli.progress import ProgressLine

LAYER = ("compare", "--k", "64", "--c", "32")


def in_terminal(*arguments, **settings):
    """All that the command writes to a terminal, and its exit code."""
    terminal = Terminal(*arguments, **settings)
    code = terminal.rest()
    return terminal.written, code


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_progress_fits_the_terminal_of_stderr_wherever_stdout_goes(monkeypatch):
    """50 columns, of which the last stays free; what is wider would wrap, and its first rows stay for good."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 50))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with ProgressLine(quiet=False) as line:
            line.draw("x" * 200)
            assert os.read(ours, 1000) == b"x" * 49
    os.close(ours)


def test_closed_forms_first_then_what_was_counted():
    text, code = in_terminal(*LAYER)
    assert code == 0
    pending, done = text.index("thop is counting"), text.index("counted by thop")
    assert text.index("57,802,752") < done
    assert pending < done
    assert text.count("57,802,752") == 2, "drawn twice, in the same place"


def test_the_draft_gives_way_to_the_result():
    terminal = Terminal(*LAYER, "--profiler", "both")
    terminal.until("thop and torch are counting")
    assert "thop and torch are counting" in terminal.screen.text
    assert terminal.rest() == 0
    assert terminal.screen.text.count("57,802,752") == 1
    assert "counting" not in terminal.screen.text


def test_the_closed_forms_do_not_wait_for_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    text, code = in_terminal(*LAYER, PYTHONPATH=str(tmp_path))
    assert code == 3
    assert text.index("57,802,752") < text.index("no torch here")
    assert "is counting" not in text[text.rindex("57,802,752") - 400 :], "nobody is counting any more"


@pytest.mark.parametrize(("options", "lines"), [(("--explain",), 24), ((), 12), (("--explain",), 12)])
def test_windows_that_are_too_low_keep_no_half_table(options, lines):
    """What has scrolled away cannot be drawn over, so that it must not be drawn before it is complete."""
    terminal = Terminal(*LAYER, *options, lines=lines)
    assert terminal.rest() == 0
    assert ("is counting" in terminal.written) is (lines > 20), "where it does not fit, drawn once, at the end"
    seen = terminal.screen.text
    assert "counting" not in seen
    assert seen.count("= depthwise") == 1
    assert seen.count("From the exact ratio to R×S: MACs") == len(options)


def test_colors_stay_away_in_the_live_view_too():
    text, _ = in_terminal(*LAYER, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", text)
    wrong, _ = in_terminal("compare", "--k", "0", "--c", "1", "--color", "never")
    assert "\x1b" not in wrong


def test_ctrl_c_in_a_terminal_leaves_it_as_it_was():
    terminal = Terminal(*LAYER, "--profiler", "both")
    terminal.until("counting")
    terminal.type(CTRL_C)
    assert terminal.rest() == 130
    assert terminal.screen.cursor_shown
    assert terminal.screen.text == "error: interrupted"


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

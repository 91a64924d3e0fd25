"""Pages of help: short and whole, as wide as the terminal, with examples that run."""

from __future__ import annotations

import re
import shlex

import pytest

from dsconv_cli.cli import main
from dsconv_cli.cli.help import WIDEST
from dsconv_cli.cli.main import COMMANDS, run
from dsconv_cli.cli.pages import PAGES


def page(capsys, *arguments):
    assert run(list(arguments)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_it_is_as_wide_as_the_terminal_up_to_a_limit(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in COMMANDS:
        lines = page(capsys, command, "--help").splitlines()
        prose = [line for line in lines if not line.startswith(("  dsconv ", "  -"))]
        assert max(map(len, prose)) <= min(columns, WIDEST)
        assert columns <= 80 or max(map(len, prose)) > 80


@pytest.mark.parametrize("command", COMMANDS)
def test_the_short_page_fits_a_screen_and_the_whole_one_has_everything(capsys, command):
    short, whole = (page(capsys, command, option) for option in ("-h", "--help"))
    assert len(short.splitlines()) <= 45
    assert f"All options: dsconv {command} --help" in short
    assert short.count("(") == short.count(")"), "no sentence ends within parentheses"
    for param in main.make_app([command]).commands[command].params:
        if param.param_type_name == "option":
            assert all(name in whole for name in (*param.opts, *param.secondary_opts))


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("compare", "Usage: dsconv compare [OPTIONS] K C [R S]"),
        ("sweep", "Usage: dsconv sweep [OPTIONS] (--k LIST --c LIST | --from FILE)"),
        ("model", "Usage: dsconv model [OPTIONS] TARGET"),
        ("doctor", "Usage: dsconv doctor [OPTIONS]"),
    ],
)
def test_usage_tells_what_is_required(capsys, command, usage):
    for option in ("-h", "--help"):
        assert page(capsys, command, option).splitlines()[0] == usage


@pytest.mark.parametrize(("command", "name"), [("compare", "K C [R S]"), ("model", "TARGET")])
def test_arguments_stand_under_arguments(capsys, command, name):
    for option in ("-h", "--help"):
        section = page(capsys, command, option).partition("Arguments:\n")[2].partition("\n\n")[0]
        assert section.split("  ")[1] == name


def test_the_program_itself_lists_its_commands(capsys):
    pages = {page(capsys, *words) for words in ((), ("-h",), ("--help",))}
    assert len(pages) == 1
    (text,) = pages
    assert all(re.search(rf"^  {command} ", text, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(("page_of", "example"), [(name, one) for name, page in PAGES.items() for one in page.examples])
def test_every_page_has_three_examples_that_are_understood(page_of, example, capsys):
    """Those that load a network or measure are parsed, the others run."""
    assert len(PAGES[page_of].examples) == 3
    program, command, *arguments = shlex.split(example)
    assert program == "dsconv"
    parsed = main.make_app([command]).commands[command]
    if {"--time", "--from", "--help"} & {*arguments} or command in ("model", "doctor"):
        if "--help" not in arguments:
            parsed.make_context(command, arguments)
        return
    assert run([command, *arguments, "--profiler", "none"]) == 0
    assert capsys.readouterr().out

"""README.md and docs/ against the program they describe."""

from __future__ import annotations

import difflib
import re
from xml.etree import ElementTree as ET

import pytest
import readme
from conftest import ROOT

from dsconv_cli.cli.main import COMMANDS

TEXTS = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in readme.FILES}
TEXT = TEXTS["README.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if readme.BLOCK.search(text)])
def test_every_shown_output_is_real(name):
    text = TEXTS[name]
    again = readme.rewritten(text)
    difference = "\n".join(difflib.unified_diff(text.splitlines(), again.splitlines(), name, "real", lineterm=""))
    assert not difference, f"run `python tests/readme.py {name}`:\n{difference}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help_there(command):
    checked = "".join(block[2] for block in readme.BLOCK.finditer(TEXTS["docs/cli.md"]))
    assert f"$ dsconv {command} --help" in readme.commands_in(checked) or f"$ dsconv {command} --help\n" in checked


def test_readme_is_short():
    assert len(TEXT.splitlines()) <= 250


@pytest.mark.parametrize("name", TEXTS)
def test_what_it_points_to_exists(name):
    for link in (first or second for first, second in _LINK.findall(TEXTS[name])):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{name}: {link}"


def test_readme_leads_to_every_page():
    for name in TEXTS:
        assert name == "README.md" or f"]({name})" in TEXT, f"README.md does not mention {name}"


def test_a_table_that_is_there_twice_says_the_same_twice():
    tables = {}
    for text in TEXTS.values():
        for header, rows in re.findall(r"^(\| K×C.*\|)\n\|[-|]+\n((?:\|.*\|\n)+)", text, re.MULTILINE):
            tables.setdefault(header, set()).add(rows)
    assert len(tables) >= 2
    assert all(len(rows) == 1 for rows in tables.values())


@pytest.mark.parametrize("name", TEXTS)
def test_shown_outputs_fit_a_page(name):
    for block in re.findall(r"```console\n(.*?)```\n", TEXTS[name], re.DOTALL):
        wide = [line for line in block.splitlines() if len(line) > readme.COLUMNS and not line.startswith("$ ")]
        assert not wide, f"{name}: wider than {readme.COLUMNS} columns"


def test_both_set_up_commands_use_the_constraints():
    commands = [line for line in TEXT.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert all("-c constraints.txt" in command for command in commands)
    assert "dsconv compare --k 64 --c 32 --r 3 --s 3" in commands[0]
    assert "pytest" in commands[1]


@pytest.mark.parametrize("name", TEXTS)
def test_every_picture_comes_with_the_command_that_makes_it(name):
    """Times differ from run to run; what a picture is of, and that it is one, does not."""
    shown = {link for links in _LINK.findall(TEXTS[name]) for link in links if link.endswith((".svg", ".png"))}
    made = [command.split() for command in readme.pictures_in(TEXTS[name])]
    for link in shown:
        path = ((ROOT / name).parent / link).relative_to(ROOT)
        assert any(word.rpartition(":")[2] == str(path) for words in made for word in words), f"{name}: {link}"
        ET.parse(ROOT / path)


def test_pictures_of_formulas_are_of_today(tmp_path):
    (tmp_path / "docs").mkdir()
    every = [command for text in TEXTS.values() for command in readme.pictures_in(text)]
    commands = [command for command in every if not {"--time", "--runtime"} & {*command.split()}]
    readme.outputs(commands, tmp_path)
    for picture in (tmp_path / "docs").iterdir():
        assert picture.read_bytes() == (ROOT / "docs" / picture.name).read_bytes(), f"run {commands}"
    assert (tmp_path / "docs" / "sweep.svg").exists()


def test_the_picture_shows_time_in_dark_and_light():
    assert "prefers-color-scheme: dark" in TEXT
    command = readme.pictures_in(TEXT)[0]
    assert "--time" in command.split()
    for name in ("docs/timed-dark.svg", "docs/timed-light.svg"):
        words = " ".join(ET.parse(ROOT / name).getroot().itertext()).replace("\xa0", " ")
        # 64·32·9 and 64·32 + 32·9 weights, each used at 32·32 places.
        for figure in ("18,874,368", "2,392,064", "7.89×", "time", "µs"):
            assert figure in words, f"{name} lacks {figure}"

"""[tool.dsconv] of pyproject.toml, and networks that are not named."""

from __future__ import annotations

import json

import pytest

from dsconv_cli.cli.main import run

NET = """
from torch import nn

def net(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3, bias=False), nn.Conv2d(width, 8, 3, bias=False))
"""
#: 3·4·9 + 4·8·9 weights.
WEIGHTS = 3 * 4 * 9 + 4 * 8 * 9
PROJECT = """
[tool.dsconv]
target = "net.py:net"
input = [1, 3, 16, 16]
fail-over = ["totals.params.before=500"]
"""
GET = ("--get", "totals.params.before")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a network, in which we are; `project(text)` writes its pyproject.toml."""
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "pyproject.toml").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def ran(capsys):
    def run_here(*arguments):
        code = run(["model", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run_here


def test_it_gives_target_inputs_and_gates(project, ran):
    project(PROJECT)
    assert ran(*GET) == (0, f"{WEIGHTS}\n", "")
    code, out, err = ran(*GET, "--arg", "width=8")
    assert (code, out) == (1, f"{3 * 8 * 9 + 8 * 8 * 9}\n")
    assert "totals.params.before is 792, over 500" in err


def test_options_count_more(project, ran):
    project(PROJECT)
    assert ran(*GET, "--arg", "width=8", "--fail-over", "totals.params.before=800")[0] == 0
    assert ran("--input", "1,3,8,8", "--get", "model.output")[1] == "(1, 8, 4, 4)\n"
    code, _, err = ran("net.py:nothing", *GET)
    assert code == 2
    assert "'nothing'" in err
    (code, out, err) = ran("--no-config")
    assert (code, out) == (2, "")
    assert "missing argument 'TARGET'" in err


def test_an_option_of_a_pair_replaces_the_other(project, ran):
    folder = project(PROJECT)
    (folder / "batch.py").write_text("import torch\n\ndef first():\n    return torch.ones(1, 3, 9, 9)\n")
    assert ran("--inputs", "batch.py:first", "--get", "model.output")[1] == "(1, 8, 5, 5)\n"


def test_it_is_found_upwards_and_its_paths_are_its_own(project, ran, monkeypatch):
    folder = project(PROJECT)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    monkeypatch.chdir(folder / "deep" / "er")
    assert ran(*GET) == (0, f"{WEIGHTS}\n", "")


def test_what_it_has_written_is_beside_it_too(project, ran, monkeypatch):
    folder = project(
        f'{PROJECT}\noutput = ["cost.json", "csv:cost.txt", "svg-light:page.txt"]\nlayers = "layers.csv"\n'
    )
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    assert ran("--arg", "width=4", "--quiet")[0] == 0
    assert not list((folder / "deep").iterdir())
    assert json.loads((folder / "cost.json").read_text())["totals"]["params"]["before"] == WEIGHTS
    assert (folder / "cost.txt").read_text().startswith("name,")
    assert (folder / "page.txt").read_text().startswith("<svg")
    assert (folder / "layers.csv").exists()


def test_verbose_shows_what_was_taken(project, ran):
    folder = project(PROJECT)
    code, _, err = ran(*GET, "--input", "1,3,8,8", "--verbose")
    assert code == 0
    assert f"note: from {folder / 'pyproject.toml'} [tool.dsconv]: target = net.py:net; fail-over = totals" in err
    assert "input" not in err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("target = 3.5", "TARGET must be "),
        ("input = {a = 1}", "input must be text or a list of texts, not {'a': 1}"),
        ("input = [true]", "input must be text or a list of texts, not True"),
        ("time = 'yes'", "time must be true or false, not 'yes'"),
        ("targt = 'net.py'", "unknown key 'targt'; did you mean target, "),
        ("get = 'totals.macs'", "unknown key 'get'"),
        ("fail-over = ['totals.macs.before']", "--fail-over takes KEY=NUMBER"),
        ("fail-over = ['totals.macs.befor=3']", "unknown key 'totals.macs.befor'"),
        ("target = 'none.py:net'", "no file 'none.py'"),
        ("depth-multiplier = 0", "--depth-multiplier must be a positive integer, not '0'"),
        ("target = ", "cannot be read"),
    ],
)
def test_what_is_wrong_in_it_is_told_with_file_and_key(project, ran, text, complaint):
    key = text.partition(" ")[0]
    base = "" if key == "target" else "target = 'net.py:net'\n"
    folder = project(f"[tool.dsconv]\n{base}{text}\n")
    code, out, err = ran(*([] if key == "input" else ["--input", "1,3,16,16"]))
    assert (code, out) == (2, "")
    assert complaint in err
    assert str(folder / "pyproject.toml") in err
    assert key in err or "line 2" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "arguments", "complaint"),
    [
        ("arg = 'width=8'", ["resnet18"], "TARGET must be "),
        (
            "input = [1, 3, 16, 16]",
            ["net.py:net", "--inputs", "net:net", "--input-dtype", "int8"],
            "--inputs gives all",
        ),
    ],
)
def test_a_key_is_not_blamed_for_words_that_its_name_is_a_part_of(project, ran, text, arguments, complaint):
    project(f"[tool.dsconv]\n{text}\n")
    code, _, err = ran(*arguments)
    assert code == 2
    assert complaint in err
    assert "pyproject" not in err


def test_files_that_are_not_for_us_may_be_broken(project, ran):
    project("[tool.other\n")
    assert ran("net.py:net", "--input", "1,3,16,16", *GET)[0] == 0
    project("[tool]\ndsconv = 3\n")
    code, _, err = ran("net.py:net", "--input", "1,3,16,16")
    assert code == 2
    assert "tool.dsconv must be a table" in err


def test_a_page_of_help_reads_no_file(project, ran):
    project("[tool.dsconv]\ntarget = 3.5\nnonsense = 1\n")
    for option in ("--help", "-h", "--keys"):
        assert ran(option)[0] == 0


ONE = "class Net(nn.Module):\n    def __init__(self, width=4):\n        super().__init__()\n        self.a = nn.Conv2d(3, width, 3)\n    def forward(self, x):\n        return self.a(x)\n"
TWO = ONE + ONE.replace("Net", "Other")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (ONE, "net.py:Net"),
        (f"{ONE}model = Net()\n", "net.py:model"),
        (f"{ONE}def main():\n    raise SystemExit\n", "net.py:Net"),
        (f"{ONE}def main(file):\n    pass\n_hidden = nn.Conv2d(3, 4, 3)\n", "net.py:Net"),
        ("def net(width=4):\n    return nn.Conv2d(3, width, 3)\ndef _helper():\n    pass\n", "net.py:net"),
        ("def net() -> nn.Module:\n    return nn.Conv2d(3, 8, 3)\ndef main():\n    raise SystemExit\n", "net.py:net"),
        (ONE.replace("width=4", "width"), "--arg width=4: net.py:Net"),
        ("model = nn.Conv2d(3, 4, 3)\nfrom torch.nn import Linear\n", "net.py:model"),
    ],
)
def test_a_file_with_one_network_needs_no_name(project, ran, tmp_path, text, target):
    (tmp_path / "net.py").write_text(f"from torch import nn\n{text}")
    option, _, name = target.rpartition(": ")
    assert ran("net.py", "--input", "1,3,8,8", "--get", "model.target", *option.split()) == (0, f"{name}\n", "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TWO, "net.py holds several networks; name one of net.py:Net, net.py:Other"),
        (
            "def a():\n    pass\ndef b():\n    pass\n",
            "several functions that may make one; name one of net.py:a, net.py:b",
        ),
        (ONE.replace("width=4", "width"), "no network can be made without arguments; there is net.py:Net(width)"),
        ("x = 3\n", "net.py: no network is in it"),
    ],
)
def test_and_another_one_is_told_what_there_is(project, ran, tmp_path, text, complaint):
    (tmp_path / "net.py").write_text(f"from torch import nn\n{text}")
    code, out, err = ran("net.py", "--input", "1,3,8,8")
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("torchvision.models.resnet18", "did you mean torchvision.models:resnet18?"),
        ("net.py.net", "did you mean net.py:net?"),
        ("resnet18", "not 'resnet18'\n"),
        ("none.py", "no file 'none.py'"),
    ],
)
def test_a_dot_is_answered_with_the_colon(project, ran, target, complaint):
    code, out, err = ran(target, "--input", "1,3,8,8")
    assert (code, out) == (2, "")
    assert complaint in err

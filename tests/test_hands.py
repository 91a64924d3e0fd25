"""What hands type: sizes without names, short names, one name for two fields, and what is said of a wrong one."""

from __future__ import annotations

import json
import re

import pytest

from dsconv_cli.cli.main import COMMANDS, run
from dsconv_cli.keys import POSITIVE, Key, Keys

CLOSED = ("--profiler", "none")


@pytest.fixture
def ran(capsys):
    """`ran("compare", …)`: the exit code, stdout and stderr of a command in this process."""

    def run_here(*arguments):
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run_here


def value(ran, *arguments):
    code, out, err = ran(*arguments, *CLOSED)
    assert (code, err) == (0, "")
    return out.strip()


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        ("64 32", 64 * 32 * 9),
        ("64 32 5 5", 64 * 32 * 25),
        ("64 32 5", 64 * 32 * 25),
        ("64 32 5 3", 64 * 32 * 15),
        ("-k 64 -c 32", 64 * 32 * 9),
        ("-k64 -c32", 64 * 32 * 9),
        ("--out-channels 64 --in-channels 32", 64 * 32 * 9),
        ("64 --c 32", 64 * 32 * 9),
        ("64 32 --kernel 5", 64 * 32 * 25),
        ("64 32 --kernel 5,3", 64 * 32 * 15),
        ("--k 64 --c 32 --r 5", 64 * 32 * 15),
    ],
)
def test_a_layer_has_many_spellings(ran, words, weights):
    assert value(ran, "compare", *words.split(), "--get", "params.ordinary") == str(weights)


@pytest.mark.parametrize(
    ("words", "positions"), [("--size 28", 28 * 28), ("--size 28,14", 28 * 14), ("--h 28", 28 * 56)]
)
def test_the_size_of_the_input_too(ran, words, positions):
    found = value(ran, "compare", "64", "32", *words.split(), "--get", "macs.ordinary")
    assert found == str(64 * 32 * 9 * positions)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "K and C are missing: dsconv compare K C [R S], or --k and --c"),
        ("64", "C is missing: dsconv compare K C [R S], or --c"),
        ("--c 64", "K is missing"),
        ("1 2 3 4 5", "'5' is one too many: dsconv compare takes K C [R S]"),
        ("64 32 --k 16", "K is given twice: '64' and --k '16'"),
        ("64 32 3 3 --kernel 5", "R is given twice: '3' and --kernel"),
        ("64 32 --kernel 5 --r 3", "--kernel sets --r too; give one of them"),
        ("64 32 --size 28 --w 3", "--size sets --w too; give one of them"),
        ("64 x", "C must be a positive integer, not 'x'"),
        ("64 32 0", "R must be a positive integer, not '0'"),
        ("k=64 c=32", "'k=64': options are written --k 64"),
        ("64 32 depth_multiplier=2", "'depth_multiplier=2': options are written --depth-multiplier 2"),
        ("64 32 bias=1", "'bias=1': options are written --bias or --no-bias"),
        ("64 32 --kernel 3,3,3", "--kernel must be one number or two"),
        ("64 32 --size big", "--size must be a positive integer, not 'big'"),
        ("64 32 --json --format csv", "--json and --format csv contradict each other"),
    ],
)
def test_what_contradicts_itself_is_refused(ran, words, complaint):
    code, out, err = ran("compare", *words.split(), *CLOSED)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_short_names_and_json(ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ran("compare", "64", "32", *CLOSED, "-q", "-f", "csv", "-o", "a.json")[0] == 0
    written = json.loads((tmp_path / "a.json").read_text())
    monkeypatch.setenv("DSCONV_FORMAT", "csv")
    for command in (("compare", "64", "32"), ("compare", "64", "32", "-f", "json")):
        assert json.loads(ran(*command, *CLOSED, *([] if "-f" in command else ["--json"]))[1]) == written
    rows = ran("sweep", "-k", "8,16", "-c", "8", *CLOSED, "--json")[1]
    assert [json.loads(line)["spec"]["k"] for line in rows.splitlines()] == [8, 16]
    assert ran("-V")[1] == ran("--version")[1] != ""


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ("--kernel 3,5", [(3, 3, 56, 56), (5, 5, 56, 56)]),
        ("--kernel 3:7:2", [(3, 3, 56, 56), (5, 5, 56, 56), (7, 7, 56, 56)]),
        ("--kernel 3x1,3x5,1x5", [(3, 1, 56, 56), (3, 5, 56, 56), (1, 5, 56, 56)]),
        ("--kernel 5 --size 14,7x28", [(5, 5, 14, 14), (5, 5, 7, 28)]),
        ("--kernel 3,5 --size 7,14", [(3, 3, 7, 7), (3, 3, 14, 14), (5, 5, 7, 7), (5, 5, 14, 14)]),
        ("--kernel 3,5 --zip h=r --w 9", [(3, 3, 3, 9), (5, 5, 5, 9)]),
    ],
)
def test_a_sweep_walks_height_and_width_together(ran, words, sizes):
    code, out, err = ran(
        "sweep", "-k", "8", "-c", "8", *words.split(), *CLOSED, "--quiet", "--format", "csv", "--columns", "r,s,h,w"
    )
    assert (code, err) == (0, "")
    assert [tuple(map(int, row.split(","))) for row in out.splitlines()[1:]] == sizes


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--kernel 3,3", "--kernel: 3 is there twice"),
        ("--kernel 3 --r 5", "--kernel sets --r too"),
        ("--kernel 3,5 --zip s=r", "--zip s=r sets s, which has a value of its own"),
        ("--kernel 3,5 --zip h,r --h 7,9", "--zip h,r does not go with --kernel; use --r and --s"),
        ("--size 3x5x7", "--size must be one number or two, HEIGHTxWIDTH"),
        ("64 32", "unexpected extra argument"),
    ],
)
def test_and_refuses_what_it_cannot(ran, words, complaint):
    code, out, err = ran("sweep", "-k", "8", "-c", "8", *words.split(), *CLOSED)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        ("compare --filters 64", "no such option: --filters; did you mean --k?"),
        ("compare --kernel-size 3", "did you mean --kernel?"),
        ("compare --kernel_size 3", "did you mean --kernel?"),
        ("compare --input-size 3", "did you mean --size?"),
        ("model --input-size 3", "did you mean --input?"),
        ("compare --strid 3", "did you mean --stride?"),
        ("compare --in_channels 3", "did you mean --in-channels?"),
        ("compare --gpu", "did you mean --device cuda?"),
        ("compare --where x", "it is an option of dsconv sweep"),
        ("compare --nonsense", "no such option: --nonsense; see 'dsconv compare --help'"),
        ("compare -x", "no such option: -x; see 'dsconv compare --help'"),
        ("--nonsense", "no such option: --nonsense; see 'dsconv --help'"),
        ("sweep --limit 3", "did you mean --top?"),
        ("64 32", "no such command '64'; did you mean dsconv compare 64?"),
        ("net.py", "no such command 'net.py'; did you mean dsconv model net.py?"),
        ("compere", "did you mean 'compare'?"),
    ],
)
def test_a_wrong_option_is_answered_with_what_is_near(ran, words, proposed):
    code, out, err = ran(*words.split())
    assert (code, out) == (2, "")
    assert proposed.lower() in err.lower()
    assert err.count("\n") == 1


def test_every_synonym_stands_for_an_option_that_some_command_has():
    from dsconv_cli.cli import main, suggestions

    known = {
        name for command in main.make_app(COMMANDS).commands.values() for one in command.params for name in one.opts
    }
    for options, words in suggestions._SYNONYMS.items():
        assert any(option.partition(" ")[0] in known for option in options), words


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("compare 64 32 --get macs.ration", "unknown key 'macs.ration'; did you mean macs.ratio, "),
        ("compare 64 32 --get speedup", "did you mean time.speedup, "),
        ("compare 64 32 --get zzzz", "unknown key 'zzzz'; --keys lists all"),
        ("model net.py --get totals.mac", "did you mean totals.macs."),
        ("sweep -k 8 -c 8 --sort macs.rato", "--sort: unknown key 'macs.rato'; did you mean macs.ratio"),
        ("doctor --get noise.ration", "did you mean noise.ratio"),
    ],
)
def test_an_unknown_key_names_a_few_near_ones(ran, words, complaint):
    code, out, err = ran(*words.split())
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.rstrip().endswith("--keys lists all")
    assert err.count(".") < 12, "a few, and not all"


@pytest.mark.parametrize("command", COMMANDS)
def test_keys_lists_them_all_with_what_they_are(ran, command):
    from dsconv_cli.cli.completion import keys_of

    code, out, err = ran(command, "--keys")
    assert (code, err) == (0, "")
    listed = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert {*keys_of(command)} <= {*listed}
    if command in ("compare", "sweep"):
        assert "integer; bytes" in listed["traffic.ordinary"]
        assert "number; ordinary / separable" in listed["macs.ratio"]
        assert re.search(r"^time: .*Needs --time\.$", out, re.MULTILINE)


def test_a_figure_stands_for_its_ratio(ran):
    """64·9 ÷ (64 + 9) = 7.89; in gates, --get, --where and --sort alike."""
    closed = ("64", "32", *CLOSED)
    assert ran("compare", *closed, "--get", "macs")[1] == f"{576 / 73!r}\n"
    assert ran("compare", *closed, "--get", "k")[1] == "64\n"
    assert ran("compare", *closed, "--fail-under", "macs=7.8", "--get", "k")[0] == 0
    code, _, err = ran("compare", *closed, "--fail-under", "macs=7.9", "--get", "k")
    assert code == 1
    assert "macs.ratio is 7.89" in err
    rows = ("sweep", "-k", "16,64,32", "-c", "8", *CLOSED, "--format", "csv", "--columns", "k")
    assert ran(*rows, "--sort", "macs")[1].split() == ["spec.k", "64", "32", "16"]
    assert ran(*rows, "--where", "macs > 7")[1].split() == ["spec.k", "64", "32"]


def test_a_figure_without_a_ratio_has_none():
    keys = Keys([Key("a.b", POSITIVE, "b"), Key("c.ratio", POSITIVE, "d")], within="a")
    assert (keys.find("b"), keys.find("c"), keys.find("a.b")) == ("a.b", "c.ratio", "a.b")
    with pytest.raises(Exception, match="unknown key 'a'"):
        keys.find("a")

"""Input that is larger, deeper or stranger than anyone means: one line, exit 2, nothing on stdout, and at once."""

from __future__ import annotations

import json
import random
import signal

import pytest

from dsconv_cli.cli import run

LONG = "9" * 5000
WORD = "q" * 60_000
LAYER = ("--k", "64", "--c", "32")
TIMED = (*LAYER, "--time")


@pytest.fixture
def refused(capsys):
    """Runs a sweep, and gives the line that refuses it."""

    def refused(*arguments):
        assert run(["sweep", "--quiet", "--profiler", "none", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert len(err) < 4100
        assert err.rstrip("\n").isprintable()
        return err

    return refused


@pytest.fixture(autouse=True)
def at_once():
    """What takes half a minute takes forever: the slowest of these is done in a second."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(30)
    yield
    signal.alarm(0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--k", LONG, "--c", "8"), "--k must be at most 2^63 - 1"),
        (("--k", "1e400", "--c", "8"), "--k must be a positive integer, not '1e400'"),
        (("--k", f"1:8:*{LONG}", "--c", "8"), "the factor must be at most 2^63 - 1"),
        (("--k", f"1:8:{LONG}", "--c", "8"), "the step must be at most 2^63 - 1"),
        (("--k", ",".join(map(str, [*range(1, 20_001), 5])), "--c", "8"), "5 is there twice"),
        (("--k", ",".join(f"{2 * i}:{2 * i + 1}" for i in range(1, 9000)), "--c", "8"), "at most 100"),
        ((*LAYER, "--stride", "1:1000000000,7"), "7 is there twice"),
        ((*LAYER, "--padding", f"0:{2**63 - 1},3"), "3 is there twice"),
        (("--k", "1:1000000000", "--c", "1:1000000000"), "a table of more than 1,000,000 rows"),
        ((*LAYER, "--stride", "1:1000000000", "--format", "markdown"), "a table of more than 1,000,000 rows"),
        (("--k", "8", "--zip", "c=k*1" + "0" * 22), "the factor must be at most 2^63 - 1"),
        (("--k", "8", "--zip", f"c={LONG}*k"), "the factor must be at most 2^63 - 1"),
        (("--k", "8", "--zip", f"c=k*{2 * 10**18}"), "makes c larger than 2^63 - 1"),
        (("--k", "8", "--zip", WORD), "cannot be tied"),
        ((*LAYER, "--where", f"k < {LONG}"), "too large a number"),
        ((*LAYER, "--where", "(" * 9000), "nested more than"),
        ((*LAYER, "--where", WORD), "longer than 10000"),
        ((*LAYER, "--top", LONG), "--top must be at most"),
        ((*LAYER, "--jobs", LONG), "--jobs must be at most 1,000"),
        ((*LAYER, "--shard", f"{LONG}/{LONG}"), "--shard takes I/N"),
        ((*LAYER, "--sort", WORD), "unknown key"),
        ((*LAYER, "--sort", f"k:{WORD}"), "the direction must be asc or desc"),
        ((*LAYER, "--columns", ",".join(["k"] * 20_000)), "has spec.k twice"),
        ((*LAYER, "--columns", WORD), "unknown key"),
        ((*LAYER, "--get", WORD), "unknown key"),
        ((*LAYER, "--fail-under", f"macs.ratio={LONG}"), "is not a finite number"),
        ((*LAYER, "--fail-over", f"{WORD}=1"), "unknown key"),
        ((*LAYER, "--fail-over", "macs.ratio=1e99999"), "is not a finite number"),
        ((*LAYER, "--output", WORD), "names no format"),
        ((*LAYER, "--format", WORD), "--format must be one of"),
        ((*LAYER, "--dtype", WORD), "--dtype must be one of"),
        ((*LAYER, "--from", WORD), "cannot read"),
        ((*TIMED, "--threads", LONG), "--threads must be at most 1,024"),
        ((*TIMED, "--threads", "1000000"), "--threads must be at most 1,024"),
        ((*TIMED, "--budget", LONG), "--budget must be a number of seconds"),
        ((*TIMED, "--budget", "1e300"), "--budget must be a number of seconds"),
        ((*TIMED, "--budget", "1_0"), "--budget must be a number of seconds"),
        ((*TIMED, "--budget", "٣"), "--budget must be a number of seconds"),
        ((*TIMED, "--budget", "nan"), "--budget must be a number of seconds"),
        ((*TIMED, "--device", f"cuda:{LONG}"), "device must be cpu, cuda"),
    ],
)
def test_options(refused, arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "key", "answer"),
    [
        (("--k", ",".join(map(str, range(1, 20_001))), "--c", "8", "--sort", "k", "--top", "1"), "k", "20000"),
        ((*LAYER, "--stride", "1:999999999", "--shard", "777/999999999"), "stride", "777,777"),
        (("--k", "0" * 30_000 + "8", "--c", "8"), "k", "8"),
        ((*LAYER, *(word for _ in range(3000) for word in ("--where", "k < 100"))), "k", "64"),
    ],
)
def test_what_is_merely_long_is_answered(capsys, arguments, key, answer):
    assert run(["sweep", "--quiet", "--profiler", "none", *arguments, "--get", key]) == 0
    assert capsys.readouterr().out == f"{answer}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k,c,name\n1,1," + "x" * 10**6 + "\n", "is not CSV: field larger than field limit"),
        (",".join(f"c{i}" for i in range(200_000)) + "\n", "unknown column 'c0'"),
        ("k,c," + ",".join(["k"] * 100_000) + "\n1,1\n", "k is there twice"),
        (f"k,c\n{LONG},1\n", "line 2, k: must be at most 2^63 - 1"),
        ("k,c\n1\0,1\n", r"must be a positive integer, not '1\x00'"),
        ("k,c,\x1b[31m\n", r"unknown column '\x1b[31m'"),
        ("\0" * 10**6, "is not CSV"),
        ("x" * 10**6, "is not CSV"),
        ("k,c\n1,1\n".encode("utf-16"), "is not UTF-8"),
        ("k,c,name\n1,1,größe\n".encode("latin-1"), "is not UTF-8"),
        (f'{{"k": {LONG}, "c": 1}}', "line 1, k: must be at most 2^63 - 1"),
        (f'{{"k": -{LONG}, "c": 1}}', "line 1, k: must be a positive integer"),
        ('{"k": 1e400, "c": 1}', "line 1, k: must be a positive integer, not 'inf'"),
        ('{"k": NaN, "c": 1}', "line 1, k: must be a positive integer, not 'nan'"),
        ('{"k": 1, "k": 2, "c": 1}', "line 1: k is there twice"),
        (r'{"\ud800": 1, "\ud800": 2}', r"line 1: \ud800 is there twice"),
        (r'{"k": "\ud800", "c": 1}', r"not '\ud800'"),
        ("[" * 200_000, "neither JSON Lines nor one JSON document"),
        ('{"k": ' * 50_000, "neither JSON Lines nor one JSON document"),
        ('{"c": 1, "k": ' + "[" * 900 + "]" * 900 + "}", "line 1, k: must be a positive integer, not '[[[["),
        ("{" + ",".join(f'"a{i}": 1' for i in range(100_000)) + "}", "unknown column 'a0'"),
        ('{"spec": [1, 2]}', "unknown column 'spec'"),
        ('{"spec": {"k": 1, "c": 1, "bias": {"foo": true}}}', "unknown column 'spec.bias.foo'"),
        ('{"k": 1, "c": 1, "bias": {"a": 1}}', "line 1, bias: must be true or false"),
    ],
)
def test_files(refused, tmp_path, text, words):
    path = tmp_path / "layers"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert words in refused("--from", path)


def test_a_file_that_cannot_be_read(refused, tmp_path):
    assert "is a directory" in refused("--from", tmp_path)


PIECES = (
    *("k", "c", "stride", "spec.k", "macs.ratio", "name", "eligible", "1", "64", "0", "-1", "1e9", LONG[:30], "2x1"),
    *(
        ",",
        ":",
        ":*",
        "*",
        "/",
        "=",
        ";",
        "\t",
        "\n",
        "(",
        ")",
        "<",
        " and ",
        "not ",
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        "\0",
    ),
    *("half", "true", "null", "float32", "é", "\ud800", "\x1b", "\ufeff", ""),
)


@pytest.mark.parametrize("seed", range(150))
def test_anything_is_answered_or_refused_in_one_line(capsys, tmp_path, seed):
    """Seeded nonsense in every place that takes a text: never a traceback, never a second line."""
    dice = random.Random(seed)

    def nonsense():
        return "".join(dice.choices(PIECES, k=dice.randint(1, 8)))

    path = tmp_path / "layers"
    rows = [",".join(nonsense() for _ in range(dice.randint(1, 3))) for _ in range(3)]
    header = dice.choice(["k,c", "k,c,name", "name;k;c", nonsense()])
    texts = ["\n".join([header, *rows]), json.dumps({"k": nonsense(), "c": 1, nonsense(): nonsense()}), nonsense()]
    path.write_bytes(dice.choice(texts).encode("utf-8", "surrogatepass"))
    options = [
        "--k",
        "--c",
        "--stride",
        "--padding",
        "--dtype",
        "--zip",
        "--where",
        "--sort",
        "--top",
        "--columns",
        "--get",
    ]
    chosen = [
        word for name in dice.sample(options, dice.randint(1, 3)) for word in (name, nonsense().replace("\0", ""))
    ]
    source = ["--from", str(path)] if dice.random() < 0.5 else ["--k=8", "--c=8"]
    code = run(["sweep", "--quiet", "--profiler", "none", "--strict", *source, *chosen])
    out, err = capsys.readouterr()
    assert code in {0, 2}, (chosen, path.read_bytes(), err)
    if code == 2:
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: "), (chosen, path.read_bytes(), out, err)
    else:
        assert err == ""

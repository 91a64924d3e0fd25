"""The installed command: formats, streams, gates, files, exit codes, locales, widths."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from conftest import SCRIPT, clean_environment

LAYER = ("compare", "--k", "64", "--c", "32", "--r", "3", "--s", "3")
CLOSED = (*LAYER, "--profiler", "none")
ANSI = "\x1b["


def one_line_error(result, code):
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr


# The main job


def test_the_example_counts_with_thop_and_prints_the_table(dsconv):
    result = dsconv(*LAYER)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"parameters +18,432 +2,336 +288 +2,048 +7.89× +9×", result.stdout)
    assert re.search(r"MACs +57,802,752 +7,325,696 +903,168 +6,422,528 +7.89× +9×", result.stdout)
    assert re.search(r"memory traffic +1.28 MB +2.02 MB +804 kB +1.21 MB +0.634×", result.stdout)
    assert "counted by thop 0.1.1" in result.stdout
    assert "R×S = 9 overstates the ratio by 14.1%: K is small; --explain derives it." in result.stdout
    assert "no bias, float32" in result.stdout
    assert "1×32×56×56 → 1×32×56×56 → 1×64×56×56" in result.stdout


@pytest.mark.parametrize("profiler", ["thop", "torch", "both"])
def test_each_profiler_answers(capsys, profiler):
    from dsconv_cli.cli import run

    assert run([*LAYER, "--profiler", profiler, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["measured"]["profiler"] == profiler
    assert document["measured"]["macs"] == {"ordinary": 57802752, "separable": 7325696, "ratio": 576 / 73}
    names = document["environment"]["versions"]["profiler"]
    assert ("thop 0.1.1" in names, "torch 2" in names) == (profiler != "torch", profiler != "thop")


def test_a_layer_of_any_size_takes_no_longer(dsconv):
    result = dsconv(
        "compare", *["--k", "4096", "--c", "4096", "--h", "4096", "--w", "4096", "--get", "measured.macs.ordinary"]
    )
    assert result.stdout == f"{4096**4 * 9}\n"


def test_keras_bias(dsconv):
    options = ("--bias", "--no-depthwise-bias", "--get", "params.separable")
    assert dsconv(*CLOSED, *options).stdout == "2400\n"


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        ("--r 1 --s 1", "params.ratio", repr(64 / 65)),
        ("--r 2 --s 4", "shapes.output", "1,64,55,55"),
        ("--r 2 --s 4 --padding same", "shapes.output", "1,64,56,56"),
        ("--padding valid --stride 2,1", "shapes.output", "1,64,27,54"),
        ("--padding 5,0", "shapes.output", "1,64,64,54"),
        ("--dilation 2 --h 5 --w 5", "spec.padding", "2,2"),
        ("--r 9 --s 9 --h 3 --w 3 --padding 4", "shapes.output", "1,64,3,3"),
        ("--batch 8", "macs.ordinary", str(8 * 57802752)),
        ("--depth-multiplier 2", "shapes.intermediate", "1,64,56,56"),
        ("--dtype float16", "traffic.ordinary", str(2 * 319488)),
        ("--bias", "spec.bias.depthwise", "true"),
        ("--ordinary-bias", "params.ordinary", "18496"),
    ],
)
def test_layer_options(dsconv, options, key, value):
    result = dsconv(*CLOSED, *options.split(), "--get", key)
    assert (result.returncode, result.stdout, result.stderr) == (0, value + "\n", "")


def test_exact_at_any_size(dsconv):
    big = ("compare", *["--k", "1000000", "--c", "1000000", "--h", "100000", "--w", "100000", "--profiler", "none"])
    document = json.loads(dsconv(*big, "--format", "json").stdout)
    assert document["macs"]["ordinary"] == 9 * 10**22
    assert document["macs"]["separable"] == 9 * 10**16 + 10**22
    error = one_line_error(dsconv(*big[:-2]), 3)
    assert "2^63" in error
    assert "--profiler none" in error


# Formats


def test_json_is_the_published_document(dsconv):
    document = json.loads(dsconv(*LAYER, "--format", "json").stdout)
    assert document["schema_version"] == 1
    assert document["command"] == "compare"
    assert document["params"] == {
        "ordinary": 18432, "depthwise": 288, "pointwise": 2048, "separable": 2336, "ratio": 576 / 73,
    }  # fmt: skip
    assert document["approximation"] == {"ratio": 9, "params_error": 9 / 64, "macs_error": 9 / 64, "holds": False}
    assert document["time"] is None


def test_csv_has_the_same_keys_flattened(dsconv):
    document = json.loads(dsconv(*CLOSED, "--format", "json").stdout)
    (row,) = csv.DictReader(io.StringIO(dsconv(*CLOSED, "--format", "csv").stdout))
    assert row["macs.ordinary"] == str(document["macs"]["ordinary"])
    assert float(row["macs.ratio"]) == document["macs"]["ratio"]
    assert row["shapes.output"] == "1,64,56,56"

    def keys(value, prefix=""):
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from keys(inner, f"{prefix}{name}.")
        else:
            yield prefix[:-1]

    # What nobody counted or timed has no columns.
    unknown = {"measured", "time", "runtimes", "environment.versions.torch", "environment.versions.profiler"}
    assert list(row) == [key for key in keys(document) if key not in unknown]
    assert "" not in row.values()


def test_markdown(dsconv):
    lines = dsconv(*CLOSED, "--format", "markdown").stdout.splitlines()
    assert "| MACs | 57,802,752 | 7,325,696 | 903,168 | 6,422,528 | 7.89× | 9× |" in lines
    assert "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |" in lines


def test_github_annotates_failed_gates_only(dsconv):
    gates = ("--fail-under", "macs.ratio=8", "--fail-over", "params.separable=5000")
    result = dsconv(*CLOSED, *gates, "--format", "github")
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("::")]
    assert line.startswith("::error title=dsconv%3A macs.ratio::macs.ratio is 7.89")
    assert "gate failed:" not in result.stderr
    passed = dsconv(*CLOSED, "--fail-under", "macs.ratio=7", "--format", "github")
    assert (passed.returncode, "::" in passed.stdout, "1 gate passed" in passed.stdout) == (0, False, True)


def test_the_format_can_come_from_the_environment(dsconv):
    assert json.loads(dsconv(*CLOSED, env={"DSCONV_FORMAT": "json"}).stdout)["schema_version"] == 1
    assert dsconv(*CLOSED, "--format", "csv", env={"DSCONV_FORMAT": "json"}).stdout.startswith("schema_version,")


def test_explain_derives_with_the_numbers(dsconv):
    text = dsconv(*CLOSED, "--bias", "--explain").stdout
    # 18,496 / 2,432; without biases 576/73; 9 is 9/64 above that.
    for words in ("18,496 / 2,432 = 7.60526", "7.89041, error +3.749%", "9, error +14.062%", "(R·S/K = 9/64)"):
        assert words in text
    assert "error +18.339%" in text
    assert "drop the biases, as if 1 ≪ min(K, C)" in text
    markdown = dsconv(*CLOSED, "--explain", "--format", "markdown").stdout
    assert "**From the exact ratio to R×S: MACs**" in markdown
    for format_name in ("json", "csv"):
        one_line_error(dsconv(*CLOSED, "--explain", "--format", format_name), 2)


def test_explain_may_go_to_a_file_alone(dsconv, tmp_path):
    result = dsconv(*CLOSED, "--explain", "--format", "json", "--output", "why.md", cwd=tmp_path)
    assert json.loads(result.stdout)["schema_version"] == 1
    assert "**Do the assumptions hold for this layer?**" in (tmp_path / "why.md").read_text(encoding="utf-8")


def test_explain_does_not_contradict_itself(dsconv):
    """K = 1000, C = 1, biases: 10,000 / 2,010 parameters; without biases 9,000 / 1,009."""
    text = dsconv("compare", *["--k", "1000", "--c", "1", "--bias", "--explain", "--profiler", "none"]).stdout
    assert (
        f"drop the biases, as if 1 ≪ min(K, C): {9000 / 1009:.6g}, error {9000 / 1009 * 2010 / 10000 - 1:+.3%}" in text
    )
    assert "only K is in the last step" in text
    assert f"off by {9 * 2010 / 10000 - 1:+.1%} for parameters" in text.replace("\n  ", " ")


# Streams


def test_quiet_and_verbose(dsconv):
    big = ("compare", *["--k", "1000003", "--c", "1001", "--h", "10000", "--w", "10000"])
    assert "2^53" in dsconv(*big).stderr
    assert dsconv(*big, "--quiet").stderr == ""
    one_line_error(dsconv(*CLOSED, "--quiet", "--verbose"), 2)
    loud = dsconv("compare", *["--k", "1000000", "--c", "1000000", "--h", "100000", "--w", "100000", "--verbose"])
    assert loud.returncode == 3
    assert "Traceback" in loud.stderr


@pytest.mark.parametrize(
    ("options", "env", "colored"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "0"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_color_in_a_pipe(dsconv, options, env, colored):
    assert (ANSI in dsconv(*CLOSED, *options, env=env).stdout) is colored


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX"},
        {"LANG": "C"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_ascii_locales_get_ascii(dsconv, env):
    result = dsconv(*CLOSED, "--explain", env=env)
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "R*S << min(K, C)" in result.stdout
    assert "7.89x" in result.stdout
    assert dsconv("compare", "--k", "×", "--c", "1", env=env).stderr.isascii()


def test_cp1252_does_not_crash(dsconv):
    result = dsconv(*CLOSED, env={"PYTHONIOENCODING": "cp1252"})
    assert result.returncode == 0
    assert "7.89x" in result.stdout


@pytest.mark.parametrize("columns", ["20", "80"])
def test_nothing_is_cut_off_in_a_pipe(dsconv, columns):
    long = ("compare", *["--k", "65536", "--c", "65536", "--h", "65536", "--w", "65536", "--profiler", "none"])
    text = dsconv(*long, env={"COLUMNS": columns}).stdout
    assert f"{65536**4 * 9:,}" in text
    assert "…" not in text


def test_a_reader_that_has_left_is_told_nothing(dsconv):
    command = f"'{SCRIPT}' {' '.join(CLOSED)} --format json"
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        command, shell=True, stdout=writer, stderr=subprocess.PIPE, text=True, env=clean_environment(), check=False
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def shell(command, tmp_path):
    return subprocess.run(
        ["bash", "-c", command.replace("dsconv", f"'{SCRIPT}'")],
        capture_output=True, text=True, env=clean_environment(), cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", ["--version", "--help", "compare --help", " ".join(CLOSED), " ".join(LAYER)])
@pytest.mark.parametrize(
    ("redirection", "words"),
    [(">&-", "stdout is closed"), ("> /dev/full", "no space left on device")],
)
def test_a_stdout_that_takes_nothing(tmp_path, arguments, redirection, words):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    one_line_error(result := shell(f"dsconv {arguments} {redirection}", tmp_path), 3)
    assert words in result.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_a_stderr_that_takes_nothing_keeps_the_exit_code(tmp_path, redirection):
    assert shell(f"dsconv compare --k 0 --c 1 {redirection}", tmp_path).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        *("--version", "--help", "--show-completion", "doctor --help", "compare --k 8 --c 4 --profiler none"),
        *(f"sweep --k 1:9 --c 4 --profiler none --quiet {more}" for more in ("", "--summary", "--format json")),
    ],
)
def test_a_reader_that_left_before_the_start(tmp_path, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [str(SCRIPT), *arguments.split()], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path,
        env=clean_environment(SHELL="/bin/bash"),
    )  # fmt: skip
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize("broken", ["thop", "torch", "numpy"])
def test_what_cannot_be_imported_is_one_line_and_3(dsconv, tmp_path, broken):
    (tmp_path / f"{broken}.py").write_text("raise ImportError('broken on purpose')")
    error = one_line_error(dsconv(*LAYER, env={"PYTHONPATH": str(tmp_path)}), 3)
    assert "broken on purpose" in error
    assert "--profiler none" in error


def test_what_nobody_foresaw_is_no_failed_gate(monkeypatch, capsys):
    from dsconv_cli.cli import compare as command
    from dsconv_cli.cli import run

    def stumble(*_):
        raise KeyError("surprise")

    monkeypatch.setattr(command, "closed_forms", stumble)
    assert run(["compare", "--k", "4", "--c", "4"]) == 3
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: unexpected KeyError: 'surprise'; --verbose shows where it happened\n")


def test_other_peoples_warnings_are_no_news(dsconv):
    for setting in ("error", "always"):
        result = dsconv(*LAYER, "--get", "macs.ratio", env={"PYTHONWARNINGS": setting})
        assert (result.returncode, result.stdout) == (0, f"{576 / 73!r}\n")
        assert "distutils" not in result.stderr


# Files


def test_one_run_writes_several_files(dsconv, tmp_path):
    names = ["a.json", "a.jsonl", "a.csv", "a.md", "a.svg", "a.txt"]
    outputs = [word for name in names for word in ("--output", name)]
    result = dsconv(*CLOSED, *outputs, "--output", "markdown:summary", "--get", "macs.ratio", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"{576 / 73!r}\n")
    text = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(text) == {*names, "summary"}
    assert json.loads(text["a.json"]) == json.loads(text["a.jsonl"])
    assert text["a.jsonl"].count("\n") == 1
    assert text["a.md"] == text["summary"]
    assert text["a.csv"] == dsconv(*CLOSED, "--format", "csv").stdout
    assert text["a.txt"] == dsconv(*CLOSED).stdout


def test_the_picture_is_whole_and_needs_no_network(dsconv, tmp_path):
    dsconv(*CLOSED, "--output", "a.svg", cwd=tmp_path)
    picture = (tmp_path / "a.svg").read_text(encoding="utf-8")
    words = "".join(ET.fromstring(picture).itertext()).replace("\xa0", " ")
    assert "57,802,752" in words
    assert "dsconv compare --k 64 --c 32 --r 3 --s 3<" in picture.replace("&#160;", " ")
    assert "url(http" not in picture
    assert 'url("http' not in picture


def test_a_file_is_replaced_whole_and_keeps_its_mode(dsconv, tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    target.chmod(0o640)
    other_name = tmp_path / "b.json"
    other_name.hardlink_to(target)
    assert dsconv(*CLOSED, "--output", str(target)).returncode == 0
    assert json.loads(target.read_text())["schema_version"] == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert other_name.read_text() == "old", "a new file took its place; the old one was not written into"
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "b.json"}


def test_a_failed_gate_still_writes_the_files(dsconv, tmp_path):
    target = tmp_path / "a.json"
    result = dsconv(*CLOSED, "--output", str(target), "--fail-under", "macs.ratio=8", "--quiet")
    assert result.returncode == 1
    assert json.loads(target.read_text())["macs"]["ratio"] == 576 / 73


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing/a.json", "no such file or directory"),
        ("a.xyz", "its ending names no format"),
        ("a", "its ending names no format"),
        ("xml:a", "unknown format 'xml'"),
        ("json:", "names no file"),
        ("json:.", "it is a directory"),
        ("a.json/", "it is a directory"),
        ("x" * 300 + ".json", "name too long"),
        ("json:/dev/stdout", "stdout or stderr goes there"),
        ("x\ny/a.json", "x\\ny/a.json: no such file"),
    ],
)
def test_a_path_that_cannot_be_written_fails_first(dsconv, tmp_path, output, words):
    """Before anything is measured: a torch that cannot be imported is not even noticed."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("raise ImportError")
    env = {"PYTHONPATH": str(broken)}
    work = tmp_path / "work"
    work.mkdir()
    assert words in one_line_error(dsconv(*LAYER, "--output", output, cwd=work, env=env), 2)
    assert list(work.iterdir()) == []


def test_a_loop_of_links(dsconv, tmp_path):
    (tmp_path / "a.json").symlink_to("b.json")
    (tmp_path / "b.json").symlink_to("a.json")
    assert "cannot write a.json" in one_line_error(dsconv(*CLOSED, "--output", "a.json", cwd=tmp_path), 2)


def test_a_link_is_followed(dsconv, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "a.json").symlink_to("real.json")
    assert dsconv(*CLOSED, "--output", "a.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["schema_version"] == 1


def test_where_stdout_goes_is_not_replaced(tmp_path):
    result = shell(f"dsconv {' '.join(CLOSED)} --output s.txt > s.txt", tmp_path)
    assert result.returncode == 2
    assert "stdout or stderr goes there" in result.stderr
    assert (tmp_path / "s.txt").read_text() == ""


def test_the_same_file_twice(dsconv, tmp_path):
    assert "twice" in one_line_error(dsconv(*CLOSED, "--output", "a.md", "--output", "./a.md", cwd=tmp_path), 2)


# Gates


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (("--fail-under", "macs.ratio=7.89"), 0),
        (("--fail-under", "macs.ratio=7.9"), 1),
        (("--fail-under", f"macs.ratio={576 / 73!r}"), 0),
        (("--fail-over", f"macs.ratio={576 / 73!r}"), 0),
        (("--fail-over", "params.separable=2336"), 0),
        (("--fail-over", "params.separable=2335.5"), 1),
        (("--fail-over", "macs.separable=7e6"), 1),
        (("--fail-over", "approximation.macs_error=0.2"), 0),
        (("--fail-under", "macs.ratio=7", "--fail-over", "traffic.separable=1"), 1),
        (("--fail-under", "macs.ratio=1e400"), 1),
        (("--fail-over", "macs.ordinary=1e400"), 0),
    ],
)
def test_gates(dsconv, gate, code):
    result = dsconv(*CLOSED, *gate)
    assert result.returncode == code
    assert "57,802,752" in result.stdout
    assert ("gate failed" in result.stderr) is (code == 1)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--k 0 --c 3", "--k must be a positive integer, not '0'"),
        ("--k -1 --c 3", "--k must be a positive integer, not '-1'"),
        ("--k 64.0 --c 3", "--k must be a positive integer, not '64.0'"),
        ("--k 1e3 --c 3", "--k must be a positive integer"),
        (f"--k {'9' * 5000} --c 3", "--k must be at most 2^63 - 1"),
        ("--k ٣ --c 3", "--k must be a positive integer"),
        ("--k 64", "C is missing"),
        ("--c 64", "K is missing"),
        ("--k", "requires an argument"),
        ("--k 4 --c 4 --h 2 --padding valid", "the kernel does not fit"),
        ("--k 4 --c 4 --padding same --stride 2", "needs stride 1"),
        ("--k 4 --c 4 --padding full", "--padding must be half, same, valid"),
        ("--k 4 --c 4 --padding 1,2,3", "--padding must be"),
        ("--k 4 --c 4 --stride 1,2,3", "--stride must be one number or two"),
        ("--k 4 --c 4 --dilation 0", "--dilation must be a positive integer"),
        ("--k 4 --c 4 --depth-multiplier 0", "--depth-multiplier must be a positive integer"),
        ("--k 4 --c 4 --format xml", "--format must be one of table, json"),
        ("--k 4 --c 4 --profiler foo", "--profiler must be one of thop, torch, both, none"),
        ("--k 4 --c 4 --dtype int4", "--dtype must be one of float32"),
        ("--k 4 --c 4 --color blue", "--color must be one of auto"),
        ("--k 4 --c 4 --get macs.ration", "unknown key 'macs.ration'; did you mean macs.ratio"),
        ("--k 4 --c 4 --get measured.macs.ratio --profiler none", "it needs --profiler thop, torch or both"),
        ("--k 4 --c 4 --fail-under time.speedup=1", "time.speedup.value is not measured in this run; it needs --time"),
        ("--k 4 --c 4 --fail-under macs.ratio", "takes KEY=NUMBER"),
        ("--k 4 --c 4 --fail-under macs.ratio=", "takes KEY=NUMBER"),
        ("--k 4 --c 4 --fail-under macs.ratio=nan", "'nan' is not a finite number"),
        ("--k 4 --c 4 --fail-over macs.ratio=inf", "'inf' is not a finite number"),
        ("--k 4 --c 4 --fail-over macs.ratio=fast", "'fast' is not a finite number"),
        ("--k 4 --c 4 --fail-over macs.ratio=1e99999999", "is not a finite number"),
        ("--k 4 --c 4 --fail-over macs.ratio=9/2", "is not a finite number"),
        ("--k 4 --c 4 --fail-over macs.ratio=٣", "is not a finite number"),
        ("--k 4 --c 4 --fail-under measured.agrees=1", "not a number that can be compared"),
        ("--k 4 --c 4 --padding 99999999999999999999", "at most 2^63 - 1"),
        ("--k 4 --c 4 --fail-over spec.dtype=3", "not a number that can be compared"),
        ("--k 4 --c 4 --fail-over approximation.holds=1", "not a number that can be compared"),
        ("--k 4 --c 4 --nonsense", "no such option: --nonsense"),
        ("--k 4 --c 4 extra", "K is given twice: 'extra' and --k '4'"),
    ],
)
def test_bad_input_is_one_line_and_2(dsconv, arguments, words):
    assert words in one_line_error(dsconv("compare", *arguments.split()), 2)


def test_an_unknown_command(dsconv):
    assert "no such command 'compere'" in one_line_error(dsconv("compere"), 2)


# The program around it


def test_version(dsconv, python):
    import dsconv_cli

    assert dsconv("--version").stdout == f"dsconv {dsconv_cli.__version__}\n"
    module = subprocess.run([python, "-m", "dsconv_cli", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout == f"dsconv {dsconv_cli.__version__}\n"
    assert dsconv("--version", *CLOSED).stdout == f"dsconv {dsconv_cli.__version__}\n"


def test_alone_it_shows_its_help(dsconv):
    result = dsconv()
    assert result.returncode == 0
    assert "Usage: dsconv" in result.stdout
    assert "compare" in result.stdout
    assert result.stderr == ""


def test_shell_completion_knows_the_options(dsconv):
    env = {"_DSCONV_COMPLETE": "complete_bash", "COMP_WORDS": "dsconv compare --depth", "COMP_CWORD": "2"}
    words = dsconv(env=env).stdout
    assert "--depth-multiplier" in words
    assert "_dsconv_completion" in dsconv("--show-completion", "bash").stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("--format ma", ["markdown"]),
        ("--profiler ", ["thop", "torch", "both", "none"]),
        ("--get macs.r", ["macs.ratio"]),
    ],
)
def test_shell_completion_knows_the_values(dsconv, typed, offered):
    words = f"dsconv compare {typed}"
    env = {"_DSCONV_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
    assert dsconv(env=env).stdout.split() == offered


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["compare", "--help"], [*CLOSED], [*CLOSED, "--format", "json"], [*CLOSED, "--output", "x.svg"]],
)
def test_torch_is_not_loaded_where_it_is_not_needed(tmp_path, python, arguments):
    code = (
        "import sys; from dsconv_cli.cli import run; code = run(sys.argv[1:]); "
        'sys.exit(f\'loaded {[m for m in ("torch", "numpy", "thop") if m in sys.modules]}\' '
        "if {'torch', 'numpy', 'thop'} & set(sys.modules) else code)"
    )
    result = subprocess.run(
        [python, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_importing_the_package_loads_nothing(python):
    code = "import sys, dsconv_cli; dsconv_cli.ConvSpec; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([python, "-c", code], check=False).returncode == 0


def test_the_library_prints_nothing(capfd):
    from dsconv_cli import ConvSpec, compare

    result = compare(ConvSpec(k=64, c=32, r=3, s=3))
    assert result.get("macs.ratio") == 576 / 73
    assert result.to_dict()["measured"]["agrees"] is True
    assert capfd.readouterr() == ("", "")


if os.name == "nt":
    pytest.skip("signals and pseudo-terminals are POSIX", allow_module_level=True)
assert sys.version_info >= (3, 11)
assert Path(SCRIPT).exists(), "install the package first: the tests run the command"

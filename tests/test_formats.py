"""Which format a text means, for which command; and that each format is what it says."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from dsconv_cli.cli.destinations import parse_file, parse_picture, stdout_format
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.data import bare, csv_text
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.compare import report
from dsconv_cli.report.formats import formats_of

#: As the contract of the product has them; pictures have a kind.
ENDINGS = {
    "compare": {".txt": "table", ".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "markdown", ".svg": "svg"},
    "sweep": {".txt": "table", ".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "markdown"},
    "model": {".txt": "table", ".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "markdown", ".svg": "svg"},
    "doctor": {".txt": "table", ".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "markdown"},
}


@pytest.mark.parametrize(
    ("command", "ending", "name"), [(c, e, n) for c, all_ in ENDINGS.items() for e, n in all_.items()]
)
def test_the_ending_names_the_format(command, ending, name):
    for text in (f"a/b{ending}", f"B{ending.upper()}", f"{name}:b", f"{name}:b.xyz"):
        file = parse_file(command, text)
        assert (file.format.name, file.kind) == (name, "")
    assert parse_file(command, f"{name}:a:b").path.name == "a:b"


@pytest.mark.parametrize(
    ("command", "text", "name", "kind"),
    [
        ("compare", "x.svg", "svg", ""),
        ("compare", "roofline.svg", "roofline", "svg"),
        ("compare", "out/Roofline-64.SVG", "roofline", "svg"),
        ("compare", "roofline.png", "png", "png"),
        ("compare", "x.png", "png", "png"),
        ("compare", "png:x", "png", "png"),
        ("compare", "roofline:x.svg", "roofline", "svg"),
        ("compare", "roofline:x.png", "roofline", "png"),
        ("compare", "roofline:x", "roofline", "svg"),
        ("compare", "svg:roofline.svg", "svg", ""),
        ("compare", "roofline.json", "json", ""),
        ("model", "x.png", "plot", "png"),
        ("model", "x.pdf", "plot", "pdf"),
        ("model", "plot:x.svg", "plot", "svg"),
        ("model", "x.svg", "svg", ""),
        ("sweep", "x.svg", "svg", "svg"),
        ("sweep", "x.PNG", "png", "png"),
        ("sweep", "svg:y", "svg", "svg"),
        ("sweep", "png:z", "png", "png"),
    ],
)
def test_which_picture_a_name_means(command, text, name, kind):
    file = parse_file(command, text)
    assert (file.format.name, file.kind) == (name, kind)


@pytest.mark.parametrize(
    ("command", "text", "complaint"),
    [
        ("sweep", "roofline:x.svg", "unknown format 'roofline'; formats of dsconv sweep are table, json"),
        ("sweep", "plot:x.svg", "unknown format 'plot'"),
        ("sweep", "github:x", "unknown format 'github'"),
        ("sweep", "x.pdf", "its ending names no format"),
        ("doctor", "svg:x", "unknown format 'svg'"),
        ("doctor", "github:x", "unknown format 'github'"),
        ("doctor", "x.svg", "its ending names no format"),
        ("doctor", "x.png", "use one of .txt .json .jsonl .csv .md, or FORMAT:PATH"),
        ("doctor", "json:", "names no file"),
        ("model", "roofline:x.svg", "unknown format 'roofline'"),
        ("model", "png:x", "unknown format 'png'"),
        ("model", "plot:x.bmp", "its ending must be one of .svg .png .pdf"),
        ("compare", "plot:x.svg", "unknown format 'plot'"),
        ("compare", "roofline:x.pdf", "its ending must be one of .svg .png"),
        ("compare", "roofline", "its ending names no format"),
        ("compare", "x.pdf", "its ending names no format"),
        ("compare", "json:folder/", "it is a directory"),
        ("compare", "folder/", "it is a directory"),
    ],
)
def test_no_format_under_another_ones_name(command, text, complaint):
    with pytest.raises(DsconvError, match=re.escape(complaint)) as error:
        parse_file(command, text)
    assert error.value.exit_code == 2


def test_plot_takes_the_pictures_that_a_command_has():
    assert parse_picture("sweep", "a.png").kind == "png"
    assert parse_picture("model", "a.pdf").kind == "pdf"
    with pytest.raises(DsconvError, match=r"its ending must be one of \.svg \.png$"):
        parse_picture("sweep", "a.pdf")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("compare", "table json csv markdown github"),
        ("sweep", "table json csv markdown github"),
        ("model", "table json csv markdown github"),
        ("doctor", "table json csv markdown"),
    ],
)
def test_help_lists_the_formats_that_there_are(dsconv, command, names):
    """Help is written by hand, for it must not load what makes the formats."""
    assert [name for name, one in formats_of(command).items() if one.on_stdout] == names.split()
    said = dsconv(command, "--help").stdout
    assert names.replace(" ", "|") in said.replace("\n", " ")
    told = "".join(re.findall(r"--output \[FORMAT:\]PATH(.*?)--get", said, re.DOTALL)[0].split())
    for one in formats_of(command).values():
        for ending in one.endings:
            assert ending in told, f"{command} --help lacks {ending}"


def test_a_format_of_the_environment_that_a_command_lacks(monkeypatch):
    """A job sets it for its gates, and not for `doctor`, which has none."""
    monkeypatch.setenv("DSCONV_FORMAT", "github")
    assert stdout_format("doctor", "github").name == "table"
    assert stdout_format("model", "github").name == "github"
    monkeypatch.delenv("DSCONV_FORMAT")
    with pytest.raises(DsconvError, match="--format must be one of table, json, csv, markdown, not 'github'"):
        stdout_format("doctor", "github")


def test_json_and_csv_hold_the_same_figures():
    one = report(closed_forms(ConvSpec(64, 32)))
    formats = formats_of("compare")
    document = json.loads(formats["json"].content(one))
    assert json.loads(formats["jsonl"].content(one)) == document
    (row,) = csv.DictReader(io.StringIO(formats["csv"].content(one)))
    assert (row["macs.ordinary"], document["macs"]["ordinary"]) == ("57802752", 57802752)
    assert (row["spec.stride"], document["spec"]["stride"]) == ("1,1", [1, 1])
    # What this run did not measure has no columns.
    assert document["time"] is None
    assert not [name for name in row if name.startswith(("time.", "measured."))]


def test_svg_is_the_table_under_its_command():
    text = formats_of("compare")["svg"].content(report(closed_forms(ConvSpec(64, 32, h=14))))
    assert text.startswith("<svg ")
    assert "http" not in re.sub(r'xmlns="[^"]*"|<!--.*?-->', "", text), "nothing is fetched from the network"
    words = text.replace("&#160;", " ")
    assert "dsconv compare --k 64 --c 32 --r 3 --s 3 --h 14" in words
    assert f">{64 * 32 * 9 * 14 * 56:,}<" in words


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@sum(1)", "--cmd|'/C calc'!A0"])
def test_a_name_makes_no_formula(name):
    ((cell, number),) = csv.reader(io.StringIO(csv_text([(name, -1.5)])))
    assert cell == f"'{name}"
    assert number == "-1.5", "a number stays one"


def test_a_name_is_one_line_of_a_file():
    assert csv_text([("two\nlines", "\t=1", "\x1b[31m")]) == "two\\nlines,\\t=1,\\x1b[31m\n"


@pytest.mark.parametrize("text", ["--keep *head*", "conv1", "2,1", "a=b", "1e-3"])
def test_other_texts_stay_as_they_are(text):
    assert next(csv.reader(io.StringIO(csv_text([(text,)])))) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (1.5, "1.5"), (10**30, "1" + "0" * 30), ((2, 1), "2,1"), (("a, b", "c"), "a, b; c")],
)
def test_bare_values(value, text):
    assert bare(value) == text


def test_what_a_sweep_writes_is_what_it_was_asked_for(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    from dsconv_cli.cli import run

    monkeypatch.chdir(tmp_path)
    layers = ["sweep", "--k", "8,16", "--c", "4", "--profiler", "none", "--quiet"]
    assert run([*layers, "--output", "svg:y", "--output", "png:z"]) == 0
    assert (tmp_path / "y").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "z").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert run([*layers, "--output", "roofline:x.svg"]) == 2
    said = capsys.readouterr()
    assert (said.out, (tmp_path / "x.svg").exists()) == ("", False)
    assert said.err.count("error:") == 1

"""Layers of a file keep their names, in every output; and names from strangers do no harm."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dsconv_cli.cli import run

LAYERS = "name,k,c\nstem,64,32\nhead.0,128,64\n,32,16\n"
#: What the names and sizes above come to, worked out by hand: R·S·K / (R·S + K).
RATIOS = [9 * 64 / (9 + 64), 9 * 128 / (9 + 128), 9 * 32 / (9 + 32)]


@pytest.fixture
def layers(tmp_path):
    path = tmp_path / "layers.csv"
    path.write_text(LAYERS, encoding="utf-8")
    return path


@pytest.fixture
def sweep(capsys):
    def sweep(*arguments, code=0):
        assert run(["sweep", "--profiler", "none", *map(str, arguments)]) == code
        return capsys.readouterr()

    return sweep


def test_csv_and_json_begin_with_the_name(sweep, layers, valid):
    rows = list(csv.reader(io.StringIO(sweep("--from", layers, "--format", "csv").out)))
    assert rows[0][:3] == ["name", "schema_version", "command"]
    assert [row[0] for row in rows[1:]] == ["stem", "head.0", ""]
    documents = [json.loads(line) for line in sweep("--from", layers, "--format", "json").out.splitlines()]
    for one, ratio in zip(documents, RATIOS, strict=True):
        valid(one)
        assert next(iter(one)) == "name"
        assert one["macs"]["ratio"] == ratio
    assert [one["name"] for one in documents] == ["stem", "head.0", ""]


def test_tables_begin_with_the_name(sweep, layers):
    lines = [line.split() for line in sweep("--from", layers).out.splitlines()]
    heading = next(number for number, words in enumerate(lines) if words[:1] == ["name"])
    assert lines[heading][:3] == ["name", "k", "c"]
    assert [words[0] for words in lines[heading + 2 : heading + 4]] == ["stem", "head.0"]
    assert "`head.0` |" in sweep("--from", layers, "--format", "markdown").out


def test_layers_without_names_have_no_column_for_them(sweep, tmp_path):
    path = tmp_path / "layers.csv"
    path.write_text("k,c\n64,32\n", encoding="utf-8")
    assert sweep("--from", path, "--format", "csv").out.startswith("schema_version,")
    assert next(iter(json.loads(sweep("--from", path, "--format", "json").out))) == "schema_version"
    for options in (["--get", "name"], ["--sort", "name"], ["--where", "name == 'a'"], ["--columns", "name,k"]):
        assert f"{options[0]}: the layers of this sweep have no names" in sweep("--from", path, *options, code=2).err


def test_a_name_is_a_key_like_others(sweep, layers):
    assert sweep("--from", layers, "--get", "name").out == "stem\nhead.0\n\n"
    assert sweep("--from", layers, "--get", "k").out == "64\n128\n32\n"
    assert sweep("--from", layers, "--where", "name == 'head.0'", "--get", "k").out == "128\n"
    assert sweep("--from", layers, "--sort", "name", "--get", "name").out == "stem\nhead.0\n\n"
    assert sweep("--from", layers, "--columns", "name,k", "--format", "csv").out.splitlines()[1] == "stem,64"


def test_messages_say_the_name(sweep, layers, tmp_path):
    gated = sweep("--from", layers, "--fail-under", "macs.ratio=8", code=1)
    assert "gate failed at stem (k=64 c=32 r=3 s=3 h=56 w=56): macs.ratio is 7.8" in gated.err
    assert "gate failed at k=32 c=16" in gated.err
    misfit = sweep("--from", layers, "--h", "1", "--padding", "valid", code=2)
    assert "line 2: stem: k=64 c=32 h=1 padding=valid: the kernel does not fit" in misfit.err


def test_every_point_of_a_grid_has_the_name_of_its_layer(sweep, layers):
    assert sweep("--from", layers, "--batch", "1,2", "--get", "name").out == "stem\nstem\nhead.0\nhead.0\n\n\n"


def test_resuming_knows_names(sweep, layers, tmp_path):
    rows = tmp_path / "rows.jsonl"
    options = ("--from", layers, "--resume", "--output", rows)
    sweep(*options, "--shard", "1/3")
    assert "1 rows were there, 2 were added" in sweep(*options).err
    assert [json.loads(line)["name"] for line in rows.read_text("utf-8").splitlines()] == ["stem", "head.0", ""]
    assert sweep(*options, "--get", "name").out == "stem\nhead.0\n\n"
    layers.write_text(LAYERS.replace("stem", "root"), encoding="utf-8")
    assert "3 rows were there, 1 were added" in sweep(*options).err
    layers.write_text("k,c\n64,32\n", encoding="utf-8")
    assert "was made with names yes, this run has no" in sweep(*options, code=2).err


def test_what_sweep_wrote_keeps_its_names(sweep, layers, tmp_path):
    for ending in ("csv", "jsonl"):
        path = tmp_path / f"rows.{ending}"
        sweep("--from", layers, "--output", path)
        assert sweep("--from", path, "--get", "name").out == "stem\nhead.0\n\n"


@pytest.mark.parametrize(
    ("name", "cell", "seen"),
    [
        ("=1+1", "'=1+1", "=1+1"),
        ("@SUM(A1)", "'@SUM(A1)", "@SUM(A1)"),
        ("+1", "'+1", "+1"),
        ("-cmd|' /c calc'!A0", "'-cmd|' /c calc'!A0", "-cmd|' /c calc'!A0"),
        ("a\x1b[31mb", "a\\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\nb", "a\\nb"),
        ("a\tb\rc", "a\\tb\\rc", "a\\tb\\rc"),
        ("a\x00b", "a\\x00b", "a\\x00b"),
        ("a\u202eb", "a\\u202eb", "a\\u202eb"),
        ("a\ud800b", "a\\ud800b", "a\\ud800b"),
        ("größe ×", "größe ×", "größe ×"),
    ],
)
def test_a_strangers_name_is_text_and_nothing_else(sweep, tmp_path, name, cell, seen):
    path = tmp_path / "layers.jsonl"
    path.write_text(json.dumps({"name": name, "k": 64, "c": 32}) + "\n", encoding="utf-8")
    rows = list(csv.reader(io.StringIO(sweep("--from", path, "--format", "csv").out)))
    assert rows[1][0] == cell
    assert json.loads(sweep("--from", path, "--format", "json").out)["name"] == seen
    assert sweep("--from", path, "--get", "name").out == seen + "\n"
    for options in ((), ("--format", "markdown"), ("--fail-under", "macs.ratio=9")):
        done = sweep("--from", path, *options, code=1 if "--fail-under" in options else 0)
        assert not {"\x1b", "\x00", "\t", "\r", "\u202e"} & set(done.out + done.err)


def test_a_name_longer_than_any_is_refused(sweep, tmp_path):
    path = tmp_path / "layers.jsonl"
    path.write_text(json.dumps({"name": "n" * 1001, "k": 64, "c": 32}) + "\n", encoding="utf-8")
    assert "line 1: the name is longer than 1,000 characters" in sweep("--from", path, code=2).err

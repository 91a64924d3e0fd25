"""`--baseline`, `--fail-if-grows` and gates on the command line, in every format."""

from __future__ import annotations

import json

import pytest

from dsconv_cli.cli import run

#: 900·3·w·9 + 784·w·32·9 MACs and 28·w + 289·w - w + 32 … parameters of two layers, each growing with the width.
NET = """
from torch import nn


def other():
    return nn.Conv2d(3, 8, 3)


def net(width=16, extra=False):
    layers = [nn.Conv2d(3, width, 3), nn.Conv2d(width, 32, 3)]
    return nn.Sequential(*layers, *([nn.Conv2d(32, 8, 1)] if extra else []))
"""
MODEL = ["model", "net.py:net", "--input", "1,3,32,32"]
GROWN = [*MODEL, "--arg", "width=18", "--baseline", "cost.json"]
COMPARE = ["compare", "--k", "64", "--c", "32", "--profiler", "none"]
SWEEP = ["sweep", "--k", "8,16,32", "--c", "8", "--profiler", "none"]


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)

    def go(*arguments, code=0):
        found = run(list(arguments))
        said = capsys.readouterr()
        assert found == code, said.err
        return said

    return go


@pytest.fixture
def baseline(here):
    here(*MODEL, "--output", "cost.json", "--get", "totals.macs.before")
    return here


def test_a_network_that_grows_fails_with_its_cause(baseline):
    """Both layers grow with the width: 4,001,472 · 18/16 = 4,501,656 MACs, +12.5 %."""
    said = baseline(*GROWN, "--fail-if-grows", "macs=1%", "--fail-if-grows", "params=20%", code=1)
    (failed,) = said.err.splitlines()
    assert failed.replace(" %", "%") == (
        "error: gate failed: MACs grew 12.5%, 4.00 M → 4.50 M: 1, 0 (--fail-if-grows macs=1%)"
    )
    assert "Since cost.json: " in said.out
    assert "2 layers changed." in said.out.replace("\n", " ")
    # 784·16·32·9 and 784·18·32·9
    assert "3.61 M → 4.06 M" in said.out


def test_what_did_not_grow_passes_and_nothing_changed_is_said(baseline):
    said = baseline(
        *MODEL, "--baseline", "cost.json", "--fail-if-grows", "macs", "--fail-if-grows", "totals.params.after"
    )
    assert "Since cost.json: nothing changed." in said.out
    assert said.err == ""


def test_the_document_has_it(baseline, valid):
    document = valid(json.loads(baseline(*GROWN, "--arg", "extra=True", "--format", "json").out))
    found = document["baseline"]
    assert found["file"] == "cost.json"
    macs = next(one for one in found["changes"] if one["key"] == "totals.macs.before")
    # The third layer has 784·32·8.
    assert macs["baseline"] == 4_001_472
    assert macs["now"] == 4_501_656 + 200_704
    assert macs["growth"] == 700_888 / 4_001_472
    assert {one["name"]: one["change"] for one in found["layers"]} == {"0": "changed", "1": "changed", "2": "added"}
    assert "baseline" not in json.loads(baseline(*MODEL, "--format", "json").out)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["model", "net.py:other", "--input", "1,3,32,32"], "its model.target is 'net.py:net', here 'net.py:other'"),
        (
            ["model", "net.py:net", "--input", "1,3,16,16"],
            "its input is 1×3×32×32 float32, here 1×3×16×16 float32; give the",
        ),
        (
            [*MODEL, "--depth-multiplier", "2"],
            "its model.selection.depth_multiplier is 1, here 2; give the same --depth-m",
        ),
        ([*MODEL, "--keep", "0"], "its model.selection.keep is [], here"),
        (COMPARE, "is a result of dsconv model, not of dsconv compare"),
        (
            [*MODEL, "--fail-if-grows", "time"],
            "totals.time.before.median_s is not measured in this run; it needs --time",
        ),
    ],
)
def test_another_baseline_is_refused(baseline, arguments, told):
    said = baseline(*arguments, "--baseline", "cost.json", code=2)
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert told in line


def test_the_same_network_from_another_directory(baseline, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    said = baseline("model", str(tmp_path / "net.py:net"), "--input", "1,3,32,32", "--baseline", "../cost.json")
    assert "nothing changed" in said.out


def test_the_first_baseline_is_written_by_the_run_that_names_it(here, tmp_path):
    said = here(*COMPARE, "--baseline", "a.json", "--fail-if-grows", "macs.separable", "--output", "a.json")
    assert said.err == "note: there is no baseline a.json yet: this run writes it\n"
    assert "nothing changed" in here(*COMPARE, "--baseline", "a.json", "--output", "a.json").out
    assert "there is no baseline b.json" in here(*COMPARE, "--baseline", "b.json", code=2).err


def test_a_baseline_that_cannot_be_looked_at(here, tmp_path):
    """A name has at most 255 bytes (NAME_MAX of Linux), and links may form a loop: wrong use, and no failure."""
    (tmp_path / "loop.json").symlink_to("loop.json")
    for name, why in ((f"{'a' * 300}.json", "file name too long"), ("loop.json", "too many levels of symbolic links")):
        (line,) = here(*COMPARE, "--baseline", name, code=2).err.splitlines()
        assert line.startswith("error: cannot read the baseline ")
        assert line.endswith(f": {why}")


def test_a_limit_needs_a_baseline(here):
    said = here(*COMPARE, "--fail-if-grows", "macs.separable", code=2)
    assert said.err == "error: --fail-if-grows needs --baseline FILE.json, an earlier result to compare with\n"


def test_a_layer_beside_its_baseline(here, valid):
    here(*COMPARE, "--output", "layer.json")
    assert "Since layer.json: nothing changed." in here(*COMPARE, "--baseline", "layer.json").out
    markdown = here(
        *COMPARE, "--baseline", "layer.json", "--fail-if-grows", "macs.separable=1%", "--format", "markdown"
    ).out
    assert markdown.startswith("**1 gate passed**\n")
    assert "- passed: MACs, separable did not change: 7.33 M (--fail-if-grows macs.separable=1%)" in markdown.replace(
        "\\", ""
    )
    valid(json.loads(here(*COMPARE, "--baseline", "layer.json", "--format", "json").out))


def test_a_sweep_beside_an_earlier_one(here):
    here(*SWEEP, "--output", "layers.jsonl")
    more = ["sweep", "--k", "16,32,64", "--c", "8", "--profiler", "none", "--baseline", "layers.jsonl"]
    said = here(*more, "--fail-if-grows", "macs.separable")
    assert "Since layers.jsonl: 2 layers as before, 1 new, 1 gone." in said.out
    assert "New: k=64 c=8" in said.out
    lines = here(*more, "--format", "json")
    assert len(lines.out.splitlines()) == 3
    assert "note: Since layers.jsonl: 2 layers as before, 1 new, 1 gone." in lines.err
    (refused,) = [
        line for line in here("sweep", "--k", "5", "--c", "8", "--profiler", "none", "--baseline", "layers.jsonl", code=2)
        .err.splitlines() if line.startswith("error")
    ]  # fmt: skip
    assert "is of other layers: none of its 3 is in this sweep" in refused


# --- gates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (("--fail-over", "macs.ordinary=57.802752M"), 0),
        (("--fail-over", "macs.ordinary=57.802751M"), 1),
        (("--fail-over", "macs.separable=20M"), 0),
        (("--fail-under", "macs.separable=0.007325696G"), 0),
        (("--fail-over", "params.separable=2k"), 1),
        (("--fail-over", "params.separable=2.336K"), 2),
        (("--fail-over", "params.separable=20m"), 2),
        (("--fail-over", "params.separable=M"), 2),
    ],
)
def test_numbers_with_suffixes(here, gate, code):
    """57,802,752 and 7,325,696 MACs, 2,336 parameters. `20m` could be a millionth part as well."""
    said = here(*COMPARE, *gate, code=code)
    if code == 2:
        assert "is not a finite number such as 7.5, 1e6 or 20M (suffixes: k, M, G, T)" in said.err


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (("--fail-under", "macs.ratio=8"), "macs.ratio is 7.89, under 8 (--fail-under macs.ratio=8)"),
        (("--fail-under", "macs.ratio=7.89049"), "macs.ratio is 7.8904, under 7.89049"),
        (("--fail-over", "macs.separable=7.32M"), "macs.separable is 7.33 M, over 7.32M"),
        (("--fail-over", "params.separable=2335.5"), "params.separable is 2,336, over 2335.5"),
        (("--fail-under", "macs.separable=1e400"), "macs.separable is 7.33 M, under 1e400"),
        (("--fail-over", "macs.ratio=-1e400"), "macs.ratio is 7.89, over -1e400"),
        (("--fail-over", "traffic.separable=1"), "traffic.separable is 2.02 MB, over 1"),
    ],
)
def test_a_failed_gate_shows_the_digits_that_tell_it_from_its_limit(here, gate, told):
    """Traffic: 4·(32·56² + 288 + 32·56²) + 4·(32·56² + 2,048 + 64·56²) bytes."""
    assert f"error: gate failed: {told}" in here(*COMPARE, *gate, code=1).err

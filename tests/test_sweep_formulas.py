"""Rows by formulas: the same text as row by row, exact at any size, for any grid and condition."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsconv_cli.cli import run
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.layer import cost
from dsconv_cli.layer.metrics import METRICS, params
from dsconv_cli.report.rows import STREAMED
from dsconv_cli.sweep.compiled import plan
from dsconv_cli.sweep.compiled.symbols import Fork, Tape, UntraceableError
from dsconv_cli.sweep.conditions import parse_where
from dsconv_cli.sweep.observer import Observer
from dsconv_cli.sweep.run import Sweep
from dsconv_cli.sweep.sources import Misfit, Shard, layer_at, layers, parse_source

LINES = [STREAMED[name][1](tuple(KEYS)) for name in ("csv", "json")]
WHOLE = Shard()
#: Every field varies, as numbers, pairs and words, and some kernels do not fit.
ALL = {
    "k": "3,64", "c": "1,2", "r": "1,6", "s": "2", "h": "5,55", "w": "7", "batch": "2", "stride": "1,2x1",
    "padding": "half,same,valid,1x2", "dilation": "1,2x1", "depth_multiplier": "3", "dtype": "float32,int8",
}  # fmt: skip
#: 55 × 55 has no powers of two behind which wrong rounding could hide; MACs go up to 10^17, above 2^53.
GOLDEN = (
    "--k", "3,3145725", "--c", "7,599193", "--h", "55", "--w", "55", "--r", "5", "--stride", "1,2x1", "--bias",
    "--no-depthwise-bias", "--dtype", "float32,int8", "--profiler", "none", "--quiet", "--columns",
    "schema_version,command,spec,shapes,params,macs,traffic,intensity,approximation",
)  # fmt: skip


def by_formulas(source, holds=None, shard=WHOLE, writers=LINES):
    """What the formulas say, and no row by itself; the misfits too."""
    made = plan.Plan(source, writers, holds)
    made._one_by_one = None
    found = [made.lines(block) for block in made.table.blocks(*shard.bounds(source.count))]
    return ["".join(one.texts[n] for one in found) for n in range(len(writers))], [p for f in found for p in f.misfits]


def one_by_one(source, holds=None, shard=WHOLE, writers=LINES):
    fits = [one for one in layers(source, shard) if not isinstance(one, Misfit) and (holds is None or holds(one))]
    return ["".join(map(line, fits)) for line in writers]


@pytest.fixture(scope="module")
def rows():
    """Every layer that can exist, and its lines."""
    found = [one for one in layers(parse_source(ALL), Shard()) if not isinstance(one, Misfit)]
    return [(one, [line(one) for line in LINES]) for one in found]


@pytest.mark.parametrize("at_least", [0, 10**6], ids=["formulas", "one by one"])
@pytest.mark.parametrize("name", ["sweep.csv", "sweep.jsonl"])
def test_files_stay_as_they_were(monkeypatch, tmp_path, pytestconfig, name, at_least):
    monkeypatch.setattr(plan, "_WORTHWHILE", at_least)
    assert run(["sweep", *GOLDEN, "--output", str(tmp_path / name)]) == 0
    golden = pytestconfig.rootpath / "tests" / "golden" / name
    assert (tmp_path / name).read_bytes() == golden.read_bytes()


def test_the_files_that_are_kept_are_right(pytestconfig):
    """By hand: K(C·R·S) + K weights and biases, H'·W' positions, and the nearest double to each exact quotient."""
    lines = (pytestconfig.rootpath / "tests" / "golden" / "sweep.csv").read_text().splitlines()
    for row in csv.DictReader(lines):
        k, c = int(row["spec.k"]), int(row["spec.c"])
        out = 55 * (28 if row["spec.stride"] == "2,1" else 55)
        macs, separable = k * c * 15 * out, (c * 15 + k * c) * out
        assert (int(row["macs.ordinary"]), int(row["macs.separable"])) == (macs, separable)
        assert row["macs.ratio"] == repr(macs / separable)
        assert int(row["params.ordinary"]) == k * c * 15 + k
        size, wide = (4, 4) if row["spec.dtype"] == "float32" else (1, 4)
        traffic = size * (c * 55 * 55 + k * out + k * c * 15) + wide * k
        assert int(row["traffic.ordinary"]) == traffic
        assert row["intensity.ordinary"] == repr(2 * macs / traffic)


def test_every_key_has_a_formula(rows):
    source = parse_source(ALL)
    texts, misfits = by_formulas(source)
    assert texts == ["".join(lines[n] for _, lines in rows) for n in range(2)]
    assert misfits == [place for place, one in enumerate(layers(source, Shard())) if isinstance(one, Misfit)]
    assert 0 < len(misfits) < source.count


LISTS = st.sampled_from(["1", "3", "1:4", "2,5,9:30:7", "7:900:*3", "1:300"])
PAIRS = st.sampled_from(["1", "1,2", "1:3", "2x1,1x3", "3"])


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries(
        {"k": LISTS, "c": LISTS, "r": st.sampled_from(["1", "3,5", "2:9"])},
        optional={
            "h": LISTS, "w": LISTS, "batch": LISTS, "depth_multiplier": LISTS, "stride": PAIRS, "dilation": PAIRS,
            "padding": st.sampled_from(["half", "same,valid", "valid,0:2", "same", "1x2,half"]),
            "dtype": st.sampled_from(["float16", "float64,int8"]),
        },
    ),
    st.lists(st.sampled_from(["s=r", "h=2*k", "w=h", "c=k", "batch=3*r"]), max_size=3, unique=True),
    st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda ends: Shard(min(ends), max(ends))),
)  # fmt: skip
def test_any_grid(texts, zips, shard):
    texts = {name: text for name, text in texts.items() if f"{name}=" not in {tie[: len(name) + 1] for tie in zips}}
    source = parse_source(texts, zips=zips)
    # Some of its hundreds of thousands of layers, wherever they begin.
    start = shard.bounds(source.count)[0]
    some = [one for place in range(start, min(start + 300, source.count)) if (one := layer_at(source, place))]
    fits = [one for one in some if not isinstance(one, Misfit)]
    made = plan.make_plan(source, (start, start + 400), LINES)
    if made is None:
        assert not fits
        return
    found = [made.lines(block) for block in made.table.blocks(start, start + len(some))]
    assert ["".join(one.texts[n] for one in found) for n in range(2)] == ["".join(map(line, fits)) for line in LINES]


@pytest.mark.parametrize(
    "condition",
    [
        "macs.ratio < 2.5 and k >= 3",
        "not (k > 3 or c == 2)",
        "approximation.holds == false",
        "1 < k / c <= 32",
        "stride == 1 and spec.padding != 2",
        "shapes.output == 4 or spec.dtype == 'int8'",
        "-k + 2 * c < -1",
        "k / (c - 2) > 1",
        "k / (c - 2) > 1 or h == 5",
        "traffic.ordinary * 1e300 * 1e300 > 1",
        "spec.bias.ordinary or params.ratio > 1",
    ],
)
def test_any_condition(condition, rows):
    source, holds = parse_source(ALL), parse_where(condition).holds
    expected = ["".join(lines[n] for one, lines in rows if holds(one)) for n in range(2)]
    made = plan.make_plan(source, (0, source.count), LINES, holds)
    assert made is not None
    found = [made.lines(block) for block in made.table.blocks(0, source.count)]
    assert ["".join(one.texts[n] for one in found) for n in range(2)] == expected
    assert len(expected[0].splitlines()) == sum(len(one.left) for one in found)


def test_layers_far_from_each_other():
    source = parse_source(ALL)
    fitting = [place for place, one in enumerate(layers(source, Shard())) if not isinstance(one, Misfit)][::-7]
    made = plan.Plan(source, LINES, scattered=True)
    one_alone = Sweep(source, profiler="none").layer_at
    assert made.lines(made.table.scattered(fitting)).texts == [
        "".join(line(one_alone(place)) for place in fitting) for line in LINES
    ]


def test_a_grid_that_never_ends_begins_at_once():
    source = parse_source({"k": f"1:{10**18}", "c": f"1:{10**18}", "stride": "1:100000", "h": "55", "w": "55"})
    made = plan.Plan(source, LINES)
    count, start = source.count, source.count - 3
    (block,) = made.table.blocks(start, count)
    assert [json.loads(line)["spec"]["stride"] for line in made.lines(block).texts[1].splitlines()] == [
        [n, n] for n in (99998, 99999, 100000)
    ]


@pytest.mark.parametrize(
    "odd",
    [
        lambda layer, _: int(str(layer.out_channels)),
        lambda layer, _: params(layer) if isinstance(layer.out_channels, int) else 1,
        lambda layer, _: {8: 5}.get(layer.out_channels, 7),
        lambda layer, _: sum(range(layer.out_channels)) + 1,
    ],
)
def test_a_metric_that_is_no_formula_is_right_all_the_same(monkeypatch, odd):
    """What looks at its numbers closer than arithmetic does is asked for each layer."""
    from dataclasses import replace

    monkeypatch.setattr(cost, "METRICS", {**METRICS, "params": replace(METRICS["params"], of=odd)})
    source = parse_source({"k": "8:508", "c": "3"})
    assert plan.make_plan(source, (0, source.count), LINES) is None
    sweep = Sweep(source, profiler="none")
    assert "".join(one.texts[0] for one in sweep.lines(LINES[:1])) == one_by_one(source)[0]


def test_what_depends_on_numbers_is_traced_on_every_way():
    tape = Tape()
    a, b = tape.variable("a"), tape.variable("b")
    assert tape.trace(lambda: a + 0) is a
    assert tape.trace(lambda: a * 3 * 5) is tape.trace(lambda: 15 * a)
    assert tape.trace(lambda: max(a, b)) is tape.trace(lambda: max(a, b))
    assert tape.trace(lambda: {True: "same", False: "same"}[bool(a < b)]) == "same"
    fork = tape.ways(lambda: "less" if a < b else "more")
    assert isinstance(fork, Fork)
    assert (fork.yes, fork.no) == ("less", "more")
    with pytest.raises(UntraceableError):
        tape.trace(lambda: "less" if a < b else "more")
    with pytest.raises(UntraceableError):
        tape.trace(lambda: sum(1 for n in range(200) if a > n))


def test_progress_and_misfits_are_told(capsys):
    told = []

    class Ear(Observer):
        def skipped(self, misfit):
            told.append(misfit.layer)

        def done(self, layers=1):
            told.append(layers)

    sweep = Sweep(parse_source({"k": "1:500", "c": "1", "r": "1,9", "h": "4", "padding": "valid"}), profiler="none")
    list(sweep.lines(LINES[:1], Ear()))
    assert sum(one for one in told if isinstance(one, int)) == 1000
    assert [one for one in told if isinstance(one, str)][:2] == [
        "k=1 c=1 r=9 s=3 h=4 w=56 padding=valid", "k=2 c=1 r=9 s=3 h=4 w=56 padding=valid",
    ]  # fmt: skip

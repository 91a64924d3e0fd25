"""Ranges, ties, shards: what a grid is before anything runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.reading import layer_name
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.axes import parse_axis
from dsconv_cli.sweep.grid import make_grid
from dsconv_cli.sweep.sources import Misfit, Shard, Source, layers, parse_shard
from dsconv_cli.sweep.ties import parse_zips


def values(name, text):
    return list(parse_axis(name, text, f"--{name}"))


def grid(zips=(), **texts):
    axes = {name: parse_axis(name, text, f"--{name}") for name, text in texts.items()}
    return make_grid(axes, parse_zips(zips, set(texts)), {})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("k", "64", [64]),
        ("k", "16,32,64", [16, 32, 64]),
        ("k", " 16 , 32 ", [16, 32]),
        ("c", "16:512:*2", [16, 32, 64, 128, 256, 512]),
        ("c", "16:500:*2", [16, 32, 64, 128, 256]),
        ("c", "5:5:*3", [5]),
        ("h", "7:28:7", [7, 14, 21, 28]),
        ("h", "1:10:4", [1, 5, 9]),
        ("r", "1:4", [1, 2, 3, 4]),
        ("r", "3:3", [3]),
        ("k", "1,3,8:32:8", [1, 3, 8, 16, 24, 32]),
        ("k", "8:16:8,1,3:27:*3", [8, 16, 1, 3, 9, 27]),
        ("stride", "1,2", [(1, 1), (2, 2)]),
        ("stride", "1:3,2x1", [(1, 1), (2, 2), (3, 3), (2, 1)]),
        ("padding", "half,same,valid,0,1x2", ["half", "same", "valid", (0, 0), (1, 2)]),
        ("padding", "0:2", [(0, 0), (1, 1), (2, 2)]),
        ("dtype", "float32,float16", ["float32", "float16"]),
        ("depth_multiplier", "1:4:*2", [1, 2, 4]),
    ],
)
def test_values_and_ranges(name, text, expected):
    axis = parse_axis(name, text, "--x")
    assert list(axis) == expected
    assert axis.count == len(expected)
    assert [axis[index] for index in range(axis.count)] == expected


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("k", "", "a value is missing"),
        ("k", "16,,32", "a value is missing"),
        ("k", "16,", "a value is missing"),
        ("k", "64:16", "runs backwards and is empty; did you mean '16:64'?"),
        ("k", "64:16:*2", "did you mean '16:64:*2'?"),
        ("k", "1:8:0", "the step must be a positive integer"),
        ("k", "1:8:-1", "the step must be a positive integer"),
        ("k", "1:8:*1", "the factor must be an integer of at least 2"),
        ("k", "1:8:*0", "the factor must be an integer of at least 2"),
        ("k", "1:8:*1.5", "the factor must be an integer of at least 2"),
        ("k", "1:8:2:3", "is not a range"),
        ("k", ":8", "is not a range"),
        ("k", "8:", "is not a range"),
        ("k", "0", "must be a positive integer"),
        ("k", "0:8", "must be a positive integer"),
        ("k", "-1", "must be a positive integer"),
        ("k", "x", "must be a positive integer"),
        ("k", "1.5", "must be a positive integer"),
        ("k", f"{2**63}", "at most 2^63 - 1"),
        ("k", "8,8", "8 is there twice"),
        ("k", "12,4:16:4", "12 is there twice"),
        ("k", "1:1000000000000:2,2:1000000000000:3", "5 is there twice"),
        ("padding", "0:4:*2", "no factor leads away from 0"),
        ("padding", "halb", "must be half, same, valid, a number P or two numbers PxQ"),
        ("stride", "1x2x3", "one number or two, HEIGHTxWIDTH"),
        ("stride", "0", "must be a positive integer"),
        ("dtype", "int4", "must be one of float32"),
        ("dtype", "float16:float32", "is not a range"),
    ],
)
def test_what_is_no_list_is_one_clear_error(name, text, complaint):
    with pytest.raises(DsconvError) as caught:
        parse_axis(name, text, "--x")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("--x")
    assert "\n" not in str(caught.value)


def test_a_huge_range_costs_nothing():
    axis = parse_axis("k", "1:9000000000000000000", "--k")
    assert axis.count == 9 * 10**18
    assert axis[10**17] == 10**17 + 1


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40), st.integers(1, 9)), min_size=2, max_size=2))
def test_repeats_are_found_without_walking(ranges):
    text = ",".join(f"{start}:{start + length}:{step}" for start, length, step in ranges)
    one, two = (set(range(start, start + length + 1, step)) for start, length, step in ranges)
    if one & two:
        with pytest.raises(DsconvError, match=f": {min(one & two)} is there twice"):
            parse_axis("k", text, "--k")
    else:
        assert set(parse_axis("k", text, "--k")) == one | two


ITEMS = st.one_of(
    st.integers(1, 99).map(lambda value: (str(value), [value])),
    st.tuples(st.integers(1, 60), st.integers(0, 40), st.integers(1, 9)).map(
        lambda one: (f"{one[0]}:{one[0] + one[1]}:{one[2]}", list(range(one[0], one[0] + one[1] + 1, one[2])))
    ),
    st.tuples(st.integers(1, 9), st.integers(2, 5), st.integers(1, 4)).map(
        lambda one: (
            f"{one[0]}:{one[0] * one[1] ** one[2]}:*{one[1]}",
            [one[0] * one[1] ** n for n in range(one[2] + 1)],
        )
    ),
)


@given(st.lists(ITEMS, min_size=1, max_size=4), st.sampled_from(["k", "stride"]))
def test_a_list_is_its_items_one_after_the_other(items, name):
    expected = [value if name == "k" else (value, value) for _, values in items for value in values]
    text = ",".join(text for text, _ in items)
    if len(set(expected)) < len(expected):
        with pytest.raises(DsconvError, match="is there twice"):
            parse_axis(name, text, "--x")
        return
    axis = parse_axis(name, text, "--x")
    assert list(axis) == expected == [axis[index] for index in range(axis.count)]
    assert name == "stride" or axis.largest == max(expected)


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=6, unique=True),
    st.integers(1, 12),
    st.sampled_from(["c=k*{}", "c={}*k", "c=k/{}"]),
)
def test_a_tie_holds_in_every_layer_or_says_where_not(values, number, form):
    texts = {"k": ",".join(map(str, values)), "batch": "1:3"}
    over = number if "/" in form else 1
    wrong = next((value for value in values if value % over), None)
    if wrong is not None:
        with pytest.raises(DsconvError, match=f"k is {wrong} in one layer, which {over} does not divide"):
            grid([form.format(number)], **texts)
        return
    tied = grid([form.format(number)], **texts)
    found = [tied.arguments(index) for index in range(tied.count)]
    assert [(one["k"], one["batch"]) for one in found] == [(k, batch) for k in values for batch in (1, 2, 3)]
    assert all(one["c"] == (one["k"] // number if "/" in form else one["k"] * number) for one in found)


def test_the_last_option_varies_fastest():
    both = grid(k="1,2", c="3:5")
    assert both.count == 6
    assert [(both.arguments(i)["k"], both.arguments(i)["c"]) for i in range(6)] == [
        (1, 3),
        (1, 4),
        (1, 5),
        (2, 3),
        (2, 4),
        (2, 5),
    ]


@pytest.mark.parametrize(
    ("zips", "texts", "expected"),
    [
        (["c=k"], {"k": "16,32"}, [{"k": 16, "c": 16}, {"k": 32, "c": 32}]),
        (
            ["w=h", "s=r"],
            {"h": "7,14", "r": "3"},
            [{"h": 7, "w": 7, "r": 3, "s": 3}, {"h": 14, "w": 14, "r": 3, "s": 3}],
        ),
        (["c=k/2"], {"k": "16:32:*2"}, [{"k": 16, "c": 8}, {"k": 32, "c": 16}]),
        (["c=2*k"], {"k": "4"}, [{"k": 4, "c": 8}]),
        (["c = k*2"], {"k": "4"}, [{"k": 4, "c": 8}]),
        (["c=k", "batch=c"], {"k": "4"}, [{"k": 4, "c": 4, "batch": 4}]),
        (["batch=c", "c=k"], {"k": "4"}, [{"k": 4, "c": 4, "batch": 4}]),
        (["depth-multiplier=r"], {"r": "2"}, [{"r": 2, "depth_multiplier": 2}]),
        (["k,c"], {"k": "1,2", "c": "8:16:8"}, [{"k": 1, "c": 8}, {"k": 2, "c": 16}]),
    ],
)
def test_ties(zips, texts, expected):
    tied = grid(zips, **texts)
    assert [tied.arguments(index) for index in range(tied.count)] == expected


@pytest.mark.parametrize(
    ("zips", "texts", "complaint"),
    [
        (["c=k"], {"k": "1", "c": "2"}, "sets c, which has a value of its own"),
        (["c=k", "c=r"], {"k": "1", "r": "2"}, "sets c twice"),
        (["c=k", "k=c"], {}, "goes round in a circle"),
        (["w=h"], {}, "h has no value; give --h"),
        (["c=x"], {"k": "1"}, "'x' cannot be tied"),
        (["stride=k"], {"k": "1"}, "'stride' cannot be tied"),
        (["c=k+1"], {"k": "1"}, "it takes c=k"),
        (["c=2*k/2"], {"k": "1"}, "it takes c=k"),
        (["c=k*0"], {"k": "1"}, "the factor must be a positive integer"),
        (["c"], {"c": "1"}, "it takes c=k"),
        (["c,c"], {"c": "1"}, "sets c twice"),
        (["c=k/2"], {"k": "2:8:3"}, "k is 5 in one layer, which 2 does not divide"),
        (["c=k/3"], {"k": "3:24:*2,5"}, "k is 5 in one layer, which 3 does not divide"),
        (["k,c"], {"k": "1,2", "c": "1"}, "must be equally long; k has 2, c has 1"),
        (["k,c"], {"k": "1,2"}, "c has no value; give --c"),
        (["c=depth-multiplier"], {"k": "1"}, "depth_multiplier has no value; give --depth-multiplier"),
        (["k,depth-multiplier"], {"k": "1,2"}, "depth_multiplier has no value; give --depth-multiplier"),
        (["c=k", "batch=c/2"], {"k": "2"}, "only a value that is given can be divided, and c is tied itself"),
        (["c=k*10000000000000000000000"], {"k": "1"}, "the factor must be at most 2^63 - 1"),
        ([f"c={10**17}*k"], {"k": "8,64:128"}, "k is 128 in one layer, which makes c larger than 2^63 - 1"),
        ([f"c={10**10}*k", f"batch={10**10}*c"], {"k": "1"}, "c is 10000000000 in one layer, which makes batch larger"),
        (["c=k/٣"], {"k": "3"}, "it takes c=k"),
        (["k,c", "k,r"], {"k": "1", "c": "1", "r": "1"}, "sets k twice"),
    ],
)
def test_ties_that_make_no_sense(zips, texts, complaint):
    with pytest.raises(DsconvError) as caught:
        grid(zips, **texts)
    assert complaint in str(caught.value)
    assert "--zip" in str(caught.value)


def test_a_kernel_that_does_not_fit_is_told_and_the_others_stay():
    source = Source(grid(k="1", c="1", r="1,9", h="4", w="4", padding="valid"))
    fits, misfit = layers(source, Shard())
    assert fits.spec == ConvSpec(1, 1, 1, 3, 4, 4, padding="valid")
    assert isinstance(misfit, Misfit)
    assert "r=9" in misfit.layer
    assert "does not fit" in misfit.reason


@given(st.integers(0, 40), st.integers(1, 12))
def test_shards_are_the_whole(count, total):
    parts = [range(*Shard(index, total).bounds(count)) for index in range(1, total + 1)]
    assert [number for part in parts for number in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "", "1.0/2"])
def test_what_is_no_shard(text):
    with pytest.raises(DsconvError, match="--shard takes I/N"):
        parse_shard(text)


def test_a_layer_has_a_short_name():
    assert layer_name(ConvSpec(64, 32)) == "k=64 c=32 r=3 s=3 h=56 w=56"
    assert layer_name(ConvSpec(64, 32, stride=(2, 1), batch=8)) == "k=64 c=32 r=3 s=3 h=56 w=56 batch=8 stride=2x1"
    assert layer_name(ConvSpec(64, 32, padding="valid")).endswith("padding=0")

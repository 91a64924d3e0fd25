"""Which layers are chosen: targets against every possible set, globs, ratios."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsconv_cli import CannotMeasureError, ConvSpec, DsconvError
from dsconv_cli.model.choose import NOT_NEEDED, Target, decide, fewest, parse_count
from dsconv_cli.model.result import Layer, Saving, Selection


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1G", 10**9),
        ("5M", 5_000_000),
        ("1.5k", 1500),
        ("569m", 569_000_000),
        ("0", 0),
        ("1e6", 10**6),
        ("2T", 2 * 10**12),
        ("1B", 10**9),
    ],
)
def test_counts(text, count):
    assert parse_count(text, "--target-macs") == count


@pytest.mark.parametrize("text", ["", "G", "-1", "1.5", "nan", "inf", "1X", "1 000", "one"])
def test_what_is_no_count(text):
    with pytest.raises(DsconvError, match="--target-macs must be a count"):
        parse_count(text, "--target-macs")


savings = st.lists(st.builds(Saving, st.integers(-5, 30), st.integers(-5, 30)), min_size=1, max_size=8)


def _smallest(candidates, aims):
    """Every set, the small ones first."""
    for size in range(len(candidates) + 1):
        for names in combinations(candidates, size):
            if all(sum(getattr(candidates[name], aim.metric) for name in names) >= aim.need for aim in aims):
                return size
    return None


@settings(deadline=None, max_examples=300)
@given(savings, st.integers(0, 120), st.integers(0, 120), st.sampled_from([("macs",), ("params",), ("macs", "params")]))
def test_no_smaller_set_reaches_the_targets(each, need_macs, need_params, metrics):
    candidates = {str(index): saving for index, saving in enumerate(each)}
    needs = {"macs": need_macs, "params": need_params}
    aims = [Target(metric, 1000 - needs[metric], 1000) for metric in metrics]
    expected = _smallest(candidates, aims)
    if expected is None:
        with pytest.raises(CannotMeasureError, match="reache"):
            fewest(candidates, aims)
        return
    chosen = fewest(candidates, aims)
    assert len(chosen) == expected
    for aim in aims:
        assert sum(getattr(candidates[name], aim.metric) for name in chosen) >= aim.need


def test_many_layers_and_both_targets():
    """500 layers, no two alike: seconds, not the age of the universe."""
    candidates = {str(i): Saving((i * 7919) % 1009 + 1, (i * 104_729) % 1013 + 1) for i in range(500)}
    macs, params = (sum(getattr(one, metric) for one in candidates.values()) for metric in ("macs", "params"))
    aims = [Target("macs", macs // 2, macs), Target("params", params // 2, params)]
    chosen = fewest(candidates, aims)
    assert all(sum(getattr(candidates[name], aim.metric) for name in chosen) >= aim.need for aim in aims)
    assert len(chosen) < 250


def _layer(name, k, c, **more):
    spec = ConvSpec(k, c)
    layer = Layer(name, "Conv2d", "convolution", 1, 0, 0, eligible=True, spec=spec, **more)
    closed = layer.cost
    return Layer(
        name, "Conv2d", "convolution", 1, closed.params.ordinary, closed.macs.ordinary, eligible=True, spec=spec
    )


LAYERS = [_layer("stem", 16, 3), _layer("body.a", 64, 64), _layer("body.b", 128, 64), _layer("head", 1, 8)]


def _decided(**selection):
    totals = {"params": sum(one.params for one in LAYERS), "macs": sum(one.macs for one in LAYERS)}
    decided = decide(LAYERS, Selection(**selection), **totals)[0]
    assert all(one.replaced == (one.kept is None) for one in decided)
    return {one.name: one.kept for one in decided}


@pytest.mark.parametrize(
    ("selection", "replaced"),
    [
        ({}, {"stem", "body.a", "body.b", "head"}),
        ({"keep": ("stem*",)}, {"body.a", "body.b", "head"}),
        ({"only": ("body.*",)}, {"body.a", "body.b"}),
        ({"only": ("body.*",), "keep": ("*.b",)}, {"body.a"}),
        ({"min_ratio": 1}, {"stem", "body.a", "body.b"}),
        ({"min_ratio": 8}, {"body.b"}),
        ({"target_params": 10**9}, set()),
        ({"target_params": 60_000}, {"body.b"}),
        ({"target_macs": 50_000_000}, {"body.a", "body.b"}),
    ],
)
def test_selection(selection, replaced):
    decided = _decided(**selection)
    assert {name for name, why in decided.items() if why is None} == replaced


def test_each_kept_layer_says_why():
    decided = _decided(keep=("stem",), min_ratio=1, target_params=60_000)
    assert decided == {
        "stem": "--keep stem",
        "body.a": NOT_NEEDED,
        "body.b": None,
        "head": "ratio 0.90 is below 1",
    }


def test_a_glob_that_matches_nothing():
    with pytest.raises(DsconvError, match=r"`keep` 'stme' matches no convolution; they are stem, body.a"):
        _decided(keep=("stme",))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keep": "stem*"}, "`keep` must be a tuple of globs such as ('stem*',), not 'stem*'"),
        ({"only": (1,)}, "`only` must be a tuple of globs such as ('stem*',), not (1,)"),
        ({"min_ratio": float("nan")}, "`min_ratio` must be a number such as 2, not nan"),
        ({"min_ratio": "2"}, "`min_ratio` must be a number such as 2, not '2'"),
        ({"depth_multiplier": 0}, "`depth_multiplier` must be a positive integer or 'auto', not 0"),
        ({"depth_multiplier": None}, "`depth_multiplier` must be a positive integer or 'auto', not None"),
        ({"target_macs": -1}, "`target_macs` must be a count such as 569_000_000, not -1"),
        ({"target_params": 1.5}, "`target_params` must be a count such as 4_200_000, not 1.5"),
    ],
)
def test_what_is_no_selection(wrong, message):
    with pytest.raises(DsconvError) as caught:
        Selection(**wrong)
    assert str(caught.value) == message


def test_a_target_out_of_reach():
    with pytest.raises(CannotMeasureError, match="`target_macs` 1 cannot be reached: with all 4 layers"):
        _decided(target_macs=1)

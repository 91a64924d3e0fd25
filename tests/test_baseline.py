"""The arithmetic of growth, its gates, and what of a network is named as the cause."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from fakes import timing
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli import ConvSpec
from dsconv_cli.baseline.beside import judged, layer_baseline
from dsconv_cli.baseline.change import Change, Figure, Limit, exactly, parse_limit
from dsconv_cli.baseline.layers import causes, layer_changes
from dsconv_cli.baseline.rows import EarlierRows
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.errors import DsconvError
from dsconv_cli.model.keys import KEYS as MODEL
from dsconv_cli.timing.result import Interval

COUNTS = st.integers(0, 2**70)
SHARES = st.integers(0, 3_000_000).map(lambda parts: Fraction(parts, 10**6))
TIMES = st.floats(1e-9, 1e3)
LAYER = ConvSpec(64, 32, h=32, w=32)


def change(was, now, **more):
    return Change("totals.macs.before", "MACs", "", was, now, **more)


# --- the arithmetic --------------------------------------------------------------------------------------------


@given(COUNTS, COUNTS, SHARES)
def test_a_count_exceeds_a_tolerance_exactly_where_it_does(was, now, tolerance):
    """In integers: now·d > was·(d + n), for the tolerance n/d."""
    n, d = tolerance.numerator, tolerance.denominator
    assert change(exactly(was), exactly(now)).exceeds(tolerance) == (now * d > was * (d + n))


@given(COUNTS, COUNTS)
def test_growth_is_exact(was, now):
    growth = change(exactly(was), exactly(now)).growth
    if growth is None:
        assert (was == 0) is (now != 0)
    else:
        assert was + was * growth == now


@given(TIMES, TIMES, st.floats(1, 2), st.floats(1, 2), SHARES)
def test_times_whose_intervals_overlap_have_not_grown(was, now, doubt, doubt_now, tolerance):
    one = change(Figure(was, was / doubt, was * doubt), Figure(now, now / doubt_now, now * doubt_now))
    overlap = now / doubt_now <= was * doubt and was / doubt <= now * doubt_now
    assert one.certain is not overlap
    assert not (overlap and one.exceeds(tolerance))
    if one.exceeds(tolerance):
        assert one.exceeds(Fraction(0))
        assert one.growth > tolerance


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("macs.separable", 0),
        ("macs.separable=0", 0),
        ("macs.separable=1%", Fraction(1, 100)),
        (" macs.separable = 0.5% ", Fraction(1, 200)),
        ("macs.separable=0.01", Fraction(1, 100)),
        ("macs.separable=150%", Fraction(3, 2)),
    ],
)
def test_limits(text, tolerance):
    assert parse_limit(text, KEYS, KEYS.find) == Limit("macs.separable", tolerance, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("=1%", "takes KEY or KEY=TOLERANCE"),
        ("macs.separable=", "takes KEY or KEY=TOLERANCE"),
        ("macs.separable=-1%", "'-1%' is not a tolerance such as 1%"),
        ("macs.separable=nan", "is not a tolerance"),
        ("macs.separable=%", "is not a tolerance"),
        ("macs.separable=5", "5 would be 500%; write 5% if you mean that"),
        ("macs.ratio", "the larger it is the better; name what costs: macs.ordinary or macs.separable"),
        ("time.speedup", "name what costs: time.ordinary.median_s or time.separable.median_s"),
        ("spec.dtype", "it is not a number that can grow"),
        ("mcs.separable", "unknown key 'mcs.separable'"),
    ],
)
def test_limits_that_mean_nothing(text, told):
    with pytest.raises(DsconvError) as error:
        parse_limit(text, KEYS, KEYS.find)
    assert told in str(error.value).replace("500 %", "500%")


def test_the_message_says_by_how_much_and_where():
    """92.4 / 86.9 is 1.0633."""
    limit = Limit("totals.macs.before", Fraction(1, 100), "macs=1%")
    grown, causes = change(exactly(86_900_000), exactly(92_400_000)), ("body.3", "body.4 (new)", "head", "stem")
    one = judged(limit, grown, {}, "", causes)
    assert not one.passed
    told = one.message.replace("6.33 %", "6.33%")
    assert told == "MACs grew 6.33%, 86.9 M → 92.4 M: body.3, body.4 (new), head and 1 more (--fail-if-grows macs=1%)"
    passed = judged(replace(limit, tolerance=Fraction(7, 100)), grown, {}, "", causes)
    assert passed.passed
    assert "body.3" not in passed.message


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (4, 5, "MACs grew 25.0%, 4 → 5"),
        (5, 4, "MACs fell 20.0%, 5 → 4"),
        (0, 4, "MACs grew, 0 → 4"),
        (7, 7, "MACs did not change: 7"),
        (10_000_000, 10_000_001, "MACs grew 0.0000100%, 10.000000 M → 10.000001 M"),
    ],
)
def test_changes_in_words(was, now, told):
    assert change(exactly(was), exactly(now)).text.replace(" %", "%") == told


# --- the layers of a network -----------------------------------------------------------------------------------


def layer(name, own_params, own_macs, **more):
    return {"name": name, "counted": {"params": own_params, "macs": own_macs}, **more}


def network(*layers):
    return {"layers": list(layers)}


NAMES = st.sampled_from(["a", "b.0", "b.1", "c", ""])
NETWORKS = st.dictionaries(NAMES, st.tuples(st.integers(0, 9), st.integers(0, 9)))


@given(NETWORKS, NETWORKS)
def test_the_growths_of_the_layers_are_that_of_the_network(was, now):
    found = layer_changes(*(network(*(layer(name, *figures) for name, figures in one.items())) for one in (was, now)))
    for place, metric in enumerate(("params", "macs")):
        whole = sum(one[place] for one in now.values()) - sum(one[place] for one in was.values())
        assert sum(one.growth(f"{metric}.before") for one in found) == whole
        if whole > 0:
            assert causes(found, f"totals.{metric}.before")


def test_what_happened_to_each_layer():
    before = network(layer("stem", 10, 100), layer("body.0", 20, 200), layer("body.1", 20, 300), layer("head", 5, 5))
    after = network(layer("stem", 10, 100), layer("body.0", 22, 220), layer("trunk.1", 20, 300), layer("neck", 5, 50))
    found = {one.label: (one.kind, one.former) for one in layer_changes(before, after)}
    assert found == {
        "body.0": ("changed", ""),
        "trunk.1": ("renamed", "body.1"),
        "neck": ("added", ""),
        "head": ("removed", ""),
    }
    assert causes(layer_changes(before, after), "totals.macs.before") == ("neck (new)", "body.0")
    assert causes(layer_changes(before, after), "totals.time.before.median_s") == ("neck (new)", "body.0")
    assert causes(layer_changes(before, after), "totals.runtimes.litert.before.median_s") == ("neck (new)", "body.0")
    assert causes(layer_changes(before, after), "totals.weight_bytes.before") == ("neck (new)", "body.0")
    assert causes(layer_changes(before, after), "totals.activation_bytes.before") == ()


def test_a_layer_that_is_no_longer_replaced_costs_more_only_after():
    """100 ordinary, 20 separable: what the network costs as it is stays the same."""
    closed = {"macs": {"ordinary": 100, "separable": 20}, "params": {"ordinary": 10, "separable": 4}}
    found = layer_changes(
        network(layer("a", 10, 100, replaced=True, **closed)), network(layer("a", 10, 100, replaced=False, **closed))
    )
    (one,) = found
    assert (one.growth("macs.before"), one.growth("macs.after"), one.growth("params.after")) == (0, 80, 6)
    assert causes(found, "totals.macs.before") == ()
    assert causes(found, "totals.macs.after") == ("a",)


@pytest.mark.parametrize("layers", [None, {}, 3, [3], [{}], [{"name": 1, "counted": []}], [{"name": "a", "macs": []}]])
def test_layers_that_are_none_are_no_crash(layers):
    assert len(layer_changes({"layers": layers}, network())) <= 1


# --- one layer, and its times ----------------------------------------------------------------------------------


def timed(**more):
    return replace(closed_forms(LAYER), time=timing(**more))


def written(tmp_path, *ones):
    path = tmp_path / "base.json"
    path.write_text("".join(json.dumps(KEYS.document(one)) + "\n" for one in ones))
    return path


def beside(path, result, *limits):
    parsed = [parse_limit(text, KEYS, KEYS.find) for text in limits]
    spec = KEYS.document(closed_forms(result.spec))["spec"]
    return layer_baseline(Path(path), parsed, KEYS, spec).beside(KEYS, result)


@pytest.mark.parametrize(
    ("separable_s", "tolerance", "passes"),
    [
        # The speed-up's interval reaches 2.7 / 2.6 = 1.0385 times as far: both together 1.0784 times.
        (1.5e-4, "0%", True),
        (1.61e-4, "0%", True),
        (1.63e-4, "0%", False),
        (1.63e-4, "1%", True),
        (1.64e-4, "1%", False),
        (1.0e-4, "0%", True),
    ],
)
def test_a_time_has_grown_where_its_interval_has_left_the_other(tmp_path, separable_s, tolerance, passes):
    path = written(tmp_path, timed())
    (verdict,) = beside(path, timed(separable_s=separable_s), f"time.separable.median_s={tolerance}").verdicts
    assert verdict.passed is passes


def test_a_speed_up_is_judged_by_its_own_interval(tmp_path):
    path = written(tmp_path, timed())

    def certain(*interval):
        found = beside(path, timed(speedup=Interval(*interval, 0.95))).changes
        return next(one.certain for one in found if one.key == "time.speedup.value")

    assert not certain(2.4, 2.3, 2.51)
    assert certain(2.4, 2.35, 2.49)


def test_times_under_other_conditions_are_not_compared(tmp_path):
    path = written(tmp_path, timed())
    found = beside(path, timed(threads=2))
    assert found.doubts == ("time.threads was 1 and is 2",)
    assert not [one.key for one in found.changes if one.key.startswith("time.")]
    with pytest.raises(
        DsconvError, match=r"times under other conditions say nothing; in .* time.threads was 1 and is 2"
    ):
        beside(path, timed(threads=2), "time.separable.median_s")


def test_a_baseline_without_times_has_none_to_be_held_against(tmp_path):
    with pytest.raises(DsconvError, match=r"has no time.separable.median_s; write it anew with --time"):
        beside(written(tmp_path, closed_forms(LAYER)), timed(), "time.separable.median_s")


def test_a_layer_is_found_among_those_of_a_sweep(tmp_path):
    path = written(tmp_path, closed_forms(ConvSpec(8, 8)), timed())
    assert beside(path, timed()).changes
    with pytest.raises(DsconvError, match=r"none of the 2 layers in the baseline .* is this one"):
        beside(path, closed_forms(ConvSpec(9, 8)))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (ConvSpec(64, 16, h=32, w=32), "of another layer, with c 32 (here 16); "),
        (ConvSpec(64, 32, h=32, w=30, stride=(2, 1)), "with w 32 (here 30), stride 1 (here 2,1); "),
        (ConvSpec(64, 32, h=32, w=32, dtype="float16"), "with dtype 'float32' (here 'float16'); "),
    ],
)
def test_a_baseline_of_another_layer_is_refused(tmp_path, spec, told):
    with pytest.raises(DsconvError) as error:
        beside(written(tmp_path, closed_forms(LAYER)), closed_forms(spec))
    assert told in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no baseline"),
        ("", "is empty"),
        ("{", "is no JSON"),
        ("[]", "is not a result of dsconv compare"),
        ('{"k": 3}', "is not a result of dsconv compare"),
        ('{"schema_version": NaN}', "is no JSON"),
        ('{"schema_version": 2, "command": "compare"}', "has schema_version 2, and this dsconv reads 1"),
        ('{"schema_version": 1, "command": "model"}', "is a result of dsconv model, not of dsconv compare"),
        ("schema_version,command\n1,compare\n", "is no JSON"),
        ("\xff", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"schema_version": 1, "command": "compare"}', "of another layer"),
        ('{"schema_version": 1, "command": "compare", "spec": 3}', "of another layer"),
        ('{"schema_version": 1, "command": "compare", "spec": {"stride": [[1], {}]}}', "of another layer"),
        (f'{{"schema_version": 1, "k": {"9" * 5000}}}', "is no JSON"),
    ],
)
def test_what_is_no_baseline_is_told_in_a_line(tmp_path, text, told):
    path = tmp_path / "base.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(DsconvError) as error:
        beside(path, closed_forms(LAYER))
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("value", ["1e400", "-1e308", "9" * 4000, "null", "[]", "true", '"5"'])
def test_figures_that_are_none_are_no_baseline(tmp_path, value):
    path = written(tmp_path, timed())
    path.write_text(path.read_text().replace('"median_s": 0.00015', f'"median_s": {value}'))
    beside(path, timed())
    with pytest.raises(DsconvError, match=r"has no time\.separable\.median_s"):
        beside(path, timed(), "time.separable.median_s")


# --- many layers -----------------------------------------------------------------------------------------------


def test_rows_are_matched_by_what_they_are(tmp_path):
    specs = [ConvSpec(k, 8) for k in (8, 16, 32)]
    before = [replace(closed_forms(spec), time=timing()) for spec in (specs[0], specs[1], specs[1])]
    path = written(tmp_path, *before)
    limits = [parse_limit("time.separable.median_s", KEYS, KEYS.find)]
    earlier = EarlierRows(path, limits, KEYS)
    slower = timing(separable_s=3e-4, speedup=Interval(1.3, 1.25, 1.35, 0.95))
    now = [closed_forms(specs[2]), *(replace(closed_forms(specs[1]), time=one) for one in (slower, timing()))]
    verdicts = [verdict.passed for one in now for verdict in earlier.add(one)]
    assert verdicts == [False, True]
    found = earlier.beside(whole=True)
    assert (found.same, found.changed, found.new, found.gone) == (1, 1, 1, 1)
    assert [(row.label, len(row.changes)) for row in found.rows] == [("k=16 c=8 r=3 s=3 h=56 w=56", 2)]
    assert earlier.beside(whole=False).gone is None


def test_a_sweep_of_other_layers_is_refused(tmp_path):
    earlier = EarlierRows(written(tmp_path, closed_forms(ConvSpec(8, 8))), [], KEYS)
    earlier.check_same(map(closed_forms, [ConvSpec(9, 8), ConvSpec(8, 8)]))
    with pytest.raises(DsconvError, match="is of other layers: none of its 1 is in this sweep"):
        earlier.check_same([closed_forms(ConvSpec(9, 8))])


def test_every_total_of_a_network_can_be_limited():
    for key in MODEL:
        if key.startswith("totals.") and key.endswith((".before", ".after")):
            assert parse_limit(key, MODEL, MODEL.find).key == key

"""The language of --where: what it says, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fakes import timing
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.sweep.conditions import parse_where

ONE = closed_forms(ConvSpec(k=64, c=32, stride=(2, 1)))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("macs.ratio < 8", True),
        ("macs.ratio<6", False),
        ("macs.ratio > 7 and k == 64", True),
        ("k < 10 or c < 40", True),
        ("k < 10 or c < 40 and k > 100", False),
        ("(k < 10 or c < 40) and k > 10", True),
        ("not k < 10", True),
        ("not not k < 10", False),
        ("not (k < 10 or c < 10)", True),
        ("spec.k == 64", True),
        ("k != 64", False),
        ("k >= 64 and k <= 64", True),
        ("k / c == 2", True),
        ("2 * (k + c) == 192", True),
        ("k - c - 2 == 30", True),
        ("-k < 0", True),
        ("k == --64", True),
        ("macs.ratio * 2 > 15.7", True),
        ("1e2 > k", True),
        (".5 < traffic.ratio", True),
        ("spec.dtype == 'float32'", True),
        ('spec.dtype != "float32"', False),
        ("approximation.holds", False),
        ("approximation.holds == false", True),
        ("not spec.bias.ordinary", True),
        ("padding == 1", True),
        ("stride == 2", False),
        ("k / 0 > 1", False),
        ("time.speedup > 1", False),
        ("measured.macs.ratio > 0", False),
        ("macs.ordinary == 28901376", True),
        ("true", True),
        ("32 <= c < k <= 64", True),
        ("c < k < 64", False),
        ("k\n > 9 and\tc > 9", True),
        ("spec.dtype == 'float32' == spec.dtype", True),
    ],
)
def test_what_it_says(text, holds):
    assert parse_where(text).holds(ONE) is holds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "ends too early"),
        ("k <", "ends too early"),
        ("k < 1 and", "ends too early"),
        ("macs.ratio", "must be a condition"),
        ("1", "must be a condition"),
        ("k + 1", "must be a condition"),
        ("k = 1", "equality is =="),
        ("k < 1 & c < 1", "write and, or, not"),
        ("k < 1 || c < 1", "write and, or, not"),
        ("!(k < 1)", "write and, or, not"),
        ("1 < k < 'a'", "cannot compare a number with text"),
        ("1 < spec.dtype", "cannot compare a number with text"),
        ("(k < 1", "not closed"),
        ("k < 1)", "is not expected"),
        ("k < 'a'", "cannot compare a number with text"),
        ("spec.dtype < 'a'", "cannot compare text with text"),
        ("k and c", "must be conditions"),
        ("not k", "must be followed by a condition"),
        ("true + 1 > 0", "takes numbers"),
        ("-true == 1", "takes a number"),
        ("macs.rato < 6", "unknown key 'macs.rato'; did you mean macs.ratio"),
        ("k.real > 1", "unknown key"),
        ("k.__class__ == 1", "unknown key"),
        ("__import__('os').system('true')", "there are no functions"),
        ("open('x')", "there are no functions"),
        ("macs.ratio(1)", "there are no functions"),
        ("().__class__", "is not expected"),
        ("lambda: 1", "is not expected"),
        ("[k for k in (1,)]", "is not expected"),
        ("{}", "is not expected"),
        ("k ** 99 > 1", "is not expected"),
        ("k if c else k", "is not expected"),
        ("k is 3", "is not expected"),
        ("k // 3 > 1", "is not expected"),
        ("k & 3", "write and, or, not"),
        ("+k > 1", "is not expected"),
        ("None == k", "is not expected"),
        ("True == k", "is not expected"),
        ("1j == k", "is not expected"),
        ("... == k", "is not expected"),
        ("k == (1, 2)", "is not expected"),
        ("k < 1and c < 1", "is not expected"),
        ("spec.dtype == b'a'", "is not expected"),
        ("spec.dtype == r'a'", "is not expected"),
        ("spec.dtype == f'{k}'", "is not expected"),
        ("spec.dtype == 'a' 'b'", "is not expected"),
        ("spec.dtype == '''a'''", "is not expected"),
        ("spec.dtype == 'a\\x41'", "is not expected"),
        ("spec.dtype == 'a", "is not expected"),
        ("'a'.upper() == spec.dtype", "there are no functions"),
        ("k[0] == 1", "is not expected"),
        ("k\x00 < 1", "not text"),
        ("k < \udcff", "not text"),
        ("k" + ".k" * 4000 + " < 1", "nested more than"),
        ("k + " * 2000 + "k < 1", "nested more than"),
        ("k := 1", "is not expected"),
        ("k; c", "is not expected"),
        ("`k`", "is not expected"),
        ("k < 1_000", "is not expected"),
        ("k < 0x10", "is not expected"),
        ("k in 3", "is not expected"),
        ("1e999 > k", "too large a number"),
        ("9" * 5000 + " > k", "too large a number"),
        ("(" * 300 + "k < 1" + ")" * 300, "nested more than 50 deep"),
        ("not " * 1000 + "k < 1", "nested more than 50 deep"),
        ("-" * 1000 + "k < 1", "nested more than 50 deep"),
        ("-" * 9000 + "k < 1", "nested more than 50 deep"),
        ("k < 1 or " * 5000 + "k < 1", "longer than 10000"),
    ],
)
def test_what_it_refuses(text, complaint):
    with pytest.raises(DsconvError) as caught:
        parse_where(text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("--where")
    assert "\n" not in str(caught.value)


@given(st.text("kc.()<>=!and or not'\"+-*/0123456789_", max_size=40))
def test_any_text_is_a_condition_or_an_error(text):
    try:
        condition = parse_where(text)
    except DsconvError:
        return
    assert condition.holds(ONE) in {True, False}


NUMBERS = st.sampled_from(["k", "c", "r", "macs.ratio", "traffic.ratio", "spec.batch", "7", "2.5", "1e2", "0"])
TRUTHS = st.sampled_from(["true", "false", "approximation.holds", "spec.bias.ordinary", "not approximation.holds"])


def sums(inner):
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from("+-*"), inner),
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("{} / 4".format, inner),
    )


def conditions(inner):
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
        st.builds("({})".format, inner),
    )


NUMBER = st.recursive(NUMBERS, sums, max_leaves=6)
SIGN = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
COMPARISON = st.one_of(
    st.builds("{} {} {}".format, NUMBER, SIGN, NUMBER),
    st.builds("{} {} {} {} {}".format, NUMBER, SIGN, NUMBER, SIGN, NUMBER),
    TRUTHS,
    st.sampled_from(["spec.dtype == 'float16'", "spec.dtype != 'float16'", "approximation.holds == true"]),
)
ROWS = [
    closed_forms(spec)
    for spec in (
        ConvSpec(64, 32),
        ConvSpec(7, 7, 1, 1, batch=3),
        ConvSpec(256, 100, bias=True, dtype="float16"),
        ConvSpec(2, 100, 7, 7),
    )
]


@given(st.recursive(COMPARISON, conditions, max_leaves=6))
def test_it_means_what_python_means(text):
    """The other program is Python itself, over the same numbers worked out from the closed forms."""
    condition = parse_where(text)
    for one in ROWS:
        spec, cost = one.spec, one.cost
        ratio = {name: cost[name].ordinary / cost[name].separable for name in ("macs", "traffic")}
        names = {
            **{name: getattr(spec, name) for name in "kcr"},
            **{name: SimpleNamespace(ratio=value) for name, value in ratio.items()},
            "spec": spec,
            "approximation": SimpleNamespace(
                holds=10 * spec.r * spec.s <= min(spec.k, spec.c) and min(spec.k, spec.c) >= 10
            ),
            "true": True,
            "false": False,
        }
        assert condition.holds(one) is eval(text, {}, names)


def test_several_must_all_hold():
    assert parse_where("k > 1 or k > 100", "c > 100 or c > 1").holds(ONE)
    assert not parse_where("k > 1", "c > 100").holds(ONE)
    with pytest.raises(DsconvError, match="not closed"):
        parse_where("(k > 1", "k > 1)")


def test_every_key_can_be_compared():
    timed = closed_forms(ConvSpec(64, 32))
    timed = Comparison(timed.spec, timed.cost, time=timing())
    for key, one in KEYS.items():
        other = {"number": "1", "text": "'a'", "truth": "true"}[one.type.kind]
        assert parse_where(f"{key} == {other}").holds(timed) in {True, False}
    assert parse_where("time.peaks.copy_bytes_per_s > 1e9 and time.ordinary.backend == 'Mkldnn'").holds(timed)
    assert parse_where("time.reliable and time.verdict == 'faster' and time.speedup > 2").holds(timed)


def test_it_knows_which_keys_it_reads():
    assert parse_where("k > 1 and macs.ratio < 6 or time.speedup < k").keys == (
        "spec.k",
        "macs.ratio",
        "time.speedup.value",
    )

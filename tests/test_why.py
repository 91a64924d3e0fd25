"""No sentence without the figures that support it, and none missing where they do."""

from __future__ import annotations

import pytest
from fakes import PEAKS, timing
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli import ConvSpec
from dsconv_cli.layer.cost import cost
from dsconv_cli.timing.reasons import explain_time, limited_by_memory, operators
from dsconv_cli.timing.result import Fastest, Interval, PerOperator
from dsconv_cli.timing.roofline import roofline

SPEC = ConvSpec(64, 32, h=32, w=32)
COST = cost(SPEC)


def text(cost_=COST, **more):
    return " ".join(explain_time(cost_, timing(**more)))


def gain(value, width=0.05):
    return Interval(value, value * (1 - width), value * (1 + width), 0.95)


def test_the_figures_by_hand():
    """32·9·32·32 depthwise MACs; (2·32·32·32 + 288)·4 bytes; 80 µs."""
    three = operators(COST, timing())
    assert three.depthwise.flops == 2 * 294_912
    assert three.depthwise.traffic == 263_296
    assert three.depthwise.flop_rate == pytest.approx(2 * 294_912 / 8e-5)
    assert three.depthwise.byte_rate == pytest.approx(263_296 / 8e-5)
    assert three.depthwise.intensity == pytest.approx(2.24, abs=0.005)
    assert three.depthwise_mac_share == pytest.approx(294_912 / 2_392_064)
    assert three.depthwise_time_share == pytest.approx(80 / 140)
    assert three.ordinary.fixed_share == pytest.approx(1 / 400)


def test_the_headline_compares_time_with_macs():
    """MACs 7.89×, time 2.6×: 3.03 times as long a MAC."""
    assert "each MAC of the separable form takes 3.03 times as long" in text()
    assert "each MAC of the ordinary form takes 2.53 times as long" in text(speedup=gain(20.0))
    assert "time follows the MACs" in text(speedup=gain(7.7))
    assert "follows" not in text()


def test_what_disturbance_takes_from_one_form_is_told():
    """2.6 typical, 3.0 undisturbed: the separable form loses 3.0 / 2.6 - 1 = 15 % more."""
    words = text(fastest=Fastest(3.9e-4, 1.3e-4, gain(3.0)))
    assert "The ratio of the fastest times is 3.00×" in words
    assert "slows the separable form 15% more than the ordinary one" in words
    assert "slows the ordinary form 13% more" in text(fastest=Fastest(3e-4, 1.3e-4, gain(2.3)))
    assert "disturbs" not in text(fastest=Fastest(3.9e-4, 1.45e-4, gain(2.7)))
    assert "15% more" in text(speedup=gain(2.6, 0.5), fastest=Fastest(3.9e-4, 1.3e-4, gain(3.0))), "if nothing else"


CALLS = "Call overhead, before"
SHARE = "Depthwise does"
MOST_CALL = "Most of that is call overhead"
MEMORY = "Memory limits it"
NEITHER = "Neither arithmetic nor memory"
BELOW = "below its usual rate"
PAGES = "new pages of memory"
WEIGHTS = "Its weights are"
SUM = "Timed alone"
MORE_BYTES = "times the bytes of the ordinary one"


@pytest.mark.parametrize(
    ("more", "said", "unsaid"),
    [
        # 38 of 150 µs is a quarter; 36 is not
        ({"fixed_s": PerOperator(1e-6, 30e-6, 8e-6)}, [CALLS], [MOST_CALL]),
        ({"fixed_s": PerOperator(1e-6, 30e-6, 6e-6)}, [], [CALLS]),
        ({"fixed_s": PerOperator(1e-6, 45e-6, 1e-6)}, [CALLS, SHARE, MOST_CALL], [MEMORY, NEITHER]),
        ({"fixed_s": None}, [SHARE], [CALLS, MOST_CALL]),
        # depthwise: 12 % of the MACs, so 57 % of the time is out of proportion and 20 % is not
        ({}, [SHARE, NEITHER], [CALLS, MEMORY, BELOW, PAGES, WEIGHTS, SUM]),
        ({"depthwise_s": 16e-6, "pointwise_s": 64e-6, "separable_s": 8e-5}, [], [SHARE, MEMORY, NEITHER, SUM]),
        # it moves 3.29 GB/s: limited by memory beside a copy that reaches 5, not beside one that reaches 6
        ({"copy_bytes": 5e9}, [SHARE, MEMORY, MORE_BYTES], [NEITHER]),
        ({"copy_bytes": 6e9}, [SHARE, NEITHER], [MEMORY, MORE_BYTES]),
        ({"copy_bytes": None}, [SHARE], [MEMORY, NEITHER]),
        ({"peaks": None}, [SHARE], [MEMORY, NEITHER, BELOW]),
        # ordinary: 94 GFLOP/s of 120 is usual; in 0.8 ms it is 47, in 4 ms 9.4
        ({"ordinary_s": 8e-4}, [BELOW], [PAGES, WEIGHTS]),
        ({"ordinary_s": 4e-3, "pages": PerOperator(9216, 0, 0)}, [BELOW, PAGES, "9,216 new pages", "36 MiB"], [WEIGHTS]),
        ({"ordinary_s": 4e-4, "pages": PerOperator(9216, 0, 0)}, [], [BELOW, PAGES]),
        ({"ordinary_s": 8e-4, "fixed_s": PerOperator(5e-4, 0, 0)}, [BELOW, "Most of it is call overhead"], [CALLS]),
        ({"ordinary_s": 8e-4, "fixed_s": PerOperator(9e-4, 0, 0)}, [BELOW, "Nearly all of it is call overhead"], ["Most of it"]),
        # the halves sum to 140 µs
        ({"separable_s": 2.0e-4}, [SUM, "43% more"], []),
        ({"separable_s": 1.1e-4}, [SUM, "21% less"], []),
    ],
)  # fmt: skip
def test_each_sentence_needs_its_figures(more, said, unsaid):
    words = text(**more)
    for sentence in said:
        assert sentence in words
    for sentence in unsaid:
        assert sentence not in words


def test_weights_are_named_where_they_are_the_traffic():
    """1024×1024×3×3 on 7×7: 9,437,184 weights of 9,537,536 elements, each used 49 times."""
    heavy = cost(ConvSpec(1024, 1024, h=7, w=7))
    words = text(heavy, ordinary_s=35e-3)
    assert "Its weights are 99% of the bytes it moves, and each is used only 49.0 times" in words


def test_shares_below_one_percent_are_not_rounded_to_nothing():
    assert "less than 1% of the GFLOP/s of a large matrix" in text(depthwise_s=4e-3, separable_s=4e-3)


@given(
    st.floats(1e-6, 1e-1), st.floats(1e-6, 1e-1), st.floats(1e-6, 1e-1), st.floats(0, 1e-2), st.floats(1e8, 1e12),
    st.floats(1e9, 1e14),
)  # fmt: skip
def test_a_cause_is_never_named_against_the_figures(ordinary, depthwise, pointwise, fixed, copy, peak):
    peaks = PEAKS.__class__(peak, copy, peak, "a convolution")
    one = timing(
        ordinary_s=ordinary, depthwise_s=depthwise, pointwise_s=pointwise, separable_s=depthwise + pointwise,
        fixed_s=PerOperator(fixed, fixed, fixed), copy_bytes=copy, peaks=peaks,
    )  # fmt: skip
    words, three = " ".join(explain_time(COST, one)), operators(COST, one)
    if MEMORY in words:
        assert three.depthwise.byte_rate >= 0.6 * copy
        assert three.depthwise.intensity < peak / copy
        assert limited_by_memory(three.depthwise, one)
    if NEITHER in words:
        assert three.depthwise.byte_rate < 0.6 * copy
        assert three.depthwise.flop_rate < 0.6 * peak
    if BELOW in words:
        assert three.ordinary.flop_rate < 0.5 * peak
    if SHARE in words:
        assert three.depthwise_time_share > three.depthwise_mac_share
    assert SUM not in words


def test_the_roof():
    """100 and 120 GFLOP/s, 20 GB/s: the ridge lies at 6 FLOPs a byte."""
    roof = roofline(COST, timing())
    assert roof.ridge == pytest.approx(6)
    assert roof.height(3) == pytest.approx(60e9)
    assert roof.height(600) == pytest.approx(120e9)
    assert [point.name for point in roof.points] == ["ordinary", "depthwise", "pointwise"]
    assert roof.points[0].flop_rate == pytest.approx(2 * 18_874_368 / 4e-4)
    assert roof.low < 2.24
    assert roof.high > 80

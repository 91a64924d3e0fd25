"""The closed forms against published figures, hand-worked numbers and identities."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli import Bias, ConvSpec
from dsconv_cli.layer.cost import Approximation, cost

size = st.integers(1, 2**40)


def test_mobilenet_table_3():
    """arXiv 1704.04861, Table 3: 14×14, 512 → 512, 3×3. Printed: 462 M / 2.36 M and 52.3 M / 0.27 M."""
    closed = cost(ConvSpec(512, 512, h=14, w=14))
    assert (closed.macs.ordinary, closed.params.ordinary) == (462_422_016, 2_359_296)
    assert (closed.macs.separable, closed.params.separable) == (52_283_392, 266_752)


def test_mobilenet_table_4_body():
    """arXiv 1704.04861, Tables 1 and 4: 569 M MACs and 4.2 M parameters; as ordinary convolutions 4866 M and 29.3 M."""
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    stem = cost(ConvSpec(32, 3, h=224, w=224, stride=2))
    classifier = 1024 * 1000
    ordinary, separable, channels, height = [], [], 32, 112
    for out_channels, stride in blocks:
        closed = cost(ConvSpec(out_channels, channels, h=height, w=height, stride=stride))
        ordinary.append((closed.macs.ordinary, closed.params.ordinary))
        separable.append((closed.macs.separable, closed.params.separable))
        channels, height = out_channels, height // stride
    assert height == 7
    for blocks_cost, macs, params in ((ordinary, 4_867_293_184, 29_281_120), (separable, 568_740_352, 4_209_088)):
        assert stem.macs.ordinary + sum(one for one, _ in blocks_cost) + classifier == macs
        assert stem.params.ordinary + sum(one for _, one in blocks_cost) + classifier == params


def test_keras_has_one_bias():
    """Keras 3 `SeparableConv2D(64, 3, use_bias=True)` on 32 channels has 2,400 parameters."""
    assert cost(ConvSpec(64, 32, bias=Bias(ordinary=True, pointwise=True))).params.separable == 2_400
    assert cost(ConvSpec(64, 32, bias=True)).params.separable == 2_432


def test_traffic_can_grow():
    """64×32×3×3 on 56×56: ordinary 32·56² + 18,432 + 64·56² elements of 4 bytes; the pair moves 1.58 times as much."""
    traffic = cost(ConvSpec(64, 32)).traffic
    image = 56 * 56
    assert traffic.ordinary == 4 * (32 * image + 18_432 + 64 * image)
    assert traffic.depthwise == 4 * (32 * image + 288 + 32 * image)
    assert traffic.pointwise == 4 * (32 * image + 2_048 + 64 * image)
    assert round(1 / traffic.ratio, 2) == Fraction(158, 100)


def test_traffic_of_int8_has_biases_of_32_bits():
    """By hand: 4·7·7 input, 6·7·7 output and 6·4·3·3 weights of one byte, 6 biases of four."""
    traffic = cost(ConvSpec(6, 4, h=7, w=7, bias=True, dtype="int8")).traffic
    assert traffic.ordinary == 196 + 294 + 216 + 24
    assert traffic.separable == (196 + 196 + 36 + 16) + (196 + 294 + 24 + 24)


def test_weights_in_bytes():
    """By hand: 18,432, 288 and 2,048 weights of 4 bytes; of one byte beside biases of four where they are quantised."""
    sizes = cost(ConvSpec(64, 32))["weight_bytes"]
    assert (sizes.ordinary, sizes.depthwise, sizes.pointwise, sizes.separable) == (73_728, 1_152, 8_192, 9_344)
    small = cost(ConvSpec(6, 4, h=7, w=7, bias=True, dtype="int8"))["weight_bytes"]
    assert (small.ordinary, small.separable) == (216 + 6 * 4, (36 + 4 * 4) + (24 + 6 * 4))


def test_activations_that_are_alive_at_once():
    """Input and output of the ordinary form; of the pair the larger of input + intermediate, intermediate + output."""
    same = cost(ConvSpec(64, 32))["activation_bytes"]
    assert (same.ordinary, same.depthwise) == (4 * (32 + 64) * 56**2, 4 * (32 + 32) * 56**2)
    assert same.separable == same.pointwise == same.ordinary
    # 4×8×8 in, 4×4×4 between, 8×4×4 out: 384 elements; 320, then 192.
    strided = cost(ConvSpec(8, 4, h=8, w=8, stride=2))["activation_bytes"]
    assert (strided.ordinary, strided.depthwise, strided.pointwise) == (4 * 384, 4 * 320, 4 * 192)
    assert strided.ratio == Fraction(384, 320)
    # 3×5×5 in, 12×5×5 between, 2×5×5 out, two images of two bytes: 125 elements; 375, then 350.
    wide = cost(ConvSpec(2, 3, h=5, w=5, depth_multiplier=4, batch=2, dtype="float16"))["activation_bytes"]
    assert (wide.ordinary, wide.separable) == (2 * 2 * 125, 2 * 2 * 375)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_traffic_is_in_bytes_of_the_dtype(dtype, size):
    assert cost(ConvSpec(2, 2, 1, 1, 1, 1, dtype=dtype)).traffic.ordinary == size * (2 + 4 + 2)


def test_exact_to_the_last_digit():
    """10^6 channels on a 10^5 × 10^5 input, 3×3, a bias: 9·10^12 + 10^6 parameters, 9·10^22 MACs."""
    closed = cost(ConvSpec(10**6, 10**6, h=10**5, w=10**5, bias=True))
    assert closed.params.ordinary == 9 * 10**12 + 10**6
    assert closed.macs.ordinary == 9 * 10**22
    assert closed.params.separable == 9 * 10**6 + 10**6 + 10**12 + 10**6
    assert closed.macs.separable == 9 * 10**16 + 10**22
    assert closed.traffic.ordinary == 4 * (2 * 10**16 + 9 * 10**12 + 10**6)


def test_depth_multiplier_by_hand():
    """C=3, M=2, K=5, 3×2 kernel on 4×4, valid: 2×3 outputs; 3·2·6 + 5·6 weights."""
    closed = cost(ConvSpec(5, 3, r=3, s=2, h=4, w=4, padding="valid", depth_multiplier=2, batch=7))
    assert closed.params.depthwise == 36
    assert closed.params.pointwise == 30
    assert closed.macs.depthwise == 7 * 2 * 3 * 36
    assert closed.macs.pointwise == 7 * 2 * 3 * 30
    assert closed.macs.ordinary == 7 * 2 * 3 * (5 * 3 * 6)


@given(k=size, c=size, r=st.integers(1, 99), s=st.integers(1, 99), h=size, w=size, batch=size, stride=st.integers(1, 9))
def test_the_identity(k, c, r, s, h, w, batch, stride):
    """Without biases and with M = 1 both ratios are 1 / (1/K + 1/(R·S)), exactly."""
    spec = ConvSpec(k, c, r, s, h + 99, w + 99, batch, stride=stride)
    closed = cost(spec)
    assert closed.params.ratio == closed.macs.ratio == 1 / (Fraction(1, k) + Fraction(1, r * s))
    approximation = Approximation(spec, closed)
    assert approximation.errors["params"] == approximation.errors["macs"] == Fraction(r * s, k)
    assert not approximation.holds or approximation.errors["macs"] <= Fraction(1, 10)


@given(bias=st.tuples(st.booleans(), st.booleans(), st.booleans()), m=st.integers(1, 5), k=size, c=size)
def test_biases_add_one_per_channel_and_no_macs(bias, m, k, c):
    without = cost(ConvSpec(k, c, depth_multiplier=m))
    having = cost(ConvSpec(k, c, depth_multiplier=m, bias=Bias(*bias)))
    assert having.macs == without.macs
    added = [having.params[name] - without.params[name] for name in ("ordinary", "depthwise", "pointwise")]
    assert added == [k * bias[0], c * m * bias[1], k * bias[2]]


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_intensity_is_flops_per_byte(k, c, r, s, m):
    spec = ConvSpec(k, c, r, s, depth_multiplier=m)
    closed = cost(spec)
    for name, value in closed.intensity.items():
        assert math.isclose(value, 2 * getattr(closed.macs, name) / getattr(closed.traffic, name))


@pytest.mark.parametrize(
    ("k", "c", "r", "m", "holds"),
    [
        (90, 90, 3, 1, True),
        (89, 90, 3, 1, False),
        (90, 89, 3, 1, False),
        (10, 10, 1, 1, True),
        (9, 10, 1, 1, False),
        (90, 90, 3, 2, False),
    ],
)
def test_where_the_line_is_drawn(k, c, r, m, holds):
    """≪ means ten times: 10·R·S ≤ min(K, C) and 10 ≤ min(K, C), and M = 1."""
    spec = ConvSpec(k, c, r, r, depth_multiplier=m)
    assert Approximation(spec, cost(spec)).holds is holds

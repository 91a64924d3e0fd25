"""The interval, against published t tables and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli.timing.statistics import half_width, ratio_interval, student_t

#: Two-sided t, as printed in NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
TABLE = [
    (0.90, 1, 6.314), (0.90, 10, 1.812), (0.90, 30, 1.697),
    (0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 3, 3.182), (0.95, 4, 2.776), (0.95, 7, 2.365), (0.95, 10, 2.228),
    (0.95, 15, 2.131), (0.95, 29, 2.045), (0.95, 60, 2.000), (0.95, 100, 1.984),
    (0.99, 1, 63.657), (0.99, 2, 9.925), (0.99, 10, 3.169), (0.99, 30, 2.750),
]  # fmt: skip


@pytest.mark.parametrize(("level", "freedom", "printed"), TABLE)
def test_student_t_is_the_printed_one(level, freedom, printed):
    assert round(student_t(level, freedom), 3) == printed


def test_interval_by_hand():
    """Logs 0.6, 0.7, 0.8: mean 0.7, s = 0.1, t(0.95, 2) = 4.303, half-width 4.303·0.1/√3 = 0.2484."""
    gain = ratio_interval([0.6, 0.7, 0.8])
    assert gain.value == pytest.approx(math.exp(0.7))
    assert gain.low == pytest.approx(math.exp(0.7 - 0.24842), rel=1e-4)
    assert gain.high == pytest.approx(math.exp(0.7 + 0.24842), rel=1e-4)
    assert gain.half_width == pytest.approx(math.exp(0.24842) - 1, rel=1e-4)


def test_one_value_says_nothing_about_spread():
    gain = ratio_interval([math.log(2)])
    assert (gain.value, gain.low, gain.high) == (pytest.approx(2), 0, math.inf)
    with pytest.raises(ValueError, match="at least one"):
        ratio_interval([])


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=20))
def test_swapping_the_sides_inverts_the_interval(logs):
    there, back = ratio_interval(logs), ratio_interval([-value for value in logs])
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)
    assert there.low <= there.value <= there.high


def test_neighbours_that_resemble_each_other_are_fewer_than_they_look():
    """Twelve values in six pairs of equals are six values: t(0.95, 5) = 2.571 over six, not 2.201 over twelve."""
    six = [0.60, 0.72, 0.66, 0.80, 0.64, 0.70]
    doubled = [value for value in six for _ in range(2)]
    assert half_width(doubled) == pytest.approx(half_width(six))
    spread = math.sqrt(sum((value - sum(six) / 6) ** 2 for value in six) / 5)
    assert half_width(six) == pytest.approx(2.571 * spread / math.sqrt(6), rel=1e-3)


def test_drift_is_added_in_quadrature():
    """1.96 standard deviations of 2 % beside a half-width of 0.2484: √(0.2484² + 0.0392²)."""
    gain = ratio_interval([0.6, 0.7, 0.8], drift=0.02)
    assert math.log(gain.high / gain.value) == pytest.approx(math.hypot(0.24842, 0.0392), rel=1e-4)

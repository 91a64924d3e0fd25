"""Orders, tables and pictures of many rows: what is kept of a row is a number or two."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsconv_cli.cli.sweep_outlets import table
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.formats import formats_of
from dsconv_cli.report.pictures import drawing
from dsconv_cli.report.pictures.drawing import Axes, Picture
from dsconv_cli.report.sweep import key_columns
from dsconv_cli.sweep import order, spool
from dsconv_cli.sweep.order import Order, Ranked
from dsconv_cli.sweep.spool import Spool

#: What the issue allows for a row.
MOST_BYTES = 64

VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(0, 5), st.sampled_from([2**53, 2**53 + 1, 2**63, 2**70, 2**70 + 1]))),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False))),
    st.lists(st.sampled_from(["float32", "int8", "", None])),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64))),
    st.lists(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(tuple)),
    st.lists(st.booleans()),
)


@given(VALUES, st.booleans(), st.one_of(st.none(), st.integers(1, 9)), st.integers(1, 7))
def test_the_order_is_that_of_sorting_everything(values, descending, top, run_length):
    """Stable, and what has no value goes last: Python's own sort on all that there is."""
    there = [(value, place) for place, value in enumerate(values) if value is not None]
    expected = [place for _, place in sorted(there, key=lambda one: one[0], reverse=descending)]
    expected += [place for place, value in enumerate(values) if value is None]
    before, order._RUN = order._RUN, run_length
    try:
        ranked = Ranked(Order("macs.ratio", descending, top))
        for place, value in enumerate(values):
            ranked.add(value, place)
        assert list(ranked) == expected[:top]
        assert list(ranked) == expected[:top]
    finally:
        order._RUN = before


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def grown(work, rows):
    """Bytes for each further row, once what does not grow is there."""
    work(10)
    return (peak_of(lambda: work(4 * rows)) - peak_of(lambda: work(rows))) / (3 * rows)


@pytest.fixture
def small(monkeypatch):
    """What does not grow with the rows is made small, so that a few thousand of them are many."""
    monkeypatch.setattr(order, "_RUN", 256)
    monkeypatch.setattr(drawing, "_FEW_VALUES", 300)
    monkeypatch.setattr(drawing, "MOST_PLACES", 100)


@pytest.mark.parametrize("top", [None, 100])
@pytest.mark.parametrize("value", [lambda n: n * 7919 % 100_003 / 3, lambda n: n * 7919 % 100_003, lambda n: 2**70 + n])
def test_an_order_takes_little_memory(small, value, top):
    def work(rows):
        ranked = Ranked(Order("macs.ratio", top=top))
        for place in range(rows):
            ranked.add(value(place), place)
        sum(1 for _ in ranked)

    assert grown(work, 1000) < MOST_BYTES


def layer(k, c=3):
    """What a picture looks at, at no cost."""
    spec = SimpleNamespace(**dict.fromkeys(drawing.AXES, 1), bias=(False, False, False))
    spec.k, spec.c = k, c
    return SimpleNamespace(spec=spec, time=None, approximation=SimpleNamespace(ratio=9), recorded=None)


@pytest.mark.parametrize(
    ("x", "by"), [(lambda n: n, lambda n: 3), (lambda n: n, lambda n: n), (lambda n: n % 50, lambda n: n % 7)]
)
def test_a_picture_takes_little_memory(small, monkeypatch, x, by):
    monkeypatch.setattr(drawing, "KEYS", SimpleNamespace(read=lambda one, key: 5.0 + one.spec.k % 11))

    def work(rows):
        picture = Picture(Axes("k", "c", "macs.ratio"))
        for number in range(rows):
            picture.add(layer(x(number), by(number)))
        picture.draw()

    assert grown(work, 1000) < MOST_BYTES


def test_of_many_places_some_are_drawn_and_the_caption_says_so(small):
    picture = Picture(Axes("k", None, "macs.ratio"))
    for k in range(1, 1002):
        picture.add(closed_forms(ConvSpec(k, k, h=2 * k)))
    drawn = picture.draw()
    (line,) = drawn.lines
    assert len(line.points) == 100
    assert (line.points[0].x, line.points[-1].x) == (1, 1001)
    # Without biases the ratio is 1 / (1/K + 1/9).
    assert [point.y for point in line.points] == pytest.approx([1 / (1 / x + 1 / 9) for x, *_ in line.points])
    assert "100 of 1,001 values of K are drawn." in drawn.caption
    assert "C = K; H follows K." in drawn.caption


def test_a_table_takes_little_memory(monkeypatch):
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    one = closed_forms(ConvSpec(64, 32))
    lines = []

    def work(rows):
        outlet = table(key_columns(("spec.k", "macs.ratio")), "title", lambda page: lines.append(count(page)))
        for _ in range(rows):
            outlet.add(one)
        outlet.finish()

    def count(page):
        return sum("7.890410958904109" in text for text in formats_of("sweep")["table"].texts(page))

    assert grown(work, 3000) < MOST_BYTES
    assert lines == [10, 12_000, 3000]


def test_rows_that_were_measured_come_back_whole():
    rows = Spool()
    ones = [closed_forms(ConvSpec(k, 4), f"layer {k}") for k in range(1, 500)]
    places = [rows.put(one) for one in ones]
    assert [rows.get(place) for place in reversed(places)] == ones[::-1]
    assert isinstance(rows.get(0), Comparison)
    things = Spool()
    for number in range(1000):
        things.put((number, "x" * number))
    assert [number for number, _ in things] == list(range(1000)) == [number for number, _ in things]
    assert len(things) == 1000

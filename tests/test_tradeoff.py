"""The choice that loses least fidelity, against every possible choice."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsconv_cli import CannotMeasureError
from dsconv_cli.model import tradeoff
from dsconv_cli.model.result import Saving
from dsconv_cli.model.tradeoff import Option, Target, least_loss

options = st.lists(
    st.builds(Option, st.just(0), st.builds(Saving, st.integers(-5, 30), st.integers(-5, 30)), st.floats(0, 1)),
    min_size=1, max_size=4,
)  # fmt: skip
candidates = st.lists(options, min_size=1, max_size=5).map(
    lambda each: {
        str(index): [one._replace(multiplier=number) for number, one in enumerate(those, 1)]
        for index, those in enumerate(each)
    }
)


def saved(chosen, metric):
    return sum(getattr(one.saving, metric) for one in chosen)


def every_choice(given_candidates, aims):
    """What every choice that reaches the targets loses."""
    for each in product(*[(None, *those) for those in given_candidates.values()]):
        chosen = [one for one in each if one is not None]
        if all(saved(chosen, aim.metric) >= aim.need for aim in aims):
            yield sum(one.loss for one in chosen)


def of(given_candidates, choice):
    """The options that a choice means."""
    return [given_candidates[name][multiplier - 1] for name, multiplier in choice.multipliers.items()]


def aims_of(needs):
    return [Target(metric, 1000 - need, 1000) for metric, need in needs.items()]


needs = st.dictionaries(st.sampled_from(["macs", "params"]), st.integers(0, 100), min_size=1)


@settings(deadline=None, max_examples=100)
@given(candidates, needs)
def test_nothing_loses_less(given_candidates, wanted):
    aims = aims_of(wanted)
    losses = list(every_choice(given_candidates, aims))
    if not losses:
        with pytest.raises(CannotMeasureError, match="reache"):
            least_loss(given_candidates, aims)
        return
    choice = least_loss(given_candidates, aims)
    chosen = of(given_candidates, choice)
    assert all(saved(chosen, aim.metric) >= aim.need for aim in aims)
    assert sum(one.loss for one in chosen) == pytest.approx(min(losses), abs=1e-9)
    assert choice.gap == 0


@settings(deadline=None, max_examples=60)
@given(candidates, st.sampled_from(["macs", "params"]), st.integers(1, 60))
def test_without_a_search_the_bound_holds(given_candidates, metric, need):
    """One target: what ranking alone finds is less than one layer above the bound, and nothing is below the bound."""
    aims = aims_of({metric: need})
    losses = list(every_choice(given_candidates, aims))
    if not losses:
        return
    steps, tradeoff._MOST_STEPS = tradeoff._MOST_STEPS, 0
    try:
        choice = least_loss(given_candidates, aims)
    finally:
        tradeoff._MOST_STEPS = steps
    assert choice.bound <= min(losses) + 1e-9
    assert min(losses) - 1e-9 <= choice.loss
    assert choice.loss < choice.bound + 1 + 1e-9
    assert choice.gap == pytest.approx(choice.loss - choice.bound)


def test_a_cheap_pair_beats_what_is_cheapest_by_the_unit():
    """a saves 10 for 0.1, b and c 6 for 0.07: for 12, b and c are best; ranked by price it is a and b."""
    given_candidates = {
        "a": [Option(1, Saving(0, 10), 0.10)],
        "b": [Option(1, Saving(0, 6), 0.07)],
        "c": [Option(1, Saving(0, 6), 0.07)],
    }
    choice = least_loss(given_candidates, aims_of({"macs": 12}))
    assert choice.multipliers == {"b": 1, "c": 1}
    assert choice.loss == pytest.approx(0.14)


def test_a_hundred_layers_of_nine_options():
    """Seconds, and no gap worth speaking of."""
    given_candidates = {
        str(i): [
            Option(m, Saving(1000 + (i * 7919) % 991 - 60 * m, 900 + (i * 104_729) % 997 - 70 * m), (0.9 - 0.001 * i) ** m)
            for m in range(1, 10)
        ]
        for i in range(100)
    }  # fmt: skip
    total = sum(those[0].saving.macs for those in given_candidates.values())
    choice = least_loss(given_candidates, aims_of({"macs": total // 2}))
    assert choice.gap <= 0.01 * choice.loss
    both = least_loss(given_candidates, aims_of({"macs": total // 2, "params": total // 2}))
    assert both.loss >= choice.bound

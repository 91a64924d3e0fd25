"""Which layers to replace, and with which depth multiplier, so that targets are reached and least fidelity is lost.

What is lost is the sum of 1 − fidelity over the replaced layers: each layer's relative squared error, whatever the
scale of its weights. That is a multiple-choice knapsack. The layers' options on their lower convex hull, taken in the
order of their price (loss for what it saves), give a choice and, cut where the target is met, a bound that no choice
can beat (the linear relaxation). For one target the choice is less than one layer's loss above it. A search of what
lies between closes the gap, mostly; where it is cut off, the gap that remains is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.model.result import Saving

#: With two targets: how many ways of weighing them are tried.
_WEIGHINGS: Final = 16
#: Steps of the search.
_MOST_STEPS: Final = 100_000
#: Sums of losses are not told apart below this.
_ROUNDING: Final = 1e-12


class Target(NamedTuple):
    """A total that must not be exceeded: its metric, the aim, and the total as it is."""

    metric: str
    aim: int
    before: int

    @property
    def need(self) -> int:
        """What must be saved."""
        return self.before - self.aim


class Option(NamedTuple):
    """One way to replace a layer: its depth multiplier, what it saves, and 1 − fidelity."""

    multiplier: int
    saving: Saving
    loss: float


class Choice(NamedTuple):
    """The depth multipliers of the layers that are replaced, what they lose together, and what any choice must lose."""

    multipliers: Mapping[str, int]
    loss: float
    bound: float

    @property
    def gap(self) -> float:
        """By how much another choice might be better; 0 where none is."""
        return max(0.0, self.loss - self.bound)


Candidates = Mapping[str, Sequence[Option]]
Chosen = Mapping[str, Option]
#: An option of a layer (None: keep it), and by how much it is dearer than the cheapest.
_Priced = tuple[float, Option | None]

_NOTHING: Final = Option(0, Saving(0, 0), 0.0)


def least_loss(candidates: Candidates, aims: Sequence[Target]) -> Choice:
    """The choice that reaches every target and loses least, within `Choice.gap` of the best.

    Raises:
        CannotMeasureError: no choice reaches them.
    """
    if all(aim.need <= 0 for aim in aims):
        return Choice({}, 0.0, 0.0)
    best = {name: _most(options) for name, options in candidates.items()}
    for aim in aims:
        check_reachable(best, aim)
    walks = [_walk(candidates, aims, by) for by in _weighings(aims)]
    if any(walk.bound is None for walk in walks):
        raise unreachable()
    tightest = max(walks, key=lambda walk: walk.bound or 0.0)
    reaching = [walk.chosen for walk in walks if walk.chosen is not None]
    start = min((_trimmed(candidates, one, aims) for one in reaching), key=_loss, default=None)
    chosen, complete = _searched(candidates, aims, tightest, start)
    if chosen is None:
        raise unreachable()
    loss = _loss(chosen)
    bound = loss if complete else min(loss, tightest.bound or 0.0)
    return Choice({name: option.multiplier for name, option in chosen.items()}, loss, bound)


def check_reachable(candidates: Mapping[str, Saving], aim: Target) -> None:
    """Make sure that replacing all that saves something reaches one target.

    Raises:
        CannotMeasureError: it does not; the message says how far it gets.
    """
    best = aim.before - sum(max(0, getattr(saving, aim.metric)) for saving in candidates.values())
    if best > aim.aim:
        unit = "MACs" if aim.metric == "macs" else "parameters"
        raise CannotMeasureError(
            f"`target_{aim.metric}` {aim.aim:,} cannot be reached: with all {len(candidates)} layers that may be "
            f"replaced the network still has {best:,} {unit}"
        )


def unreachable() -> CannotMeasureError:
    """That both targets together cannot be reached."""
    return CannotMeasureError(
        "no set of the eligible layers reaches both targets at once, though each can be reached alone; "
        "raise `target_macs` or `target_params`"
    )


def _most(options: Sequence[Option]) -> Saving:
    return Saving(
        params=max((one.saving.params for one in options), default=0),
        macs=max((one.saving.macs for one in options), default=0),
    )


def _loss(chosen: Chosen) -> float:
    return sum(option.loss for option in chosen.values())


def _saved(chosen: Chosen) -> Saving:
    return Saving(
        params=sum(option.saving.params for option in chosen.values()),
        macs=sum(option.saving.macs for option in chosen.values()),
    )


def _reaches(saved: Saving, aims: Sequence[Target]) -> bool:
    return all(getattr(saved, aim.metric) >= aim.need for aim in aims)


def _weighings(aims: Sequence[Target]) -> Iterator[Saving]:
    """Ways to make one number of both savings, each in units of what is needed."""
    if len(aims) == 1:
        yield Saving(params=int(aims[0].metric == "params"), macs=int(aims[0].metric == "macs"))
        return
    needs = {aim.metric: max(1, abs(aim.need)) for aim in aims}
    for share in range(_WEIGHINGS + 1):
        yield Saving(params=(_WEIGHINGS - share) * needs["macs"], macs=share * needs["params"])


class _Step(NamedTuple):
    """From one option of a layer to the next on its hull, and what a unit of its saving costs."""

    price: float
    weight: int
    loss: float
    name: str
    option: Option


def _hull(name: str, options: Sequence[Option], by: Saving) -> list[_Step]:
    """The steps from keeping the layer to what saves most, each dearer than the one before it."""
    hull: list[_Step] = []
    points = sorted((one.saving.weighed(by), one.loss, index) for index, one in enumerate(options))
    for weight, loss, index in points:
        while True:
            before_weight = sum(step.weight for step in hull)
            before_loss = sum(step.loss for step in hull)
            if weight <= before_weight:
                break
            price = (loss - before_loss) / (weight - before_weight)
            if hull and price <= hull[-1].price:
                hull.pop()
                continue
            hull.append(_Step(price, weight - before_weight, loss - before_loss, name, options[index]))
            break
    return hull


class _Walk(NamedTuple):
    """What the steps in the order of their price lead to, the savings weighed with `by`.

    `bound` is what must be lost at least (None: all of them together save too little), `price` that of the step on
    which this is reached, `chosen` the first choice that reaches every target.
    """

    by: Saving
    bound: float | None
    price: float
    chosen: Chosen | None


def _walk(candidates: Candidates, aims: Sequence[Target], by: Saving) -> _Walk:
    need = sum(Saving(**{aim.metric: aim.need}).weighed(by) for aim in aims)
    steps = [step for name, options in candidates.items() for step in _hull(name, options, by)]
    chosen: dict[str, Option] = {}
    bound, price = (0.0, 0.0) if need <= 0 else (None, 0.0)
    weight, loss = 0, 0.0
    # Stable: a layer's own steps stay in their order.
    for step in sorted(steps, key=lambda step: step.price):
        if bound is None and weight + step.weight >= need:
            bound, price = loss + step.price * (need - weight), step.price
        chosen[step.name] = step.option
        weight, loss = weight + step.weight, loss + step.loss
        if bound is not None and _reaches(_saved(chosen), aims):
            return _Walk(by, bound, price, chosen)
    return _Walk(by, bound, price, None)


def _trimmed(candidates: Candidates, chosen: Chosen, aims: Sequence[Target]) -> Chosen:
    """The same without what it can do without: a layer less, or one with an option that loses less."""
    found = dict(chosen)
    for name in sorted(chosen, key=lambda name: -chosen[name].loss):
        better = [one for one in candidates[name] if one.loss < found[name].loss]
        for option in (None, *sorted(better, key=lambda one: one.loss)):
            tried = {key: one for key, one in found.items() if key != name}
            if option is not None:
                tried[name] = option
            if _reaches(_saved(tried), aims):
                found = tried
                break
    return found


class _Partial(NamedTuple):
    """A choice under way: how many layers are decided, what it saves, and how far above the bound it is already."""

    decided: int
    saved: Saving
    above: float
    chosen: tuple[tuple[str, Option], ...]


def _searched(
    candidates: Candidates, aims: Sequence[Target], walk: _Walk, start: Chosen | None
) -> tuple[Chosen | None, bool]:
    """The best choice, from `start` on, and whether it is known to be the best.

    By the walk's price each option of a layer is dearer than that layer's cheapest by so much; a choice is above the
    bound by at least the sum of that. Depth first, the cheap options first, leaving out what cannot be better or
    cannot reach the targets any more.
    """
    assert walk.bound is not None
    priced = {name: _priced(options, walk) for name, options in candidates.items()}
    # The layers whose options differ most are decided first.
    names = sorted(priced, key=lambda name: -priced[name][-1][0])
    still = [Saving(0, 0)]
    for name in reversed(names):
        still.append(still[-1].plus(_most([option for _, option in priced[name] if option] + [_NOTHING])))
    still.reverse()
    best, limit = start, float("inf") if start is None else _loss(start) - walk.bound
    stack = [_Partial(0, Saving(0, 0), 0.0, ())]
    for _ in range(_MOST_STEPS):
        if not stack:
            return best, True
        one = stack.pop()
        if one.above >= limit - _ROUNDING or not _reaches(one.saved.plus(still[one.decided]), aims):
            continue
        if one.decided < len(names):
            stack += _further(one, names[one.decided], priced, limit)
        elif _loss(dict(one.chosen)) - walk.bound < limit:
            best = dict(one.chosen)
            limit = _loss(best) - walk.bound
    return best, not stack


def _further(one: _Partial, name: str, priced: Mapping[str, Sequence[_Priced]], limit: float) -> Iterator[_Partial]:
    """With one more layer decided; the cheapest last, which is looked at first."""
    for above, option in reversed(priced[name]):
        if one.above + above >= limit - _ROUNDING:
            continue
        saved = one.saved if option is None else one.saved.plus(option.saving)
        chosen = one.chosen if option is None else (*one.chosen, (name, option))
        yield _Partial(one.decided + 1, saved, one.above + above, chosen)


def _priced(options: Sequence[Option], walk: _Walk) -> list[_Priced]:
    """Keeping the layer (None) and each option, by how much dearer they are than the cheapest of them."""
    costs: list[_Priced] = [(0.0, None)]
    costs += [(one.loss - walk.price * one.saving.weighed(walk.by), one) for one in options]
    least = min(cost for cost, _ in costs)
    return sorted(((cost - least, option) for cost, option in costs), key=lambda priced: priced[0])

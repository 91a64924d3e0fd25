"""Which eligible layers are replaced: globs, a least ratio, a least fidelity, targets for the totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Final, NamedTuple

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.model.result import Layer, Saving, Selection
from dsconv_cli.model.tradeoff import Option, Target, check_reachable, least_loss, unreachable
from dsconv_cli.model.ways import ways_of
from dsconv_cli.numbers import quantity

#: How else counts of parameters and MACs are written: none of them is in milli.
_SUFFIXES: Final = str.maketrans("KmgbBt", "kMGGGT")

#: With two targets: how many ways of weighing them are tried, and how many partial answers are worth keeping. See
#: `_fewest_for_both`.
_WEIGHINGS: Final = 64
_MOST_STATES: Final = 20_000

NOT_NEEDED: Final = "not needed for the target"


def parse_count(text: str, option: str) -> int:
    """`"1.5G"` → 1500000000. Suffixes k, M, G (or B), T are powers of 1000.

    Raises:
        DsconvError: no number, not finite, negative, or no whole number.
    """
    body = text.strip()
    count = quantity(body[:-1] + body[-1:].translate(_SUFFIXES))
    if count is None or count < 0 or count.denominator != 1:
        raise DsconvError(f"{option} must be a count such as 569M, 1.5G or 1000000, not {quoted(text)}")
    return int(count)


def _check_globs(names: Sequence[str], selection: Selection) -> None:
    """Every glob must match a layer, for one that matches none is a slip of the pen."""
    for argument, globs in (("keep", selection.keep), ("only", selection.only)):
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in names):
                some = ", ".join(name or "''" for name in names[:5]) + (", ..." if len(names) > 5 else "")
                raise DsconvError(f"`{argument}` {glob!r} matches no convolution; they are {some}")


def fewest(candidates: Mapping[str, Saving], aims: Sequence[Target]) -> set[str]:
    """The smallest set of layers whose replacement reaches every target.

    For one target the layers that save most are taken first, which is optimal: any set of n layers saves at most
    what the n best save. For two, see `_fewest_for_both`.

    Raises:
        CannotMeasureError: all of them together do not reach a target.
    """
    if all(aim.need <= 0 for aim in aims):
        return set()
    for aim in aims:
        check_reachable(candidates, aim)
    if len(aims) == 1:
        return _fewest_for_one(candidates, aims[0])
    needs = Saving(**{aim.metric: aim.need for aim in aims})
    found = _fewest_for_both(candidates, needs)
    if found is None:
        raise unreachable()
    return found


def _fewest_for_one(candidates: Mapping[str, Saving], aim: Target) -> set[str]:
    def by_saving(name: str) -> tuple[int, int]:
        saving = candidates[name]
        return (-getattr(saving, aim.metric), -(saving.macs + saving.params))

    ranked = sorted(candidates, key=by_saving)
    saved = accumulate((getattr(candidates[name], aim.metric) for name in ranked), initial=0)
    return set(ranked[: next(size for size, total in enumerate(saved) if total >= aim.need)])


class _Weighing(NamedTuple):
    """Both savings as one number, by which the layers are ranked: weighed with `by`.

    Whatever the weights, a set that saves what is needed of both saves its weight too; so no set is smaller than the
    number of best layers that do (`least`). `most` best layers really reach both targets (None: no number does).
    """

    by: Saving
    ranked: tuple[str, ...]
    least: int | None
    most: int | None


class _Partial(NamedTuple):
    """A set of layers under way: its size, what it saves, and how it was made (its last layer and the set before)."""

    size: int
    saving: Saving
    last: str
    rest: _Partial | None


def _fewest_for_both(candidates: Mapping[str, Saving], needs: Saving) -> set[str] | None:
    """The smallest set that saves what `needs` of both, None where there is none.

    Ranking the layers by a weighted sum of both savings gives a lower bound and, mostly, a set that meets it; over
    `_WEIGHINGS` weights the best of each is taken. Where a gap remains, the sizes within it are searched exactly: layer
    by layer, in the order of the ranking, keeping the sets that no other of their size beats in both savings and that
    the best layers still to come can complete. Should there be more than `_MOST_STATES` of those, the set found by
    ranking stands; it has at most as many layers too many as the gap is wide, in practice one.
    """
    weighings = [_weigh(candidates, needs, share) for share in range(_WEIGHINGS + 1)]
    if any(one.least is None for one in weighings):
        return None
    tightest = max(weighings, key=lambda one: one.least or 0)
    best = min(weighings, key=lambda one: len(candidates) + 1 if one.most is None else one.most)
    limit = len(candidates) + 1 if best.most is None else best.most
    for size in range(tightest.least or 0, limit):
        found = _of_size(candidates, needs, tightest, size)
        if found is not None:
            return found
    return None if best.most is None else set(best.ranked[: best.most])


def _weigh(candidates: Mapping[str, Saving], needs: Saving, share: int) -> _Weighing:
    """Rank by `share` parts of the MACs and the rest of the parameters, each in units of what is needed."""
    by = Saving(params=(_WEIGHINGS - share) * max(1, abs(needs.macs)), macs=share * max(1, abs(needs.params)))
    ranked = tuple(sorted(candidates, key=lambda name: -candidates[name].weighed(by)))
    sums = list(accumulate(ranked, lambda sum_, name: sum_.plus(candidates[name]), initial=Saving(0, 0)))
    most_weight = _heaviest(candidates, ranked, by)
    least = next((size for size, total in enumerate(most_weight) if total >= needs.weighed(by)), None)
    most = next((size for size, total in enumerate(sums) if _reaches(total, needs)), None)
    return _Weighing(by, ranked, least, most)


def _heaviest(candidates: Mapping[str, Saving], ranked: Sequence[str], by: Saving) -> list[int]:
    """The most that 0, 1, 2, ... of the `ranked` layers can weigh together."""
    return list(accumulate((max(0, candidates[name].weighed(by)) for name in ranked), initial=0))


def _of_size(candidates: Mapping[str, Saving], needs: Saving, way: _Weighing, size: int) -> set[str] | None:
    """A set of at most `size` layers that saves what is needed of both, if there is one and it is found in time."""
    best = _heaviest(candidates, way.ranked, way.by)
    need = needs.weighed(way.by)
    states = [_Partial(0, Saving(0, 0), "", None)]
    for index, name in enumerate(way.ranked):
        grown = [
            _Partial(one.size + 1, one.saving.plus(candidates[name]), name, one) for one in states if one.size < size
        ]
        for one in grown:
            if _reaches(one.saving, needs):
                return _members(one)
        kept = []
        for one in (*states, *grown):
            last = min(index + 1 + size - one.size, len(way.ranked))
            if one.saving.weighed(way.by) + best[last] - best[index + 1] >= need:
                kept.append(one)
        states = _undominated(kept)
        if len(states) > _MOST_STATES:
            return None
    return None


def _undominated(partials: list[_Partial]) -> list[_Partial]:
    """Those that no other of the same size beats in both savings."""
    kept: list[_Partial] = []
    size, most = -1, 0
    for one in sorted(partials, key=lambda one: (one.size, -one.saving.macs, -one.saving.params)):
        if one.size != size or one.saving.params > most:
            size, most = one.size, one.saving.params
            kept.append(one)
    return kept


def _members(partial: _Partial | None) -> set[str]:
    names: set[str] = set()
    while partial is not None and partial.rest is not None:
        names.add(partial.last)
        partial = partial.rest
    return names


def _reaches(saved: Saving, needs: Saving) -> bool:
    return saved.params >= needs.params and saved.macs >= needs.macs


def decide(layers: Sequence[Layer], selection: Selection, *, params: int, macs: int) -> tuple[tuple[Layer, ...], float]:
    """All layers with whether they are replaced, with which M, and why not those that could be.

    And by how much another choice might lose less fidelity: 0 where none does, or none is known. `params` and `macs`
    are the totals of the network as it is.
    """
    _check_globs([layer.name for layer in layers if layer.operator == "convolution"], selection)
    ways = {layer.name: ways_of(layer, selection) for layer in layers if layer.eligible}
    free = {name: one.layers for name, one in ways.items() if one.kept is None}
    asked = (("macs", selection.target_macs, macs), ("params", selection.target_params, params))
    aims = [Target(metric, aim, before) for metric, aim, before in asked if aim is not None]
    chosen, gap = ({name: each[0] for name, each in free.items()}, 0.0) if not aims else _for_targets(free, aims)

    def decided(layer: Layer) -> Layer:
        if not layer.eligible:
            return layer
        if layer.name in chosen:
            return replace(chosen[layer.name], replaced=True, kept=None)
        way = ways[layer.name]
        return replace(way.layers[0], replaced=False, kept=way.kept or NOT_NEEDED)

    return tuple(map(decided, layers)), gap


def _for_targets(free: Mapping[str, Sequence[Layer]], aims: Sequence[Target]) -> tuple[dict[str, Layer], float]:
    """The layers to replace, as they are then, and by how much another choice might lose less."""
    if not any(one.spectrum for each in free.values() for one in each):
        names = fewest({name: each[0].saving for name, each in free.items()}, aims)
        return {name: free[name][0] for name in names}, 0.0
    choice = least_loss({name: [_option(one) for one in each] for name, each in free.items()}, aims)
    by_multiplier = {name: {one.multiplier: one for one in each} for name, each in free.items()}
    return {name: by_multiplier[name][found] for name, found in choice.multipliers.items()}, choice.gap


def _option(layer: Layer) -> Option:
    """Of weights that nobody can see, all may be lost."""
    fidelity = layer.fidelity
    return Option(layer.multiplier, layer.saving, 1.0 if fidelity is None else 1.0 - fidelity)

"""Which eligible layers are replaced: globs, a least ratio, targets for the totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from dsconv_cli.model.result import Layer, Saving, Selection
from dsconv_cli.spec import CannotMeasureError, DsconvError

#: Decimal multiples, as counts of parameters and MACs are written.
SUFFIXES: Final[Mapping[str, int]] = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}

#: With two targets, more partial answers than this are not worth keeping; see `_fewest_for_both`.
_MOST_STATES: Final = 200_000

NOT_NEEDED: Final = "not needed for the target"


def parse_count(text: str, option: str) -> int:
    """`"1.5G"` → 1500000000. Suffixes k, M, G (or B), T are powers of 1000.

    Raises:
        DsconvError: no number, not finite, negative, or no whole number.
    """
    body = text.strip()
    suffix = body[-1:].lower() if body[-1:].isalpha() else ""
    try:
        value = Decimal(body[: len(body) - len(suffix)]) * SUFFIXES[suffix]
        whole = int(value)
    except (InvalidOperation, KeyError, ValueError, OverflowError):
        whole, value = -1, Decimal(0)
    if whole < 0 or whole != value:
        raise DsconvError(f"{option} must be a count such as 569M, 1.5G or 1000000, not {text!r}")
    return whole


def check_globs(names: Sequence[str], selection: Selection) -> None:
    """Every glob must match a layer, for one that matches none is a slip of the pen.

    Raises:
        DsconvError: a glob that matches nothing.
    """
    for option, globs in (("--keep", selection.keep), ("--only", selection.only)):
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in names):
                some = ", ".join(name or "''" for name in names[:5]) + (", ..." if len(names) > 5 else "")
                raise DsconvError(f"{option} {glob!r} matches no convolution; they are {some}")


def why_kept(layers: Iterable[Layer], selection: Selection) -> dict[str, str | None]:
    """For each eligible layer why the globs and the least ratio keep it, or None where they do not."""
    return {layer.name: _why_kept(layer, selection) for layer in layers if layer.eligible}


def _why_kept(layer: Layer, selection: Selection) -> str | None:
    for glob in selection.keep:
        if fnmatchcase(layer.name, glob):
            return f"--keep {glob}"
    if selection.only and not any(fnmatchcase(layer.name, glob) for glob in selection.only):
        return f"not in --only {' '.join(selection.only)}"
    closed = layer.cost
    if closed is not None and selection.min_ratio is not None and closed.macs.ratio < selection.min_ratio:
        return f"ratio {float(closed.macs.ratio):.2f} is below {selection.min_ratio:g}"
    return None


class Target(NamedTuple):
    """A total that must not be exceeded: its metric, the aim, and the total as it is."""

    metric: str
    aim: int
    before: int

    @property
    def need(self) -> int:
        """What must be saved."""
        return self.before - self.aim


def targets(selection: Selection, *, params: int, macs: int) -> tuple[Target, ...]:
    """The targets of `selection`, for a network of these totals."""
    asked = (("macs", selection.target_macs, macs), ("params", selection.target_params, params))
    return tuple(Target(metric, aim, before) for metric, aim, before in asked if aim is not None)


def fewest(candidates: Mapping[str, Saving], aims: Sequence[Target]) -> set[str]:
    """The smallest set of layers whose replacement reaches every target.

    For one target the layers that save most are taken first, which is optimal: any set of n layers saves at most
    what the n best save. For two, the sets are searched for the smallest that reaches both (`_fewest_for_both`).
    Among sets of one size, that with the larger saving is taken.

    Raises:
        CannotMeasureError: all of them together do not reach a target.
    """
    open_aims = [aim for aim in aims if aim.need > 0]
    for aim in open_aims:
        _check_reachable(candidates, aim)
    if not open_aims:
        return set()
    if len(open_aims) == 1:
        return _fewest_for_one(candidates, open_aims[0])
    found = _fewest_for_both(candidates, *(aim.need for aim in sorted(open_aims)))
    if found is None:
        raise CannotMeasureError(
            "no set of the eligible layers reaches both targets at once, though each can be reached alone; "
            "raise --target-macs or --target-params"
        )
    return found


def _check_reachable(candidates: Mapping[str, Saving], aim: Target) -> None:
    best = aim.before - sum(max(0, getattr(saving, aim.metric)) for saving in candidates.values())
    if best > aim.aim:
        unit = "MACs" if aim.metric == "macs" else "parameters"
        raise CannotMeasureError(
            f"--target-{aim.metric} {aim.aim:,} cannot be reached: with all {len(candidates)} layers that may be "
            f"replaced the network still has {best:,} {unit}"
        )


def _fewest_for_one(candidates: Mapping[str, Saving], aim: Target) -> set[str]:
    def by_saving(name: str) -> tuple[int, int]:
        saving = candidates[name]
        return (-getattr(saving, aim.metric), -(saving.macs + saving.params))

    chosen: set[str] = set()
    saved = 0
    for name in sorted(candidates, key=by_saving):
        if saved >= aim.need:
            break
        chosen.add(name)
        saved += getattr(candidates[name], aim.metric)
    return chosen


class _Partial(NamedTuple):
    """A set of layers under way: what it saves, and how it was made (its last layer and the set before it)."""

    macs: int
    params: int
    last: str
    rest: _Partial | None


def _fewest_for_both(candidates: Mapping[str, Saving], need_macs: int, need_params: int) -> set[str] | None:
    """The smallest set that saves `need_macs` and `need_params`.

    For each size the sets are kept that no other of that size beats in both savings; adding one layer at a time
    this finds the smallest set exactly. Savings above a need are worth no more than the need itself, which keeps
    the sets few; layers that save one and cost the other come first, for what they cost must not be forgotten.
    Should there be more than `_MOST_STATES` all the same, the evenly spaced are kept: the answer still reaches
    both targets, and may be larger than the smallest.
    """
    mixed_first = sorted(candidates, key=lambda name: min(candidates[name]) >= 0)
    by_size: list[list[_Partial]] = [[_Partial(0, 0, "", None)]]
    for name in mixed_first:
        saving = candidates[name]
        capped = min(saving) >= 0
        by_size.append([])
        for size in range(len(by_size) - 2, -1, -1):
            grown = [_add(one, name, saving, need_macs if capped else None, need_params) for one in by_size[size]]
            if grown:
                by_size[size + 1] = _undominated([*by_size[size + 1], *grown])
    for partials in by_size:
        reached = [one for one in partials if one.macs >= need_macs and one.params >= need_params]
        if reached:
            return _members(max(reached, key=lambda one: (one.macs, one.params)))
    return None


def _add(one: _Partial, name: str, saving: Saving, cap_macs: int | None, cap_params: int) -> _Partial:
    macs, params = one.macs + saving.macs, one.params + saving.params
    if cap_macs is not None:
        macs, params = min(macs, cap_macs), min(params, cap_params)
    return _Partial(macs, params, name, one)


def _undominated(partials: list[_Partial]) -> list[_Partial]:
    best: list[_Partial] = []
    for one in sorted(partials, key=lambda one: (-one.macs, -one.params)):
        if not best or one.params > best[-1].params:
            best.append(one)
    step = -(-len(best) // _MOST_STATES)
    return best[::step]


def _members(partial: _Partial | None) -> set[str]:
    names: set[str] = set()
    while partial is not None and partial.rest is not None:
        names.add(partial.last)
        partial = partial.rest
    return names


def decide(layers: Sequence[Layer], selection: Selection, *, params: int, macs: int) -> dict[str, str | None]:
    """For each eligible layer why it is kept, or None where it is replaced.

    Args:
        layers: all layers of the network.
        selection: what was asked for.
        params: parameters of the network as it is.
        macs: its MACs.

    Raises:
        DsconvError: a glob that matches no convolution.
        CannotMeasureError: a target that cannot be reached.
    """
    check_globs([layer.name for layer in layers if layer.operator == "convolution"], selection)
    decided = why_kept(layers, selection)
    aims = targets(selection, params=params, macs=macs)
    if not aims:
        return decided
    free = {layer.name: layer.saving for layer in layers if decided.get(layer.name, "") is None}
    chosen = fewest(free, aims)
    return {name: NOT_NEEDED if why is None and name not in chosen else why for name, why in decided.items()}

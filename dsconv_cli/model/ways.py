"""In which ways one layer may be replaced: with one depth multiplier, or with each that is worth it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from dsconv_cli.model.result import AUTO, Layer, Selection

NO_WEIGHTS: Final = "has no finite weights"


class Ways(NamedTuple):
    """The layer in each way that it may be replaced, the smallest M first; or, `kept` for a reason, as it might be."""

    layers: tuple[Layer, ...]
    kept: str | None = None


def ways_of(layer: Layer, selection: Selection) -> Ways:
    """The ways that `selection` allows for an eligible layer."""
    why = _why_kept(layer, selection)
    if why is not None:
        return Ways((layer,), why)
    if selection.depth_multiplier == AUTO:
        return _automatic(layer, selection)
    why = _too_small(layer, selection) or _too_poor(layer, selection)
    return Ways((layer,), why)


def _why_kept(layer: Layer, selection: Selection) -> str | None:
    for glob in selection.keep:
        if fnmatchcase(layer.name, glob):
            return f"--keep {glob}"
    if selection.only and not any(fnmatchcase(layer.name, glob) for glob in selection.only):
        return f"not in --only {' '.join(selection.only)}"
    return None


def _too_small(layer: Layer, selection: Selection) -> str | None:
    ratio = layer.ratio
    if ratio is not None and selection.min_ratio is not None and ratio < selection.min_ratio:
        return f"ratio {float(ratio):.2f} is below {selection.min_ratio:g}"
    return None


def _too_poor(layer: Layer, selection: Selection) -> str | None:
    if selection.min_fidelity is None:
        return None
    fidelity = layer.fidelity
    if fidelity is None:
        return NO_WEIGHTS
    return None if fidelity >= selection.min_fidelity else f"fidelity is below {selection.min_fidelity:g}"


def _automatic(layer: Layer, selection: Selection) -> Ways:
    """With every M that saves MACs, gains enough and keeps enough of the weights."""
    if layer.spectrum is None:
        return Ways((layer,), NO_WEIGHTS)
    saving = [one for one in _with_each(layer, layer.spectrum.rank) if _too_small(one, selection) is None]
    enough = tuple(one for one in saving if _too_poor(one, selection) is None)
    if enough:
        return Ways(enough)
    if not saving:
        return Ways((layer,), "no M saves MACs" if selection.min_ratio is None else _too_small(layer, selection))
    return Ways((saving[-1],), f"no M that saves reaches fidelity {selection.min_fidelity:g}")


def _with_each(layer: Layer, rank: int) -> Iterator[Layer]:
    """With M = 1, 2, ... while it saves MACs; beyond `rank` there is nothing to win."""
    for multiplier in range(1, rank + 1):
        one = layer.with_multiplier(multiplier)
        if one.saving.macs <= 0:
            return
        yield one

"""The layers of a network then and now: which are new, gone, renamed, or cost something else."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from dsconv_cli.baseline.file import Document, is_number
from dsconv_cli.data import at

Kind = Literal["added", "removed", "changed", "renamed"]

#: What a layer counts by itself; `_figures` adds the same after what is replaced.
COUNTED: Final = ("params", "macs")

#: What other totals follow.
_GROWS_WITH: Final = {"time": "macs", "runtimes": "macs", "weight_bytes": "params"}


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer then and now: its figures by "macs.before", "macs.after" and so on; None where it is not there.

    `former` is what it was called, where only that changed.
    """

    name: str
    was: Mapping[str, int] | None
    now: Mapping[str, int] | None
    former: str = ""

    @property
    def kind(self) -> Kind:
        """What happened to it."""
        if self.former:
            return "renamed"
        return "added" if self.was is None else "removed" if self.now is None else "changed"

    @property
    def label(self) -> str:
        """Its name; the network itself has none."""
        return self.name or "the network itself"

    def growth(self, figure: str) -> int:
        """By how much a figure grew; what is not there has 0."""
        was, now = (0 if one is None else one.get(figure, 0) for one in (self.was, self.now))
        return now - was


def layer_changes(was: Document, now: Document) -> tuple[LayerChange, ...]:
    """The layers that are not what they were, the largest change of MACs first."""
    then, today = (_layers(document) for document in (was, now))
    found = (
        LayerChange(name, then.get(name), today.get(name))
        for name in {**then, **today}
        if then.get(name) != today.get(name)
    )
    return tuple(sorted(_renamed(found), key=_size))


def _size(one: LayerChange) -> tuple[int, int]:
    return -abs(one.growth("macs.before")), -abs(one.growth("params.before"))


def _renamed(found: Iterable[LayerChange]) -> Iterator[LayerChange]:
    """`found`, where what is gone and what is new are one layer if they cost the same, in the order of the network.

    Whoever wraps a block in a module renames all that is in it; what grew must not be lost among that.
    """
    listed = list(found)
    gone = [one for one in listed if one.kind == "removed"]
    alike: defaultdict[tuple[int, ...], deque[LayerChange]] = defaultdict(deque)
    for one in gone:
        alike[_cost(one.was)].append(one)
    taken = set()
    for one in listed:
        if one.kind == "added" and (same := alike[_cost(one.now)]):
            former = same.popleft()
            taken.add(former.name)
            yield replace(one, was=former.was, former=former.label)
        elif one.kind != "removed":
            yield one
    yield from (one for one in gone if one.name not in taken)


def _cost(figures: Mapping[str, int] | None) -> tuple[int, ...]:
    return tuple((figures or {}).values())


def _layers(document: Document) -> dict[str, Mapping[str, int]]:
    """The figures of each layer, by its name."""
    listed = document.get("layers")
    layers = listed if isinstance(listed, list) else []
    return {str(one["name"]): _figures(one) for one in layers if isinstance(one, dict) and "name" in one}


def _figures(layer: Mapping[str, Any]) -> dict[str, int]:
    """What a layer costs as it is, and with what is replaced."""
    found: dict[str, int] = {}
    for metric in COUNTED:
        before = _whole(layer, f"counted.{metric}")
        saving = _whole(layer, f"{metric}.ordinary") - _whole(layer, f"{metric}.separable")
        found[f"{metric}.before"] = before
        found[f"{metric}.after"] = before - (saving if layer.get("replaced") is True else 0)
    return found


def _whole(layer: Mapping[str, Any], key: str) -> int:
    value = at(layer, key)
    return value if isinstance(value, int) and is_number(value) else 0


def causes(found: Sequence[LayerChange], key: str) -> tuple[str, ...]:
    """The layers in which a total of the network grew, most of it first; none where no layer's figure tells."""
    # Such as totals.macs.before and totals.runtimes.litert.after.median_s.
    parts = key.removesuffix(".median_s").split(".")
    metric, side = parts[1 % len(parts)], parts[-1]
    figure = f"{_GROWS_WITH.get(metric, metric)}.{side}"
    grown = [one for one in found if one.growth(figure) > 0]
    grown.sort(key=lambda one: -one.growth(figure))
    return tuple(f"{one.label} (new)" if one.kind == "added" else one.label for one in grown)

"""A network as a tree of modules with sums, cut at a depth, or as its largest layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from dsconv_cli.model.result import Layer, ModelResult
from dsconv_cli.numbers import many

#: Without `--depth` the tree is as deep as it can be within so many lines: about one screen.
SCREEN_LINES: Final = 40

ROOT: Final = "(the network itself)"


@dataclass(frozen=True, slots=True)
class Branch:
    """What one line of the table is about: a layer, or a module or remainder with the sums of what it holds.

    `level` is how deep it stands, `path` its whole name, `members` the layers it sums up (a layer: itself).
    """

    label: str
    path: str
    level: int
    layer: Layer | None
    members: tuple[Layer, ...]

    @property
    def params(self) -> int:
        """Parameters as it is."""
        return sum(one.params for one in self.members)

    @property
    def macs(self) -> int:
        """MACs as it is."""
        return sum(one.macs for one in self.members)

    @property
    def macs_after(self) -> int:
        """MACs with the chosen layers replaced."""
        return sum(one.macs_after for one in self.members)

    @property
    def convolutions(self) -> int:
        """How many of the members convolve."""
        return sum(one.operator == "convolution" for one in self.members)

    @property
    def replaced(self) -> int:
        """How many of them are replaced."""
        return sum(one.replaced for one in self.members)

    @property
    def ratio(self) -> Fraction | None:
        """MACs before ÷ after, None where nothing changes."""
        return Fraction(self.macs, self.macs_after) if self.replaced and self.macs_after else None


@dataclass(slots=True)
class _Node:
    label: str
    layer: Layer | None = None
    children: dict[str, _Node] = field(default_factory=dict)

    def all_layers(self) -> Iterator[Layer]:
        if self.layer is not None:
            yield self.layer
        for child in self.children.values():
            yield from child.all_layers()


def branches(result: ModelResult, depth: int | None) -> tuple[Branch, ...]:
    """The tree down to `depth` levels; what lies deeper is summed up. None: as deep as a screen allows."""
    root = _tree(result.layers)
    if depth is not None:
        return tuple(_branches(root, depth))
    found = tuple(_branches(root, 1))
    for deeper in range(2, _height(root) + 1):
        more = tuple(_branches(root, deeper))
        if len(more) > SCREEN_LINES:
            break
        found = more
    return found


def largest(result: ModelResult, count: int) -> tuple[Branch, ...]:
    """The `count` layers with the most MACs, and what is left."""
    ranked = sorted(result.layers, key=lambda layer: (-layer.macs, -layer.params))
    found = [Branch(layer.name or ROOT, layer.name, 0, layer, (layer,)) for layer in ranked[:count]]
    rest = tuple(ranked[count:])
    if rest:
        label = many(len(rest), "smaller layer")
        found.append(Branch(label, label, 0, None, rest))
    return tuple(found)


def leaves(shown: Sequence[Branch]) -> tuple[Branch, ...]:
    """Those that are not summed up in another: together they are the whole network."""
    following = [one.level for one in shown[1:]] + [0]
    return tuple(one for one, below in zip(shown, following, strict=True) if below <= one.level)


def _tree(layers: Sequence[Layer]) -> _Node:
    root = _Node("")
    for layer in layers:
        node = root
        for part in layer.name.split(".") if layer.name else (ROOT,):
            node = node.children.setdefault(part, _Node(part))
        node.layer = layer
    return _Node("", None, {name: _joined(child) for name, child in root.children.items()})


def _joined(node: _Node) -> _Node:
    """A module that holds one thing only is written on the same line with it: `stem.conv`."""
    children = [_joined(child) for child in node.children.values()]
    if node.layer is None and len(children) == 1:
        only = children[0]
        return _Node(f"{node.label}.{only.label}", only.layer, only.children)
    return _Node(node.label, node.layer, {child.label: child for child in children})


def _height(node: _Node) -> int:
    return 1 + max((_height(child) for child in node.children.values()), default=-1)


def _branches(node: _Node, depth: int, level: int = 0, above: str = "") -> Iterator[Branch]:
    for child in node.children.values():
        path = f"{above}.{child.label}" if above else child.label
        members = tuple(child.all_layers())
        cut = level + 1 >= depth and len(members) > 1
        if child.layer is not None and len(members) > 1:
            # A module that computes something itself and holds layers too has a line with its sums, like the others.
            yield Branch(child.label, path, level, None, members)
            if not cut:
                yield Branch("(itself)", path, level + 1, child.layer, (child.layer,))
        else:
            yield Branch(child.label, path, level, child.layer, members)
        if not cut:
            yield from _branches(child, depth, level + 1, path)

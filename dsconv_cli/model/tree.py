"""The lines of the table: a tree of modules with sums, cut at a depth, or the largest layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from dsconv_cli.model.result import Layer, ModelResult

#: Without `--depth` the tree is as deep as it can be within so many lines: about one screen.
SCREEN_LINES: Final = 40

ROOT: Final = "(the network itself)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a layer, or a module or remainder with the sums of what it holds.

    `level` is how deep it stands, `path` its whole name, `members` the layers it sums up (a layer's line: itself).
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


def tree_lines(result: ModelResult, depth: int | None) -> tuple[Line, ...]:
    """The tree down to `depth` levels; what lies deeper is summed up. None: as deep as a screen allows."""
    root = _tree(result.layers)
    if depth is not None:
        return tuple(_lines(root, depth))
    lines = tuple(_lines(root, 1))
    for deeper in range(2, _height(root) + 1):
        more = tuple(_lines(root, deeper))
        if len(more) > SCREEN_LINES:
            break
        lines = more
    return lines


def top_lines(result: ModelResult, count: int) -> tuple[Line, ...]:
    """The `count` layers with the most MACs, and what is left."""
    ranked = sorted(result.layers, key=lambda layer: (-layer.macs, -layer.params))
    lines = [Line(layer.name or ROOT, layer.name, 0, layer, (layer,)) for layer in ranked[:count]]
    rest = tuple(ranked[count:])
    if rest:
        label = f"{len(rest)} smaller layer{'s' if len(rest) > 1 else ''}"
        lines.append(Line(label, label, 0, None, rest))
    return tuple(lines)


def leaves(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines that are not summed up in another: together they are the whole network."""
    following = [line.level for line in lines[1:]] + [0]
    return tuple(line for line, below in zip(lines, following, strict=True) if below <= line.level)


def hidden(lines: Sequence[Line]) -> int:
    """How many layers have no line of their own, being summed up in one."""
    return sum(len(line.members) for line in leaves(lines) if line.layer is None)


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


def _lines(node: _Node, depth: int, level: int = 0, above: str = "") -> Iterator[Line]:
    for child in node.children.values():
        path = f"{above}.{child.label}" if above else child.label
        members = tuple(child.all_layers())
        cut = level + 1 >= depth and len(members) > 1
        if child.layer is not None and len(members) > 1:
            # A module that computes something itself and holds layers too has a line with its sums, like the others.
            yield Line(child.label, path, level, None, members)
            if not cut:
                yield Line("(itself)", path, level + 1, child.layer, (child.layer,))
        else:
            yield Line(child.label, path, level, child.layer, members)
        if not cut:
            yield from _lines(child, depth, level + 1, path)

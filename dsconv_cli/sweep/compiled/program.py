"""Formulas as a program: what is the same for a whole block of layers is worked out once, before its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from dsconv_cli.sweep.compiled.symbols import Symbol

#: A line of text: what always stands there, and the figures between.
Pieces = Sequence[str | Symbol]
#: Rows as numbers, each after the number of its kind.
Row = tuple[int, ...]
Function = Callable[[Row, Sequence[Row]], Any]


@dataclass
class Writer:
    """Writes the steps from variables to figures. `inner` are the variables that differ from row to row."""

    inner: frozenset[str]
    prefix: str
    before: list[str] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    _names: dict[int, tuple[str, bool]] = field(default_factory=dict)

    def name(self, part: Any) -> str:
        """What stands for a symbol or a number, once the steps that lead to it are written."""
        return self._known(part)[0]

    def _known(self, part: Any) -> tuple[str, bool]:
        """The name, and whether it may differ from row to row."""
        if not isinstance(part, Symbol):
            return (f"({part!r})" if part < 0 else repr(part)), False
        if part.index not in self._names:
            self._names[part.index] = self._step(part)
        return self._names[part.index]

    def _step(self, one: Symbol) -> tuple[str, bool]:
        if one.operation == "variable":
            return one.parts[0], one.parts[0] in self.inner
        names, inner = zip(*map(self._known, one.parts), strict=True)
        if one.operation == "if":
            text = f"{names[1]} if {names[0]} else {names[2]}"
        else:
            text = f"{names[0]} {one.operation} {names[1]}"
        name = f"{self.prefix}{one.index}"
        (self.within if any(inner) else self.before).append(f"{name} = {text}")
        return name, any(inner)

    def line(self, pieces: Pieces) -> str:
        """The expression of a line. Neighbours that do not differ from row to row are put together before."""
        parts = []
        for number, (inner, group) in enumerate(groupby(pieces, self._differs)):
            text = " ".join(map(self._piece, group))
            if not inner and "{" in text:
                name = f"{self.prefix}part{number}"
                self.before.append(f"{name} = {text}")
                text = f'f"{{{name}}}"'
            parts.append(text)
        return " ".join(parts) or '""'

    def _differs(self, piece: str | Symbol) -> bool:
        return isinstance(piece, Symbol) and self._known(piece)[1]

    def _piece(self, piece: str | Symbol) -> str:
        """A literal, one after the other being one for Python."""
        if isinstance(piece, str):
            return repr(piece)
        name = self.name(piece)
        return f"f\"{{'true' if {name} else 'false'}}\"" if piece.truth else f'f"{{{name}!r}}"'


def program(
    outer: Sequence[str], inner: Sequence[str], kinds: Mapping[int, Callable[[Writer], Iterator[str]]]
) -> Function:
    """A generator over rows.

    Args:
        outer: the variables of a block, after the number of its kind.
        inner: those of a row, after the number of its kind.
        kinds: by the sum of both numbers, what is done with a row, as lines of Python.
    """
    before: list[str] = []
    branches: list[str] = []
    for kind, write in kinds.items():
        writer = Writer(frozenset(inner), f"k{kind}_")
        last = list(write(writer))
        before += writer.before
        branches += [f"if outer_kind + kind == {kind}:", *(f"    {line}" for line in (*writer.within, *last))]
    source = [
        "def run(outer, rows):",
        f"    {', '.join(('outer_kind', *outer))}, = outer",
        *(f"    {line}" for line in before),
        "    for row in rows:",
        f"        {', '.join(('kind', *inner))}, = row",
        *(f"        {line}" for line in branches),
    ]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(source), "<sweep>", "exec"), namespace)  # noqa: S102  the text is made above, of numbers
    found: Function = namespace["run"]
    return found

"""The lines of a grid's layers by formulas, and one by one where formulas do not do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import compress
from typing import Any, Final, NamedTuple, Protocol

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import Apply, applied
from dsconv_cli.sweep.compiled.kinds import Block, Kind, Table, kind
from dsconv_cli.sweep.compiled.program import Writer, program
from dsconv_cli.sweep.compiled.symbols import Symbol, Tape, UntraceableError
from dsconv_cli.sweep.sources import Misfit, Source, layer_at


class ToLine(Protocol):
    """Writes a line about one layer; what reads a value from it is applied by `apply`."""

    def __call__(self, one: Comparison, apply: Apply = applied, /) -> str:
        """The line, with its end."""


Holds = Callable[[Comparison], bool]

#: Fewer layers than this are done before formulas are made.
_WORTHWHILE: Final = 400
#: Stands in a text for a symbol: a number that nobody else writes.
_MARK: Final = "8" * 20
_MARKED: Final = re.compile(f"{_MARK}([0-9]{{6}}){_MARK}")
#: What arithmetic of Python's own may raise: the layer is then worked out alone, where that is known to those who ask.
_ARITHMETIC: Final = (ZeroDivisionError, OverflowError, ValueError)


class Lines(NamedTuple):
    """Layers by their numbers: those that are left, with what each writer writes of them; those that cannot exist."""

    left: Sequence[int]
    misfits: Sequence[int]
    texts: Sequence[str]


class Plan:
    """What is asked of each layer of a grid, as formulas."""

    def __init__(
        self, source: Source, writers: Sequence[ToLine], holds: Holds | None = None, *, scattered: bool = False
    ) -> None:
        """Raises whatever happens where a function does not take symbols; `make_plan` is for callers."""
        self._source, self._writers, self._condition = source, writers, holds
        self.table = Table(source.grid, scattered=scattered)
        kinds = {number: kind(self.table, words) for number, words in self.table.kinds}
        possible = {number: one for number, one in kinds.items() if one.layer is not None}
        if not possible:
            raise UntraceableError
        make = partial(program, self.table.outer, self.table.inner)
        conditional = any(one.fits or one.layer is None for one in kinds.values())
        self._fits = make({number: partial(_fits, one) for number, one in kinds.items()}) if conditional else None
        self._holds = holds and make({number: partial(_holds, one, holds) for number, one in possible.items()})
        self._lines = [
            make({number: partial(_line, one, writer) for number, one in possible.items()}) for writer in writers
        ]

    def lines(self, block: Block) -> Lines:
        """The lines of a block."""
        try:
            return self._by_formulas(block)
        except _ARITHMETIC:
            return self._one_by_one(block)

    def check(self, block: Block) -> None:
        """Hold the formulas against what comes of working out the first and the last layer of `block`.

        Raises:
            UntraceableError: they differ; a function has looked at what kind of number it was given.
        """
        for one in (block.one(0), block.one(-1)):
            if list(map(list, self.lines(one))) != list(map(list, self._one_by_one(one))):
                raise UntraceableError

    def _by_formulas(self, block: Block) -> Lines:
        places, rows, misfits = block.places, block.rows, []
        if self._fits is not None:
            fit = list(self._fits(block.outer, rows))
            misfits = [place for place, fits in zip(places, fit, strict=True) if not fits]
            places, rows = list(compress(places, fit)), list(compress(rows, fit))
        if self._holds is not None:
            held = list(self._holds(block.outer, rows))
            places, rows = list(compress(places, held)), list(compress(rows, held))
        return Lines(places, misfits, ["".join(line(block.outer, rows)) for line in self._lines])

    def _one_by_one(self, block: Block) -> Lines:
        left, misfits, texts = [], [], [""] * len(self._writers)
        for place in block.places:
            one = layer_at(self._source, place)
            if isinstance(one, Misfit):
                misfits.append(place)
            elif self._condition is None or self._condition(one):
                left.append(place)
                texts = [text + write(one) for text, write in zip(texts, self._writers, strict=True)]
        return Lines(left, misfits, texts)


def make_plan(
    source: Source,
    places: tuple[int, int],
    writers: Sequence[ToLine],
    holds: Holds | None = None,
    *,
    scattered: bool = False,
) -> Plan | None:
    """The formulas; None where they are not worth it, or something is asked that none can be made of."""
    start, stop = places
    if stop - start < _WORTHWHILE:
        return None
    try:
        plan = Plan(source, writers, holds, scattered=scattered)
        plan.check(plan.table.scattered((start, stop - 1)) if scattered else next(plan.table.blocks(start, stop)))
    except Exception:  # noqa: BLE001  someone's function met a symbol where it wants a number
        return None
    return plan


def _fits(one: Kind, write: Writer) -> Iterator[str]:
    if one.layer is None:
        yield "yield False"
        return
    answers = [write.name(condition) if holds else f"not {write.name(condition)}" for condition, holds in one.fits]
    yield f"yield {' and '.join(answers) or 'True'}"


def _holds(one: Kind, holds: Holds, write: Writer) -> Iterator[str]:
    layer = one.layer
    assert layer is not None
    yield f"yield {write.name(one.tape.trace(lambda: bool(holds(layer))))}"


def _line(one: Kind, line: ToLine, write: Writer) -> Iterator[str]:
    """The line itself is made once, with marks for what varies, and is the template of all others."""
    assert one.layer is not None
    marked = _Marked(one.tape)
    parts = _MARKED.split(line(one.layer, marked))
    # Every other part is the number of a symbol.
    pieces = [marked.symbols[int(part)] if place % 2 else part for place, part in enumerate(parts)]
    yield f"yield {write.line([piece for piece in pieces if isinstance(piece, Symbol) or piece])}"


class _Marked:
    """An `Apply` that reads symbols, and gives marks in their place."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.symbols: list[Symbol] = []

    def __call__(self, get: Callable[[Any], Any], result: Any) -> Any:
        return self._mark(self._tape.trace(lambda: get(result)))

    def _mark(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._mark, value))
        if not isinstance(value, Symbol):
            return value
        self.symbols.append(value)
        return int(f"{_MARK}{len(self.symbols) - 1:06}{_MARK}")

"""`16,32,64`, `16:512:*2`, `1,3,8:64:8`: the values of one option, lazily.

A range keeps its three numbers, so that its length is known and any of its values is at hand without listing it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations, count, takewhile
from math import gcd, lcm
from typing import Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS, SQUARES, Field, Square
from dsconv_cli.layer.reading import as_text, field_value, integer
from dsconv_cli.layer.spec import Pair

#: One value of an option.
Scalar = int | Pair | str

#: Values up to here are listed once, which makes reading one a single step.
_LISTED: Final = 4096
#: Each two ranges of a list are held against each other.
_MOST_RANGES: Final = 100


#: A range, or values that were listed one by one.
Piece = range | tuple[Scalar, ...]


def _count(piece: Piece) -> int:
    """How many values; `len` takes no more than the system's words can hold."""
    return len(piece) if isinstance(piece, tuple) else (piece[-1] - piece.start) // piece.step + 1


class Axis:
    """The values of one option, in the order they were written, each once.

    Where it is of `pairs`, height and width, a number in `pieces` stands for both.
    """

    __slots__ = ("_ends", "_listed", "_pairs", "count", "name", "pieces")

    def __init__(self, name: str, pieces: Sequence[Piece], *, pairs: bool = False) -> None:
        self.name, self._pairs = name, pairs
        self.pieces = tuple(pieces)
        self._ends = tuple(accumulate(map(_count, pieces)))
        self.count = self._ends[-1]
        self._listed = tuple(self) if self.count <= _LISTED else None

    def __getitem__(self, index: int) -> Scalar:
        if self._listed is not None:
            return self._listed[index]
        piece = bisect_right(self._ends, index)
        return self._value(self.pieces[piece][index - (self._ends[piece - 1] if piece else 0)])

    def __iter__(self) -> Iterator[Scalar]:
        return (self._value(value) for piece in self.pieces for value in piece)

    def _value(self, value: Scalar) -> Scalar:
        return (value, value) if self._pairs and isinstance(value, int) else value

    @property
    def largest(self) -> int:
        """The largest of its numbers; an axis of words has none."""
        lasts = (max(piece) if isinstance(piece, tuple) else piece[-1] for piece in self.pieces)
        return max(last for last in lasts if isinstance(last, int))

    def first_not_divisible(self, divisor: int) -> int | None:
        """The first value that `divisor` does not divide; None where it divides all."""
        for piece in self.pieces:
            # Two neighbours decide for a whole range.
            for value in piece[:2] if isinstance(piece, range) else piece:
                if isinstance(value, int) and value % divisor:
                    return value
        return None


def parse_axis(name: str, text: str, label: str) -> Axis:
    """The values of option `name` in `text`; `label` is what errors call it, such as `--k`.

    Items stand between commas: one value, START:STOP, START:STOP:STEP, or START:STOP:*FACTOR. STOP belongs to the
    range where a step lands on it. Stride, dilation and padding take HEIGHTxWIDTH, for their comma is taken.

    >>> list(parse_axis("k", "1,3,8:32:*2", "--k"))
    [1, 3, 8, 16, 32]

    Raises:
        DsconvError: an item is empty or no value, a range is reversed or never ends, or a value is there twice.
    """
    field = SQUARES[name].field if name in SQUARES else FIELDS[name]
    listed: list[Scalar] = []
    pieces: list[Piece] = []
    for item in text.split(","):
        if not item.strip():
            raise DsconvError(
                f"{label} {quoted(text)}: a value is missing; it takes values and ranges such as 16,32:128:*2"
            )
        if ":" not in item:
            value = field_value(field, item, label, between="x")
            # So that it is found in ranges, too.
            listed.append(value[0] if isinstance(value, tuple) and value[0] == value[1] else value)
            continue
        numbers = _range(field, item, label)
        if isinstance(numbers, list):
            listed += numbers
            continue
        pieces += [tuple(listed)] if listed else []
        listed = []
        pieces.append(numbers)
    pieces += [tuple(listed)] if listed else []
    _refuse_repeats(pieces, label)
    return Axis(name, pieces, pairs=field.kind == "pair")


def parse_square(square: Square, text: str) -> tuple[Axis, Axis]:
    """The values of an option that sets two fields, such as `--kernel 3,5x3`: an axis of each, of equal length."""
    pairs = parse_axis(square.name, text, square.field.option)
    height, width = square.parts
    return _side(height, pairs, 0), _side(width, pairs, 1)


def _side(name: str, pairs: Axis, place: int) -> Axis:
    return Axis(name, [_part(piece, place) for piece in pairs.pieces])


def _part(piece: Piece, place: int) -> Piece:
    """The heights, or the widths, of a piece of pairs."""
    if isinstance(piece, range):
        return piece
    return tuple(value[place] if isinstance(value, tuple) else value for value in piece)


def _range(field: Field, item: str, label: str) -> range | list[int]:
    """A range of equal steps, or the few numbers of one whose steps are a factor."""
    parts = [part.strip() for part in item.split(":")]
    if field.kind == "word" or len(parts) > 3 or not all(parts):
        raise DsconvError(
            f"{label} {quoted(item)} is not a range; it takes START:STOP, START:STOP:STEP or START:STOP:*FACTOR"
        )
    start, stop = (integer(part, label, least=field.least) for part in parts[:2])
    if stop < start:
        right = ":".join([parts[1], parts[0], *parts[2:]])
        raise DsconvError(f"{label} {quoted(item)} runs backwards and is empty; did you mean {quoted(right)}?")
    step = parts[2] if len(parts) == 3 else "1"
    if not step.startswith("*"):
        return range(start, stop + 1, integer(step, f"{label} {quoted(item)}: the step"))
    factor = integer(step[1:], f"{label} {quoted(item)}: the factor", least=2)
    if start == 0:
        raise DsconvError(f"{label} {quoted(item)}: no factor leads away from 0")
    return list(takewhile(lambda number: number <= stop, (start * factor**power for power in count())))


def _refuse_repeats(pieces: Sequence[Piece], label: str) -> None:
    """A value that is there twice would make the same layer twice."""
    ranges = [piece for piece in pieces if isinstance(piece, range)]
    if len(ranges) > _MOST_RANGES:
        raise DsconvError(f"{label} has {len(ranges):,} ranges; a list takes at most {_MOST_RANGES}")
    met: set[Scalar] = set()
    for value in (value for piece in pieces if isinstance(piece, tuple) for value in piece):
        if value in met or (isinstance(value, int) and any(value in one for one in ranges)):
            raise DsconvError(f"{label}: {as_text(value)} is there twice")
        met.add(value)
    for one, other in combinations(ranges, 2):
        common = _first_common(one, other)
        if common is not None:
            raise DsconvError(f"{label}: {common} is there twice")


def _first_common(one: range, other: range) -> int | None:
    """By the Chinese remainder theorem: two long ranges are not walked."""
    shared = gcd(one.step, other.step)
    if (other.start - one.start) % shared:
        return None
    period = other.step // shared
    steps = (other.start - one.start) // shared * pow(one.step // shared, -1, period) % period
    value = one.start + steps * one.step
    distance = lcm(one.step, other.step)
    value += max(0, -((value - max(one.start, other.start)) // distance)) * distance
    return value if value in one and value in other else None

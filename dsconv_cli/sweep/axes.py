"""`16,32,64`, `16:512:*2`, `1,3,8:64:8`: the values of one option, lazily.

A range keeps its three numbers, so that its length is known and any of its values is at hand without listing it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import gcd, lcm
from typing import Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.fields import FIELDS, MAX_DIMENSION, Field
from dsconv_cli.layer.reading import as_text, field_value, integer
from dsconv_cli.layer.spec import Pair

#: One value of an option.
Scalar = int | Pair | str

#: Values up to here are listed once, which makes reading one a single step.
_LISTED: Final = 4096


@dataclass(frozen=True, slots=True)
class Geometric:
    """start, start·factor, start·factor², …: `count` numbers."""

    start: int
    factor: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return int(self.start * self.factor**index)

    def __iter__(self) -> Iterator[int]:
        return (self[index] for index in range(self.count))

    def __contains__(self, value: object) -> bool:
        return any(value == mine for mine in self)


Piece = range | Geometric | tuple[Scalar, ...]


class Axis:
    """The values of one option, in the order they were written, each once."""

    __slots__ = ("_ends", "_listed", "count", "name", "pieces")

    def __init__(self, name: str, pieces: Sequence[Piece]) -> None:
        self.name = name
        self.pieces = tuple(pieces)
        self._ends = tuple(accumulate(len(piece) for piece in pieces))
        self.count = self._ends[-1]
        self._listed = tuple(value for piece in pieces for value in piece) if self.count <= _LISTED else None

    def __getitem__(self, index: int) -> Scalar:
        if self._listed is not None:
            return self._listed[index]
        piece = bisect_right(self._ends, index)
        return self.pieces[piece][index - (self._ends[piece - 1] if piece else 0)]

    def __iter__(self) -> Iterator[Scalar]:
        return (value for piece in self.pieces for value in piece)

    def first_not_divisible(self, divisor: int) -> int | None:
        """The first value that `divisor` does not divide; None where it divides all."""
        for piece in self.pieces:
            # Two neighbours decide for a whole range, the first value for a geometric one.
            deciding = piece[:2] if isinstance(piece, range) else piece if isinstance(piece, tuple) else (piece[0],)
            for value in deciding:
                if isinstance(value, int) and value % divisor:
                    return value
        return None


def parse_axis(name: str, text: str, label: str) -> Axis:
    """The values of option `name` in `text`; `label` is what errors call it, such as `--k`.

    Items stand between commas: one value, START:STOP, START:STOP:STEP, or START:STOP:*FACTOR. STOP belongs to the
    range where a step lands on it. Stride, dilation and padding take HEIGHTxWIDTH, for their comma is taken.

    Raises:
        DsconvError: an item is empty or no value, a range is reversed or never ends, or a value is there twice.
    """
    field = FIELDS[name]
    pieces: list[Piece] = []
    for item in text.split(","):
        if not item.strip():
            raise DsconvError(f"{label} {text!r}: a value is missing; it takes values and ranges such as 16,32:128:*2")
        piece = _range(field, item, label) if ":" in item else (field_value(field, item, label, between="x"),)
        _refuse_repeats(piece, pieces, label)
        if isinstance(piece, tuple) and pieces and isinstance(pieces[-1], tuple):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return Axis(name, pieces)


def _range(field: Field, item: str, label: str) -> Piece:
    parts = [part.strip() for part in item.split(":")]
    if field.kind == "word" or len(parts) > 3 or not all(parts):
        raise DsconvError(f"{label} {item!r} is no range; it takes START:STOP, START:STOP:STEP or START:STOP:*FACTOR")
    start, stop = (integer(part, label, least=field.least) for part in parts[:2])
    if stop < start:
        raise DsconvError(f"{label} {item!r} runs backwards and is empty; did you mean {_reversed(parts)!r}?")
    step = parts[2] if len(parts) == 3 else "1"
    if step.startswith("*"):
        piece: Piece = _geometric(item, start, stop, step[1:].strip(), label)
    else:
        piece = range(start, stop + 1, _step(item, step, label))
    if field.kind == "number":
        return piece
    return tuple((both, both) for both in piece if isinstance(both, int))


def _reversed(parts: Sequence[str]) -> str:
    return ":".join([parts[1], parts[0], *parts[2:]])


def _step(item: str, text: str, label: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) > 0):
        raise DsconvError(f"{label} {item!r}: the step must be a positive integer, or *FACTOR, not {text!r}")
    return integer(text, label)


def _geometric(item: str, start: int, stop: int, text: str, label: str) -> Geometric:
    if not (text.isascii() and text.isdigit() and int(text[:20]) > 1):
        raise DsconvError(f"{label} {item!r}: the factor must be an integer of at least 2, not {text!r}")
    if start == 0:
        raise DsconvError(f"{label} {item!r}: no factor leads away from 0")
    factor, count, value = min(int(text[:20]), MAX_DIMENSION), 1, start
    while value * factor <= stop:
        value *= factor
        count += 1
    return Geometric(start, factor, count)


def _refuse_repeats(piece: Piece, earlier: Sequence[Piece], label: str) -> None:
    """A value that is there twice would make the same layer twice."""
    for other in earlier:
        common = _first_common(piece, other)
        if common is not None:
            raise DsconvError(f"{label}: {as_text(common)} is there twice")


def _first_common(one: Piece, other: Piece) -> Scalar | None:
    if isinstance(one, range) and isinstance(other, range):
        return _first_common_number(one, other)
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    return next((value for value in few if value in many), None)


def _first_common_number(one: range, other: range) -> int | None:
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

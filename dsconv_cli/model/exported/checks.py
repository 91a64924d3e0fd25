"""Documents from someone else, taken apart by a description of what they may hold.

A check takes a value out of JSON and gives back what may be passed on: the same value, or a smaller one. What it does
not know is refused, so that a description can be incomplete but not too generous.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias

#: What JSON can hold.
Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
Check: TypeAlias = Callable[[Value], Value]

#: A program of 10,000 operators has 15 MB of JSON.
_MOST_JSON_BYTES: Final = 256 * 2**20
_INT64: Final = 2**63
_NOT_FINITE: Final = ("Infinity", "-Infinity", "NaN")


class RefusedError(Exception):
    """Something in a file that is not understood. `where` is the path to it, the innermost part first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where: list[str] = []

    def inside(self, part: str) -> RefusedError:
        """The same, seen from one level further out."""
        self.where.append(part)
        return self

    def __str__(self) -> str:
        return f"{'.'.join(reversed(self.where))}: {self.reason}" if self.where else self.reason


def pickled(what: str) -> RefusedError:
    """The refusal of what would be run: an object of any class, or a library."""
    return RefusedError(
        f"it holds pickled objects or compiled code ({what}), which could run anything; export it again without"
    )


def parse_json(data: bytes | str) -> Value:
    """JSON, as text or in UTF-8, in which every key stands once.

    Raises:
        RefusedError: it is none, or too large or too deep for any program.
    """
    if len(data) > _MOST_JSON_BYTES:
        raise RefusedError(f"{len(data):,} bytes of JSON, more than any program has")
    try:
        whole = data if isinstance(data, str) else data.decode("utf-8")
        return json.loads(whole, object_pairs_hook=_once)  # type: ignore[no-any-return]
    except RecursionError:
        raise RefusedError("nested deeper than any program") from None
    except ValueError as error:
        raise RefusedError(f"not JSON ({error})") from None


def _once(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise RefusedError(f"the key {twice!r} stands twice in one object")
    return found


def refuse(value: Value, wanted: str) -> NoReturn:
    """`value` is not what is `wanted` here."""
    raise RefusedError(f"{reprlib.repr(value)} is no {wanted}")


def matching(pattern: str, wanted: str) -> Check:
    """Text that is a whole match of `pattern`, in ASCII."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: Value) -> Value:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            refuse(value, wanted)
        return value

    return check


def text(value: Value) -> Value:
    """Any text: for what torch keeps as a value, and writes nowhere but quoted."""
    return value if isinstance(value, str) else refuse(value, "text")


def flag(value: Value) -> Value:
    """True or false."""
    return value if isinstance(value, bool) else refuse(value, "true or false")


def whole(value: Value) -> Value:
    """An integer of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        refuse(value, "64-bit integer")
    return value


def number(value: Value) -> Value:
    """A number, or one of the three that are written as text since torch 2.7."""
    if isinstance(value, float) or value in _NOT_FINITE:
        return value
    return whole(value)


def maybe(check: Check) -> Check:
    """None, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def listed(item: Check) -> Check:
    """A list of what `item` takes."""

    def check(value: Value) -> Value:
        if not isinstance(value, list):
            refuse(value, "list")
        return [_within(item, one, number) for number, one in enumerate(value)]

    return check


def mapped(key: Check, item: Check) -> Check:
    """An object with any number of keys that `key` takes."""

    def check(value: Value) -> Value:
        if not isinstance(value, dict):
            refuse(value, "object")
        return {str(key(name)): _within(item, one, name) for name, one in value.items()}

    return check


def record(**fields: Check) -> Check:
    """An object with these keys and no others; torch itself misses those that are not there."""

    def check(value: Value) -> Value:
        if not isinstance(value, dict):
            refuse(value, "object")
        return {name: _within(_known(fields, name), one, name) for name, one in value.items()}

    return check


def one_of(**fields: Check) -> Check:
    """An object with exactly one of these keys."""
    whole_record = record(**fields)

    def check(value: Value) -> Value:
        if not isinstance(value, dict) or len(value) != 1:
            refuse(value, f"object with one of the keys {', '.join(fields)}")
        return whole_record(value)

    return check


def dropped(_value: Value) -> Value:
    """What nobody needs is not passed on."""
    return {}


def _known(fields: dict[str, Check], name: str) -> Check:
    if name not in fields:
        raise RefusedError(f"unknown key {name!r}")
    return fields[name]


def _within(check: Check, value: Value, part: object) -> Value:
    try:
        return check(value)
    except RefusedError as error:
        raise error.inside(str(part)) from None

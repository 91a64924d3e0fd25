"""Gates: KEY=NUMBER against a result. What a CI job fails on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeVar

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import Keys
from dsconv_cli.numbers import SUFFIXES, apart, figure, quantity

Kind = Literal["under", "over"]

_LARGEST: Final = 10**300

Result = TypeVar("Result")


class Verdict(Protocol):
    """What a gate of any kind came to."""

    @property
    def key(self) -> str:
        """What it is about."""

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""

    @property
    def passed(self) -> bool:
        """Whether the result passes it."""

    @property
    def message(self) -> str:
        """The value, the limit, and in brackets the gate as it stood on the command line; one line."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Fail when the value at `key` is under (or over) `limit`. `text` is the gate as the user wrote it."""

    kind: Kind
    key: str
    limit: Fraction
    text: str

    @property
    def nearest_double(self) -> float:
        """The limit as the doubles it is compared with; infinite above them all."""
        try:
            return float(self.limit)
        except OverflowError:
            return math.inf if self.limit > 0 else -math.inf

    @property
    def written(self) -> str:
        """The limit as the user wrote it."""
        return self.text.partition("=")[2].strip()

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return f"--fail-{self.kind} {self.text}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate, the value it was judged by, which may be a bound of an interval, and the unit of that."""

    gate: Gate
    value: float
    bound: str = ""
    unit: str = ""

    @property
    def key(self) -> str:
        """What the gate is about."""
        return self.gate.key

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return self.gate.option

    @property
    def limit(self) -> float | Fraction:
        """A double is held against the nearest double, so that a limit copied from the output is met exactly."""
        return self.gate.nearest_double if isinstance(self.value, float) else self.gate.limit

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side of the limit, or on it."""
        return self.value >= self.limit if self.gate.kind == "under" else self.value <= self.limit

    @property
    def message(self) -> str:
        """The value, with as many digits as tell it from the limit."""
        what = self.key if not self.bound else f"{self.key} ({self.bound})"
        value, _ = apart(partial(_shown, self.unit), self.value, self.limit)
        side = f"not {self.gate.kind}" if self.passed else self.gate.kind
        return f"{what} is {value}, {side} {self.gate.written} ({self.gate.option})"


def _shown(unit: str, value: float | Fraction, digits: int) -> str:
    # A limit may be larger than any count, and than any double.
    return figure(value, unit, digits) if -_LARGEST < value < _LARGEST else "more"


def parse_gate(kind: Kind, text: str, resolve: Callable[[str, str], str]) -> Gate:
    """`macs.ratio=8` → a gate. `resolve` turns what the user wrote for an option into a known key."""
    key, equals, number = text.partition("=")
    option = f"--fail-{kind}"
    if not equals or not key or not number:
        raise DsconvError(f"{option} takes KEY=NUMBER, such as macs.ratio=7.5 or params.separable=20M, not {text!r}")
    limit = quantity(number)
    if limit is None:
        suffixes = ", ".join(SUFFIXES)
        raise DsconvError(
            f"{option} {text}: {quoted(number)} is not a finite number such as 7.5, 1e6 or 20M (suffixes: {suffixes})"
        )
    return Gate(kind, resolve(key.strip(), option), limit, text)


def parse_gates(
    under: Iterable[str] | None, over: Iterable[str] | None, resolve: Callable[[str, str], str]
) -> tuple[Gate, ...]:
    """All of `--fail-under`, then all of `--fail-over`."""
    asked: tuple[tuple[Kind, Iterable[str] | None], ...] = (("under", under), ("over", over))
    return tuple(parse_gate(kind, text, resolve) for kind, texts in asked for text in texts or ())


def check_types(keys: Keys[Any], gates: Iterable[Gate]) -> None:
    """Refuse, before anything is measured, a gate on a key that is no number."""
    for gate in gates:
        if not keys[gate.key].type.is_number:
            raise DsconvError(f"{gate.option}: {gate.key} is not a number that can be compared")


def check(keys: Keys[Result], result: Result, gates: Iterable[Gate]) -> tuple[Judged, ...]:
    """Each gate beside the value that it is judged by.

    A key with an interval is judged by the bound that is against the claim: noise alone passes no gate.
    """
    return tuple(_judge(keys, result, gate) for gate in gates)


def _judge(keys: Keys[Result], result: Result, gate: Gate) -> Judged:
    key, bound = _judged_key(keys, gate)
    value = keys.read(result, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise DsconvError(f"{gate.option}: {gate.key} is {value!r}, not a number that can be compared")
    return Judged(gate, value, bound, keys[key].unit)


def _judged_key(keys: Keys[Any], gate: Gate) -> tuple[str, str]:
    stem, _, last = gate.key.rpartition(".")
    side = "low" if gate.kind == "under" else "high"
    if last == "value" and f"{stem}.{side}" in keys:
        return f"{stem}.{side}", f"its {'lower' if side == 'low' else 'upper'} bound"
    return gate.key, ""

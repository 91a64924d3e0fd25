"""Gates: KEY=NUMBER against a result. What a CI job fails on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeVar

from dsconv_cli.errors import DsconvError
from dsconv_cli.keys import Keys
from dsconv_cli.numbers import decimal

Kind = Literal["under", "over"]

Result = TypeVar("Result")


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
        return float(self.text.partition("=")[2])

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return f"--fail-{self.kind} {self.text}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A gate that failed, and the value it was judged by."""

    gate: Gate
    value: float
    bound: str

    @property
    def message(self) -> str:
        """One line: the key, its value, the limit."""
        what = self.gate.key if not self.bound else f"{self.gate.key} ({self.bound})"
        return f"{what} is {self.value!r}, {self.gate.kind} {self.gate.text.partition('=')[2]} ({self.gate.option})"


def parse_gate(kind: Kind, text: str, resolve: Callable[[str, str], str]) -> Gate:
    """`macs.ratio=8` → a gate. `resolve` turns what the user wrote for an option into a known key."""
    key, equals, number = text.partition("=")
    option = f"--fail-{kind}"
    if not equals or not key or not number:
        raise DsconvError(f"{option} takes KEY=NUMBER, such as macs.ratio=7.5, not {text!r}")
    limit = decimal(number)
    if limit is None:
        raise DsconvError(f"{option} {text}: {number!r} is not a finite number such as 7.5 or 1e6")
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


def check(keys: Keys[Result], result: Result, gates: Iterable[Gate]) -> tuple[Failure, ...]:
    """The gates that fail.

    A key with an interval is judged by the bound that is against the claim: noise alone passes no gate.
    """
    return tuple(failure for gate in gates if (failure := _judge(keys, result, gate)))


def _judge(keys: Keys[Result], result: Result, gate: Gate) -> Failure | None:
    """None where it passes."""
    key, bound = _judged_key(keys, gate)
    value = keys.read(result, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise DsconvError(f"{gate.option}: {gate.key} is {value!r}, not a number that can be compared")
    # A double is held against the nearest double, so that a limit copied from the output is met exactly.
    limit: float | Fraction = gate.nearest_double if isinstance(value, float) else gate.limit
    failed = value < limit if gate.kind == "under" else value > limit
    return Failure(gate, value, bound) if failed else None


def _judged_key(keys: Keys[Any], gate: Gate) -> tuple[str, str]:
    stem, _, last = gate.key.rpartition(".")
    side = "low" if gate.kind == "under" else "high"
    if last == "value" and f"{stem}.{side}" in keys:
        return f"{stem}.{side}", f"its {'lower' if side == 'low' else 'upper'} bound"
    return gate.key, ""

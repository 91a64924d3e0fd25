"""Gates: KEY=NUMBER against a result. What a CI job fails on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeVar

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import Keys
from dsconv_cli.numbers import SUFFIXES, apart, figure, quantity

Kind = Literal["under", "over"]

_LARGEST: Final = 10**300

Result = TypeVar("Result")


class Verdict(NamedTuple):
    """What a gate of any kind came to.

    `key` is what it is about, `option` the gate as it stood on the command line. A sweep judges every row and shows few
    of them, so that what is `told` is put into words only then.
    """

    key: str
    option: str
    passed: bool
    told: Callable[[], str]

    @property
    def message(self) -> str:
        """The value, the limit and, in brackets, the option."""
        return self.told()

    def at(self, layer: str) -> Verdict:
        """The same, of a layer that is named."""
        return self._replace(told=lambda: f"{layer}: {self.message}")


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
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return f"--fail-{self.kind} {self.text}"


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


def check(keys: Keys[Result], result: Result, gates: Iterable[Gate]) -> tuple[Verdict, ...]:
    """What each gate came to.

    A key with an interval is judged by the bound that is against the claim: noise alone passes no gate.
    """
    return tuple(_judge(keys, result, gate) for gate in gates)


def _judge(keys: Keys[Result], result: Result, gate: Gate) -> Verdict:
    key, bound = _judged_key(keys, gate)
    value = keys.read(result, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise DsconvError(f"{gate.option}: {gate.key} is {value!r}, not a number that can be compared")
    # A double is held against the nearest double, so that a limit copied from the output is met exactly.
    limit = gate.nearest_double if isinstance(value, float) else gate.limit
    passed = value >= limit if gate.kind == "under" else value <= limit

    def told() -> str:
        # With as many digits as tell it from the limit.
        shown, _ = apart(partial(_shown, keys[key].unit), value, limit)
        what = f"{gate.key} ({bound})" if bound else gate.key
        side = f"not {gate.kind}" if passed else gate.kind
        written = gate.text.partition("=")[2].strip()
        return f"{what} is {shown}, {side} {written} ({gate.option})"

    return Verdict(gate.key, gate.option, passed, told)


def _judged_key(keys: Keys[Any], gate: Gate) -> tuple[str, str]:
    stem, _, last = gate.key.rpartition(".")
    side = "low" if gate.kind == "under" else "high"
    if last == "value" and f"{stem}.{side}" in keys:
        return f"{stem}.{side}", f"its {'lower' if side == 'low' else 'upper'} bound"
    return gate.key, ""

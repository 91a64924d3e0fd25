"""The arithmetic of growth: one figure then and now, and the gate on how much it may grow.

A count has grown where it is larger. A time has grown only where the intervals of both runs leave no doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import RATIO, Keys
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.numbers import apart, decimal, figure, percent

OPTION: Final = "--fail-if-grows"


class Figure(NamedTuple):
    """A value and the interval that it lies in, which for a count is the value itself."""

    value: int | float
    low: int | float
    high: int | float


def exactly(value: float) -> Figure:
    """A figure without doubt."""
    return Figure(value, value, value)


@dataclass(frozen=True, slots=True)
class Change:
    """One figure then and now. `label` is what people call it, `unit` that of its key."""

    key: str
    label: str
    unit: str
    was: Figure
    now: Figure

    @property
    def growth(self) -> Fraction | None:
        """Now ÷ then - 1, exactly; None where it was 0 and is not any more."""
        was, now = Fraction(self.was.value), Fraction(self.now.value)
        if was == now:
            return Fraction(0)
        return (now - was) / abs(was) if was else None

    @property
    def certain(self) -> bool:
        """Whether the two differ beyond doubt."""
        return self.now.low > self.was.high or self.now.high < self.was.low

    @property
    def measured(self) -> bool:
        """Whether either has an interval, so that they may differ by chance."""
        return any(one.low != one.high for one in (self.was, self.now))

    def exceeds(self, tolerance: Fraction) -> bool:
        """Whether it has grown by more than `tolerance`, a fraction, beyond doubt."""
        high = Fraction(self.was.high)
        return Fraction(self.now.low) > high + abs(high) * tolerance

    @property
    def shown(self) -> tuple[str, str]:
        """Both values, with as many digits as tell them apart."""
        was, now = apart(lambda value, digits: figure(value, self.unit, digits), self.was.value, self.now.value)
        return was, now

    @property
    def share(self) -> str:
        """By how much it changed: `+6.30%`, `−14.7%`; empty where it was 0."""
        growth = self.growth
        if growth is None:
            return ""
        sign = "+" if growth > 0 else "−" if growth < 0 else ""
        return sign + percent(abs(growth))

    @property
    def text(self) -> str:
        """`MACs grew 6.30%, 86.9 M → 92.4 M`."""
        growth, (was, now) = self.growth, self.shown
        if growth == 0:
            return f"{self.label} did not change: {now}"
        by = "" if growth is None else f" {percent(abs(growth))}"
        way = "grew" if growth is None or growth > 0 else "fell"
        doubt = "" if self.certain else ", within the noise of the measurement"
        return f"{self.label} {way}{by}, {was} → {now}{doubt}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Fail when the value at `key` has grown by more than `tolerance`, a fraction. `text` is as the user wrote it."""

    key: str
    tolerance: Fraction
    text: str

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return f"{OPTION} {self.text}"


def parse_limit(text: str, keys: Keys[Any], find: Callable[[str], str]) -> Limit:
    """`macs=1%` → a limit. `find` turns what the user wrote into one of `keys`.

    Raises:
        DsconvError: not KEY or KEY=TOLERANCE, an unknown key, or one whose growth costs nothing.
    """
    name, equals, share = text.partition("=")
    if not name.strip() or (equals and not share.strip()):
        raise DsconvError(f"{OPTION} takes KEY or KEY=TOLERANCE, such as totals.macs.before=1%, not {quoted(text)}")
    key = find(name.strip())
    _check_costs(key, keys)
    return Limit(key, _tolerance(share.strip(), text) if equals else Fraction(0), text)


def _tolerance(share: str, text: str) -> Fraction:
    number = decimal(share.removesuffix("%"))
    if number is None or number < 0:
        raise DsconvError(f"{OPTION} {text}: {quoted(share)} is not a tolerance such as 1%, 0.5% or 0.01")
    if share.endswith("%"):
        return number / 100
    if number >= 1:
        # Nobody means 500 % by 5, and a gate that cannot fail looks like one that holds.
        raise DsconvError(f"{OPTION} {text}: {share} would be {percent(number)}; write {share}% if you mean that")
    return number


def _check_costs(key: str, keys: Keys[Any]) -> None:
    """Refuse what is no number, and what is better the larger it is."""
    if not keys[key].type.is_number:
        raise DsconvError(f"{OPTION} {key}: it is not a number that can grow")
    if keys[key].type is RATIO or ".speedup." in f".{key}":
        section = key.removesuffix(".value").rpartition(".")[0]
        costs = " or ".join(one for one in keys if is_cost(one) and one.startswith(f"{section}."))
        raise DsconvError(f"{OPTION} {key}: the larger it is the better; name what costs: {costs or 'macs.separable'}")


#: What has figures of both forms that are no costs, or are counted before.
_NO_COSTS: Final = frozenset({"measured", "intensity", "spec"})


def is_cost(key: str) -> bool:
    """Whether a key is what something costs as a whole: a layer in one of both forms, a network before or after."""
    first, _, rest = key.removesuffix(".median_s").partition(".")
    last = rest.rpartition(".")[2]
    return last in ("before", "after") if first == "totals" else last in FORMS and first not in _NO_COSTS

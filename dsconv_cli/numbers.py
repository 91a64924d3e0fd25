"""Numbers as people read and write them. Exact where there is room, scaled where there is not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

_SI: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_DIGITS: Final = 3
#: Two doubles that differ do so within these.
_MOST_DIGITS: Final = 18

#: From here on no digit of a count helps but the first ones.
_LARGE: Final = 10**6

Number = int | float | Fraction

#: Signs that a terminal without Unicode cannot show, and what stands for them there.
_ASCII: Final = str.maketrans(
    {
        "×": "x",
        "÷": "/",
        "·": "*",
        "≪": "<<",
        "≤": "<=",
        "≥": ">=",
        "→": "->",
        "−": "-",
        "–": "-",
        "…": "...",
        "±": "+-",
        "≈": "~",
        "µ": "u",
        "⌊": "floor(",
        "⌋": ")",
        "′": "'",
        "█": "#",
    }
)


#: A decimal number, of a size that exact arithmetic can hold.
_DECIMAL: Final = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?")


def decimal(text: str) -> Fraction | None:
    """`7.5`, `1e6` → that number, exactly; None for anything else, such as `nan`, `1_000` or thousands of digits."""
    stripped = text.strip()
    return Fraction(stripped) if _DECIMAL.fullmatch(stripped) else None


#: What may follow a number: powers of 1000.
SUFFIXES: Final[Mapping[str, int]] = MappingProxyType({"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12})


def quantity(text: str) -> Fraction | None:
    """`20M`, `1.5G`, `500k`, `7.5` → that number, exactly; None for anything else, such as `20m`, milli or million."""
    body = text.strip()
    factor = SUFFIXES.get(body[-1:])
    number = decimal(body if factor is None else body[:-1])
    return number if number is None or factor is None else number * factor


def ascii_text(text: str) -> str:
    """`text` with every sign replaced that is not ASCII."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def exact(count: int) -> str:
    """1234567 → `1,234,567`."""
    return f"{count:,}"


def scaled(count: float | Fraction, unit: str = "", digits: int = _DIGITS) -> str:
    """1234567 → `1.23 M`; with unit B, `1.23 MB`. Powers of 1000, three significant digits."""
    value = Fraction(count)
    power = 0
    while power + 1 < len(_SI) and abs(_rounded(value, digits)) >= 1000:
        value /= 1000
        power += 1
    return f"{significant(value, digits)} {_SI[power]}{unit}".rstrip()


def significant(value: float | Fraction, digits: int = _DIGITS) -> str:
    """Three significant digits, never in exponent notation, whole numbers whole: 0.634, 7.89, 90.5, 1,280."""
    number = float(value)
    if number == 0:
        return "0"
    if abs(number) < 10**digits:
        number = _rounded(number, digits)
    digits_before_point = math.floor(math.log10(abs(number))) + 1
    return f"{number:,.{max(digits - digits_before_point, 0)}f}"


def apart(show: Callable[[Number, int], str], *values: Number) -> tuple[str, ...]:
    """`values` as `show` writes them, with as many digits, from three on, as tell them apart: 7.996 and 8.000."""
    different = len(set(values))
    for digits in range(_DIGITS, _MOST_DIGITS):
        shown = tuple(show(value, digits) for value in values)
        if len(set(shown)) == different:
            return shown
    return tuple(map(str, values))


def figure(value: Number, unit: str = "", digits: int = _DIGITS) -> str:
    """A value by the unit of its key, in words: `222 µs`, `1.61 MB`, `86.9 M`, `2,336`, `7.89`."""
    if unit.startswith("seconds"):
        return seconds(value, digits)
    if unit == "bytes":
        return scaled(value, "B", digits)
    if not -_LARGE < value < _LARGE:
        return scaled(value, "", digits)
    return exact(value) if isinstance(value, int) else significant(value, digits)


def times(ratio: float | Fraction) -> str:
    """A ratio: `7.89×`."""
    return f"{significant(ratio)}×"


def percent(share: float | Fraction) -> str:
    """0.140625 → `14.1%`."""
    return f"{significant(share * 100)}%"


def seconds(value: float | Fraction, digits: int = _DIGITS) -> str:
    """0.00123 → `1.23 ms`."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{significant(float(value) / factor, digits)} {unit}"
    return f"{significant(float(value) / 1e-9, digits)} ns"


def many(count: int, noun: str) -> str:
    """1 layer, 2 layers."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def by(*sizes: int) -> str:
    """(1, 64, 56, 56) → `1×64×56×56`."""
    return "×".join(str(size) for size in sizes)


def _rounded(value: float | Fraction, digits: int) -> float:
    """To three significant digits, before the unit is chosen: 999,949 is 1.00 M, not 1,000 k."""
    return float(f"{float(value):.{digits}g}")

"""Numbers as people read and write them. Exact where there is room, scaled where there is not."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

_SI: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_DIGITS: Final = 3

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


def ascii_text(text: str) -> str:
    """`text` with every sign replaced that is not ASCII."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def exact(count: int) -> str:
    """1234567 → `1,234,567`."""
    return f"{count:,}"


def scaled(count: float | Fraction, unit: str = "") -> str:
    """1234567 → `1.23 M`; with unit B, `1.23 MB`. Powers of 1000, three significant digits."""
    value = Fraction(count)
    power = 0
    while power + 1 < len(_SI) and _rounded(value) >= 1000:
        value /= 1000
        power += 1
    return f"{significant(value)} {_SI[power]}{unit}".rstrip()


def significant(value: float | Fraction) -> str:
    """Three significant digits, never in exponent notation, whole numbers whole: 0.634, 7.89, 90.5, 1,280."""
    number = float(value)
    if number == 0:
        return "0"
    if abs(number) < 1000:
        number = _rounded(number)
    digits_before_point = math.floor(math.log10(abs(number))) + 1
    return f"{number:,.{max(_DIGITS - digits_before_point, 0)}f}"


def times(ratio: float | Fraction) -> str:
    """A ratio: `7.89×`."""
    return f"{significant(ratio)}×"


def percent(share: float | Fraction) -> str:
    """0.140625 → `14.1%`."""
    return f"{significant(share * 100)}%"


def seconds(value: float) -> str:
    """0.00123 → `1.23 ms`."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{significant(value / factor)} {unit}"
    return f"{significant(value / 1e-9)} ns"


def many(count: int, noun: str) -> str:
    """1 layer, 2 layers."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def by(*sizes: int) -> str:
    """(1, 64, 56, 56) → `1×64×56×56`."""
    return "×".join(str(size) for size in sizes)


def _rounded(value: float | Fraction) -> float:
    """To three significant digits, before the unit is chosen: 999,949 is 1.00 M, not 1,000 k."""
    return float(f"{float(value):.{_DIGITS}g}")

"""Text from a command line or a file → the numbers of a layer. Errors name the option or column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import MAX_DIMENSION, PADDING_WORDS, Bias, ConvSpec, Pair

Label = Callable[[str], str]

#: Options that are one positive integer, in the order in which they are shown.
INTEGERS: Final = ("k", "c", "r", "s", "h", "w", "batch", "depth_multiplier")
#: Options that are one positive integer or two (height, width).
PAIRS: Final = ("stride", "dilation")


_NO_BIAS: Final = Bias()


def option_label(name: str) -> str:
    """`depth_multiplier` → `--depth-multiplier`."""
    return "--" + name.replace("_", "-")


def integer(text: str, label: str, *, least: int = 1) -> int:
    """A whole number of at least `least`.

    Raises:
        DsconvError: the text is anything else.
    """
    digits = text.strip()
    want = "a positive integer" if least == 1 else f"an integer of at least {least}"
    if not (digits.isascii() and digits.isdigit()):
        raise DsconvError(f"{label} must be {want}, not {text!r}")
    significant = digits.lstrip("0")
    # Python refuses to convert thousands of digits; there is no need to try.
    if len(significant) > len(str(MAX_DIMENSION)) or int(digits) > MAX_DIMENSION:
        raise DsconvError(f"{label} must be at most 2^63 - 1, the largest dimension a tensor can have")
    value = int(digits)
    if value < least:
        raise DsconvError(f"{label} must be {want}, not {text!r}")
    return value


def pair(text: str, label: str, *, least: int = 1) -> Pair:
    """`"2"` → (2, 2); `"2,1"` → (2, 1): height, width."""
    parts = text.split(",")
    if len(parts) > 2:
        raise DsconvError(f"{label} must be one number or two, 'HEIGHT,WIDTH', not {text!r}")
    numbers = tuple(integer(part, label, least=least) for part in parts)
    return (numbers[0], numbers[-1])


def padding(text: str, label: str) -> Pair | str:
    """One of `PADDING_WORDS`, `"P"` or `"P,Q"`."""
    word = text.strip()
    if word in PADDING_WORDS:
        return word
    try:
        return pair(word, label, least=0)
    except DsconvError as error:
        if "2^63" in str(error):
            raise
        words = ", ".join(PADDING_WORDS)
        raise DsconvError(f"{label} must be {words}, a number P or two numbers P,Q, not {text!r}") from None


def layer(values: Mapping[str, str], *, bias: Bias = _NO_BIAS, label: Label = option_label) -> ConvSpec:
    """A layer from the texts of its options; what is not in `values` has its default.

    Raises:
        DsconvError: a text is not what its option takes, or the kernel does not fit.
    """
    numbers = {name: integer(values[name], label(name)) for name in INTEGERS if name in values}
    pairs = {name: pair(values[name], label(name)) for name in PAIRS if name in values}
    known: dict[str, Any] = {**numbers, **pairs, "bias": bias}
    if "padding" in values:
        known["padding"] = padding(values["padding"], label("padding"))
    if "dtype" in values:
        known["dtype"] = values["dtype"]
    return ConvSpec(**known)

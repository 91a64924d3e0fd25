"""A layer as text: what stands on a command line or in a file → the numbers of a layer, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS, MAX_DIMENSION, VALUED, Field
from dsconv_cli.layer.spec import Bias, ConvSpec, Pair

_NO_BIAS: Final = Bias()
#: The columns of files of layers. `padding_end` is no option, for no word is needed where all numbers are given.
COLUMNS: Final = (*VALUED, "padding_end", *(f"{part}_bias" for part in Bias._fields))
#: What always belongs to the name of a layer.
SIZES: Final = ("k", "c", "r", "s", "h", "w")


def integer(text: str, label: str, *, least: int = 1, most: int = MAX_DIMENSION) -> int:
    """A whole number from `least` to `most`; any other text is refused."""
    digits = text.strip()
    want = "a positive integer" if least == 1 else f"an integer of at least {least}"
    if not (digits.isascii() and digits.isdigit()):
        raise DsconvError(f"{label} must be {want}, not {quoted(text)}")
    significant = digits.lstrip("0")
    # Python refuses to convert thousands of digits; there is no need to try.
    if len(significant) > len(str(most)) or int(significant or "0") > most:
        raise DsconvError(f"{label} must be at most {'2^63 - 1' if most == MAX_DIMENSION else f'{most:,}'}")
    value = int(significant or "0")
    if value < least:
        raise DsconvError(f"{label} must be {want}, not {quoted(text)}")
    return value


def field_value(field: Field, text: str, label: str, *, between: str = ",") -> int | str | Pair:
    """A value of `field`: one of its words, a number, or two with `between` in the middle, height first."""
    word = text.strip()
    if word in field.words:
        return word
    if field.kind == "word":
        raise DsconvError(f"{label} must be one of {', '.join(field.words)}, not {quoted(text)}")
    if field.kind == "number":
        return integer(text, label, least=field.least)
    try:
        return _pair(word, label, field.least, between)
    except DsconvError as error:
        if not field.words or "2^63" in str(error):
            raise
        numbers = f"a number P or two numbers P{between}Q"
        raise DsconvError(f"{label} must be {', '.join(field.words)}, {numbers}, not {quoted(text)}") from None


def _pair(text: str, label: str, least: int, between: str) -> Pair:
    parts = text.lower().split(between)
    if len(parts) > 2:
        raise DsconvError(f"{label} must be one number or two, HEIGHT{between}WIDTH, not {quoted(text)}")
    numbers = tuple(integer(part, label, least=least) for part in parts)
    return (numbers[0], numbers[-1])


def as_text(value: object, between: str = "x") -> str:
    """A value as the options read it: `64`, `half`, `2x1`; one number for a pair of two equal ones."""
    if isinstance(value, tuple):
        return str(value[0]) if len(set(value)) == 1 else between.join(map(str, value))
    return str(value)


#: What each field is where nothing else is said.
USUAL: Final[Mapping[str, Any]] = {
    name: field_value(field, field.default, name) for name, field in FIELDS.items() if field.default
}


def layer(texts: Mapping[str, str], *, bias: Bias = _NO_BIAS) -> ConvSpec:
    """A layer from the texts of its options; what is not in `texts` has its default."""
    known: dict[str, Any] = {name: field_value(FIELDS[name], text, FIELDS[name].option) for name, text in texts.items()}
    return ConvSpec(**known, bias=bias)


def arguments(spec: ConvSpec) -> dict[str, Any]:
    """The arguments that make `spec`, the padding by its word where it has one; the biases are left out."""
    found = {name: getattr(spec, name) for name in VALUED}
    if spec.padding != spec.padding_end:
        found["padding"] = "same"
    elif spec.padding == spec.half_padding:
        found["padding"] = "half"
    return found


def columns(spec: ConvSpec) -> dict[str, Any]:
    """`spec` as a row of a file that `sweep --from` reads, by `COLUMNS`: every number of it, and no words."""
    biases = {f"{part}_bias": on for part, on in spec.bias._asdict().items()}
    return {name: biases[name] if name in biases else getattr(spec, name) for name in COLUMNS}


def layer_name(layer: Mapping[str, Any] | ConvSpec) -> str:
    """`k=64 c=32 r=3 s=3 h=56 w=56`, and whatever else is out of the ordinary.

    A mapping is of some of the arguments, such as what many layers have in common.
    """
    return " ".join(f"{name}={as_text(value)}" for name, value in _telling(layer, SIZES))


def command_of(spec: ConvSpec) -> str:
    """The command that compares `spec`: K, C, R and S, and what differs from the defaults."""
    words = [f"{FIELDS[name].option} {as_text(value, ',')}" for name, value in _telling(spec, SIZES[:4])]
    biases = ["bias"] if all(spec.bias) else [f"{part}_bias" for part, on in spec.bias._asdict().items() if on]
    return " ".join(["dsconv compare", *words, *(FIELDS[name].option for name in biases)])


def _telling(layer: Mapping[str, Any] | ConvSpec, always: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """What sets a layer apart from a usual one, and what is told `always`."""
    known = arguments(layer) if isinstance(layer, ConvSpec) else layer
    return (
        (name, known[name]) for name in VALUED if name in known and (name in always or known[name] != USUAL.get(name))
    )

"""The options that describe a layer, made from the table of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, Final, Self

import typer

from dsconv_cli.cli.options import Group, option, parameter
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS, POSITIONAL, SQUARES, VALUED, Field, Square
from dsconv_cli.layer.reading import field_value, layer
from dsconv_cli.layer.spec import Bias, ConvSpec

LAYER: Final = "The layer"

_SIZES: Final = typer.Argument(
    metavar="K C [R S]",
    help="Output channels, input channels, kernel height and width, in place of --k, --c, --r and --s. One number "
    "is a square kernel; none is 3×3.",
    show_default=False,
)


def field_option(field: Field, panel: str = LAYER) -> Any:
    """The option that sets one field of a layer."""
    if field.kind == "flag":
        name = field.option.removeprefix("--")
        return option(f"--{name}/--no-{name}", text=field.help, panel=panel)
    numbers = {"number": ["INT"], "pair": ["P[,Q]"] if field.words else ["INT[,INT]"], "word": []}[field.kind]
    return option(
        *(field.option, *field.also), text=field.help, panel=panel, metavar="|".join([*field.words, *numbers])
    )


def with_default(one: Any, default: str) -> Any:
    """The option, whose default is told but not given: what is not given may be had from elsewhere."""
    if default:
        one.help += f"  [default: {default}]"
    return one


@dataclass(frozen=True, slots=True)
class LayerOptions(Group):
    """One layer, but for its dtype: the text of each field that was given, and the biases."""

    texts: Mapping[str, str]
    bias: Bias

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """From the tables of the fields and of what sets two of them."""
        sizes = parameter("sizes", Annotated[list[str] | None, _SIZES], None)
        return [sizes, *cls.of_fields()]

    @classmethod
    def of_fields(cls) -> list[Parameter]:
        """The options alone; what sets two fields stands before the first of them."""
        found: list[Parameter] = []
        for name, field in FIELDS.items():
            found += (cls.parameter_of(square.field) for square in SQUARES.values() if square.parts[0] == name)
            if name != "dtype":
                found.append(cls.parameter_of(field))
        return found

    @classmethod
    def parameter_of(cls, field: Field) -> Parameter:
        """The option of one field."""
        if field.name == "bias":
            return parameter("bias", Annotated[bool, field_option(field)], False)
        if field.kind == "flag":
            return parameter(field.name, Annotated[bool | None, field_option(field)], None)
        return parameter(field.name, Annotated[str | None, cls.valued_option(field)], None)

    @classmethod
    def valued_option(cls, field: Field) -> Any:
        """The option of one field that takes a value."""
        return with_default(field_option(field), field.default)

    @classmethod
    def gathered(cls, values: Mapping[str, Any]) -> Self:
        """Texts and flags apart."""
        names = (*VALUED, *SQUARES)
        texts = {name: values[name] for name in names if name != "dtype" and values[name] is not None}
        for square in SQUARES.values():
            _refuse_parts(square, texts)
        own = [values[f"{part}_bias"] for part in Bias._fields]
        bias = Bias(*(values["bias"] if one is None else one for one in own))
        return cls({**texts, **_positional(values.get("sizes") or (), texts)}, bias)

    def spec(self, dtype: str) -> ConvSpec:
        """The layer.

        Raises:
            DsconvError: a value is missing, or is none, or makes no layer.
        """
        texts = {name: text for name, text in self.texts.items() if name in FIELDS}
        for square in SQUARES.values():
            if square.name in self.texts:
                pair = field_value(square.field, self.texts[square.name], square.field.option)
                assert isinstance(pair, tuple)
                texts.update(zip(square.parts, map(str, pair), strict=True))
        missing = [one for name, one in FIELDS.items() if not one.default and name in VALUED and name not in texts]
        if missing:
            symbols, options = (" and ".join(getattr(one, what) for one in missing) for what in ("symbol", "option"))
            are = "are" if len(missing) > 1 else "is"
            raise DsconvError(f"{symbols} {are} missing: dsconv compare K C [R S], or {options}")
        return layer({**texts, "dtype": dtype}, bias=self.bias)


def _refuse_parts(square: Square, texts: Mapping[str, str]) -> None:
    if square.name in texts:
        for part in square.parts:
            if part in texts:
                raise DsconvError(f"{square.field.option} sets {FIELDS[part].option} too; give one of them")


def _positional(words: Sequence[str], texts: Mapping[str, str]) -> dict[str, str]:
    """`64 32 3 3` → the fields K, C, R, S; one number for the kernel is a square one."""
    if len(words) > len(POSITIONAL):
        raise DsconvError(f"{quoted(words[len(POSITIONAL)])} is one too many: dsconv compare takes K C [R S]")
    named = dict(zip(POSITIONAL, [*words, words[2]] if len(words) == 3 else words, strict=False))
    for name, word in named.items():
        field = FIELDS[name]
        _refuse_assignment(word)
        if name in texts:
            raise DsconvError(f"{field.symbol} is given twice: {quoted(word)} and {field.option} {quoted(texts[name])}")
        rival = next((one for one in SQUARES.values() if name in one.parts and one.name in texts), None)
        if rival is not None:
            raise DsconvError(f"{field.symbol} is given twice: {quoted(word)} and {rival.field.option}")
        field_value(field, word, field.symbol)
    return named


def _refuse_assignment(word: str) -> None:
    """`k=64` is how other programs have it."""
    name, equals, value = word.partition("=")
    field = {**FIELDS, **{one: square.field for one, square in SQUARES.items()}}.get(name.lower().replace("-", "_"))
    if equals and field is not None:
        no = field.option.replace("--", "--no-")
        said = f"{field.option} or {no}" if field.kind == "flag" else f"{field.option} {value or 'N'}"
        raise DsconvError(f"{quoted(word)}: options are written {said}")

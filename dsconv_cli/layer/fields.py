"""The fields of a layer, each in one entry.

An entry's name is the argument of `ConvSpec`, the column of a file and, with dashes, the option. Options, what
`sweep` takes as lists, ties, columns of files, axes of pictures, completion and names in titles are derived from
`FIELDS`; a new field is an entry here and an argument of `ConvSpec`, which a test holds against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

#: Bytes of a weight and of an element of an input or output. The key is torch's name for the dtype.
DTYPE_BYTES: Final = {"float32": 4, "float64": 8, "bfloat16": 2, "float16": 2, "int8": 1}
#: Bytes of a bias where they are others: quantised convolutions add it to sums of 32 bits.
BIAS_BYTES: Final = {**DTYPE_BYTES, "int8": 4}
#: The dtypes that are not quantised.
FLOATS: Final = ("float32", "float64", "bfloat16", "float16")

#: No tensor library holds a dimension above a signed 64-bit integer.
MAX_DIMENSION: Final = 2**63 - 1

PADDING_WORDS: Final = ("half", "same", "valid")

#: One integer; one or two (height, width); one of the field's words; on or off.
Kind = Literal["number", "pair", "word", "flag"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: as `ConvSpec` calls it.
        kind: what values look like.
        default: as an option takes it; "" where there is none.
        title: what it is, as an axis of a picture has it.
        help: the same as a sentence, for `--help`.
        symbol: the letter in formulas, where it has one.
        unit: of its numbers, where they have one.
        words: what it takes instead of numbers.
        least: the least of its numbers.
        also: other names of its option.
    """

    name: str
    kind: Kind
    default: str
    title: str
    help: str
    symbol: str = ""
    unit: str = ""
    words: tuple[str, ...] = ()
    least: int = 1
    also: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """`depth_multiplier` → `--depth-multiplier`."""
        return "--" + self.name.replace("_", "-")

    @property
    def label(self) -> str:
        """`input height H (pixels)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def short(self) -> str:
        """`M` for the depth multiplier; the name where no letter stands for it."""
        return self.symbol or self.name


_ENTRIES: Final = (
    Field("k", "number", "", "output channels K", "Output channels K.", "K", also=("-k", "--out-channels")),
    Field("c", "number", "", "input channels C", "Input channels C.", "C", also=("-c", "--in-channels")),
    Field("r", "number", "3", "kernel height R", "Kernel height R.", "R", "pixels"),
    Field("s", "number", "3", "kernel width S", "Kernel width S.", "S", "pixels"),
    Field("h", "number", "56", "input height H", "Input height.", "H", "pixels"),
    Field("w", "number", "56", "input width W", "Input width.", "W", "pixels"),
    Field("batch", "number", "1", "batch N", "Batch size N.", "N", "images"),
    Field("stride", "pair", "1", "stride", "One number, or height,width.", "", "pixels"),
    Field(
        "padding",
        "pair",
        "half",
        "padding",
        "half: d(R-1)/2 rounded down on each side, what most networks use; same: the output as large as the "
        "input (stride 1); valid: none; or numbers.",
        "",
        "pixels",
        PADDING_WORDS,
        least=0,
    ),
    Field("dilation", "pair", "1", "dilation", "One number, or height,width.", "", "pixels"),
    Field(
        "depth_multiplier",
        "number",
        "1",
        "depth multiplier M",
        "Depthwise filters per input channel M.",
        "M",
        "filters per channel",
    ),
    Field("bias", "flag", "", "bias", "Biases on all three convolutions."),
    Field("ordinary_bias", "flag", "", "ordinary bias", "Overrides --bias for the ordinary convolution."),
    Field(
        "depthwise_bias",
        "flag",
        "",
        "depthwise bias",
        "Overrides --bias for the depthwise half. (Keras' use_bias is --bias --no-depthwise-bias.)",
    ),
    Field("pointwise_bias", "flag", "", "pointwise bias", "Overrides --bias for the pointwise half."),
    Field(
        "dtype",
        "word",
        "float32",
        "dtype",
        "Type of the numbers, which sets their bytes; int8 is quantised.",
        words=tuple(DTYPE_BYTES),
    ),
)

#: By name, in the order of `ConvSpec`, in which a grid nests them too, the slowest first.
FIELDS: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in _ENTRIES})


#: The fields that have a value, which is all but those that are on or off.
VALUED: Final = tuple(name for name, field in FIELDS.items() if field.kind != "flag")
#: One integer each.
NUMBERS: Final = tuple(name for name in VALUED if FIELDS[name].kind == "number")


@dataclass(frozen=True, slots=True)
class Square:
    """An option that sets two fields, height and width, by one number where both are equal."""

    field: Field
    parts: tuple[str, str]

    @property
    def name(self) -> str:
        """As a `Field`'s."""
        return self.field.name


_SQUARES: Final = (
    Square(
        Field("kernel", "pair", "", "kernel R×S", "Kernel height and width, or one number; not with --r, --s."),
        ("r", "s"),
    ),
    Square(
        Field("size", "pair", "", "input H×W", "Input height and width, or one number; not with --h, --w."),
        ("h", "w"),
    ),
)
#: By name.
SQUARES: Final[Mapping[str, Square]] = MappingProxyType({square.name: square for square in _SQUARES})

#: What `dsconv compare` takes without the names of options, in this order.
POSITIONAL: Final = ("k", "c", "r", "s")

"""The layer that is compared: its numbers, its output shape, and what makes it impossible.

Pure integer arithmetic. Nothing here knows torch, a clock or a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from dsconv_cli.errors import SpecError, quoted
from dsconv_cli.layer.fields import DTYPE_BYTES, MAX_DIMENSION, PADDING_WORDS

Pair = tuple[int, int]
Shape = tuple[int, int, int, int]


class Bias(NamedTuple):
    """Which of the three convolutions adds a bias.

    >>> Bias.all(True)._replace(depthwise=False)  # as Keras' SeparableConv2D has it
    Bias(ordinary=True, depthwise=False, pointwise=True)
    """

    ordinary: bool = False
    depthwise: bool = False
    pointwise: bool = False

    @classmethod
    def all(cls, on: bool) -> Bias:
        """The same answer for all three."""
        return cls(on, on, on)


_NO_BIAS: Final = Bias()


@dataclass(frozen=True, slots=True, init=False)
class ConvSpec:
    """One convolution to compare with its depthwise separable replacement.

    Pairs are (height, width). `padding` is what stands above and to the left; `padding_end` what stands
    below and to the right. They differ by one only for `same` with an even dilated kernel. `output_size` follows
    from the others: ⌊(size + padding - dilated kernel) / stride⌋ + 1, as `torch.nn.Conv2d` has it.

    >>> spec = ConvSpec(k=64, c=32, r=3, s=3, h=56, w=56, stride=2)
    >>> spec.input_shape, spec.intermediate_shape, spec.output_shape  # N, channels, height, width
    ((1, 32, 56, 56), (1, 32, 28, 28), (1, 64, 28, 28))
    """

    k: int
    c: int
    r: int
    s: int
    h: int
    w: int
    batch: int
    stride: Pair
    padding: Pair
    dilation: Pair
    depth_multiplier: int
    bias: Bias
    dtype: str
    padding_end: Pair
    output_size: Pair = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        k: int,
        c: int,
        r: int = 3,
        s: int = 3,
        h: int = 56,
        w: int = 56,
        batch: int = 1,
        stride: int | Pair = 1,
        padding: int | Pair | str = "half",
        dilation: int | Pair = 1,
        depth_multiplier: int = 1,
        bias: bool | Bias = False,
        dtype: str = "float32",
        padding_end: Pair | None = None,
    ) -> None:
        """Check and normalise.

        Args:
            k: output channels (K).
            c: input channels (C).
            r: kernel height (R).
            s: kernel width (S).
            h: input height.
            w: input width.
            batch: input batch size (N).
            stride: step of the kernel, one number or (height, width).
            padding: "half" (⌊d·(R-1)/2⌋ on each side), "same" (output as large as the input, stride 1 only),
                "valid" (none), one number, or (height, width).
            dilation: distance between kernel taps, one number or (height, width).
            depth_multiplier: depthwise filters for each input channel (M).
            bias: for all three convolutions, or a `Bias`.
            dtype: one of `DTYPE_BYTES`.
            padding_end: padding below and to the right, where it differs; normally left out.

        Padding words are resolved here, once. `dataclasses.replace` keeps the numbers: with another kernel, give it
        `padding` again, and `padding_end=None`.

        Raises:
            SpecError: a value is no positive integer, or the kernel does not fit the padded input.
        """
        put = object.__setattr__
        for name, value in (("k", k), ("c", c), ("r", r), ("s", s), ("h", h), ("w", w), ("batch", batch)):
            put(self, name, _integer(name, value))
        put(self, "stride", _pair("stride", stride))
        put(self, "dilation", _pair("dilation", dilation))
        put(self, "depth_multiplier", _integer("depth_multiplier", depth_multiplier))
        put(self, "bias", _bias(bias))
        if dtype not in DTYPE_BYTES:
            raise SpecError(f"dtype must be one of {', '.join(DTYPE_BYTES)}, not {quoted(dtype)}")
        put(self, "dtype", dtype)
        self._settle(_word_or_pair(padding), padding_end)

    @property
    def dilated_kernel(self) -> Pair:
        """Extent of the kernel with its gaps: d·(R-1)+1, d·(S-1)+1."""
        return (self.dilation[0] * (self.r - 1) + 1, self.dilation[1] * (self.s - 1) + 1)

    @property
    def half_padding(self) -> Pair:
        """What `half` means for this kernel: ⌊d·(R-1)/2⌋, ⌊d·(S-1)/2⌋."""
        height, width = self.dilated_kernel
        return ((height - 1) // 2, (width - 1) // 2)

    @property
    def input_shape(self) -> Shape:
        """(N, C, H, W)."""
        return (self.batch, self.c, self.h, self.w)

    @property
    def intermediate_shape(self) -> Shape:
        """(N, C·M, H', W'): between depthwise and pointwise."""
        return (self.batch, self.c * self.depth_multiplier, *self.output_size)

    @property
    def output_shape(self) -> Shape:
        """(N, K, H', W')."""
        return (self.batch, self.k, *self.output_size)

    @property
    def element_bytes(self) -> int:
        """Bytes of one element of the dtype."""
        return DTYPE_BYTES[self.dtype]

    def _settle(self, padding: Pair | str, padding_end: Pair | None = None) -> None:
        """Set what follows from the other numbers."""
        put = object.__setattr__
        begin, end = _resolve_padding(padding, self)
        put(self, "padding", begin)
        put(self, "padding_end", end if padding_end is None else _checked_end(padding_end, begin, self))
        kernel = self.dilated_kernel
        put(self, "output_size", (self._fit(0, kernel[0]), self._fit(1, kernel[1])))

    def _fit(self, axis: int, kernel: int) -> int:
        """Steps of the kernel: ⌊(size + padding - dilated kernel) / stride⌋ + 1, as in `torch.nn.Conv2d`."""
        size = (self.w if axis else self.h) + self.padding[axis] + self.padding_end[axis]
        if kernel > size:
            side, letter = (("height", "h"), ("width", "w"))[axis]
            dilated = "" if self.dilation[axis] == 1 else f" (dilation {self.dilation[axis]})"
            raise SpecError(
                f"the kernel does not fit: its {side} is {kernel}{dilated}, the padded input's only {size}; "
                f"{letter} or the padding must grow by {kernel - size}, or the kernel must shrink"
            )
        return (size - kernel) // self.stride[axis] + 1


def unchecked(*, padding: Pair | str, bias: Bias = _NO_BIAS, **others: Any) -> ConvSpec:
    """A layer of values that are as `ConvSpec` would have made them, or that stand for such: pairs are pairs.

    Raises:
        SpecError: the kernel does not fit the padded input.
    """
    spec = object.__new__(ConvSpec)
    for name, value in {**others, "bias": bias}.items():
        object.__setattr__(spec, name, value)
    spec._settle(padding)
    return spec


def _integer(name: str, value: object, least: int = 1) -> int:
    if type(value) is int and least <= value <= MAX_DIMENSION:
        return value
    want = "a positive integer" if least == 1 else "zero or a positive integer"
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(f"{name} must be {want}, not {quoted(value)}")
    if value > MAX_DIMENSION:
        raise SpecError(f"{name} must be at most 2^63 - 1, the largest dimension a tensor can have")
    return value


def _bias(bias: bool | Bias) -> Bias:
    parts = (bias,) * 3 if isinstance(bias, bool) else bias
    if not (isinstance(parts, tuple) and len(parts) == 3 and set(map(type, parts)) == {bool}):
        raise SpecError(f"bias must be True, False or Bias(ordinary, depthwise, pointwise), not {quoted(bias)}")
    return Bias(*parts)


def _pair(name: str, value: int | Pair, least: int = 1) -> Pair:
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2:
        raise SpecError(f"{name} must be one number or two (height, width), not {quoted(value)}")
    return (_integer(name, pair[0], least), _integer(name, pair[1], least))


def _word_or_pair(padding: int | Pair | str) -> Pair | str:
    if not isinstance(padding, str):
        return _pair("padding", padding, least=0)
    if padding not in PADDING_WORDS:
        raise SpecError(f"padding must be {', '.join(PADDING_WORDS)}, one number or two, not {quoted(padding)}")
    return padding


def _resolve_padding(padding: Pair | str, spec: ConvSpec) -> tuple[Pair, Pair]:
    """Padding before and after the input on each axis."""
    if not isinstance(padding, str):
        return padding, padding
    if padding == "valid":
        return (0, 0), (0, 0)
    half = spec.half_padding
    if padding == "half":
        return half, half
    if spec.stride != (1, 1):
        raise SpecError(
            "padding 'same' needs stride 1, because only then can the output be as large as the input; use 'half'"
        )
    height, width = spec.dilated_kernel
    return half, (height // 2, width // 2)


def _checked_end(padding_end: Pair, begin: Pair, spec: ConvSpec) -> Pair:
    """Only what torch can build: equal on both sides, or what `same` gives."""
    end = _pair("padding_end", padding_end, least=0)
    if end == begin or (begin, end) == _resolve_padding("same", spec):
        return end
    raise SpecError(f"padding_end {end} differs from padding {begin}; only padding 'same' may be lopsided")

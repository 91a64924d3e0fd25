"""The two forms of a layer, as the convolutions they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dsconv_cli.layer.spec import ConvSpec, Pair


class ConvLayer(NamedTuple):
    """One convolution of a form, in `torch.nn.Conv2d`'s terms. Pairs are (height, width)."""

    role: str
    in_channels: int
    out_channels: int
    kernel_size: Pair
    stride: Pair
    padding: Pair
    padding_end: Pair
    dilation: Pair
    groups: int
    bias: bool
    batch: int
    input_size: Pair
    output_size: Pair


_ONE: Final = (1, 1)
_ZERO: Final = (0, 0)


def ordinary(spec: ConvSpec) -> tuple[ConvLayer, ...]:
    """One convolution, C → K, groups = 1."""
    return (_spatial(spec, "ordinary", spec.k, 1, spec.bias.ordinary),)


def separable(spec: ConvSpec) -> tuple[ConvLayer, ...]:
    """Depthwise (C → C·M, one R×S filter per input channel, M times), then pointwise (1×1, C·M → K).

    Stride, padding and dilation live in the depthwise half. As in Chollet, arXiv 1610.02357, and Howard et
    al., arXiv 1704.04861, there is no activation between the halves.
    """
    middle = spec.c * spec.depth_multiplier
    size = spec.output_size
    depthwise = _spatial(spec, "depthwise", middle, spec.c, spec.bias.depthwise)
    pointwise = ConvLayer(
        "pointwise", middle, spec.k, _ONE, _ONE, _ZERO, _ZERO, _ONE, 1, spec.bias.pointwise, spec.batch, size, size
    )
    return (depthwise, pointwise)


def _spatial(spec: ConvSpec, role: str, out_channels: int, groups: int, bias: bool) -> ConvLayer:
    return ConvLayer(
        role,
        spec.c,
        out_channels,
        (spec.r, spec.s),
        spec.stride,
        spec.padding,
        spec.padding_end,
        spec.dilation,
        groups,
        bias,
        spec.batch,
        (spec.h, spec.w),
        spec.output_size,
    )


class Form(NamedTuple):
    """One way to compute the layer: its name, the roles of its operators in the order in which they run, and those."""

    name: str
    roles: tuple[str, ...]
    operators: Callable[[ConvSpec], tuple[ConvLayer, ...]]

    @property
    def counted(self) -> tuple[str, ...]:
        """What is counted of it: each operator, and where there are several all of them together."""
        return self.roles if self.roles == (self.name,) else (*self.roles, self.name)


#: Every form that is counted, built and profiled, by name. A new one is one more entry.
FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "ordinary": Form("ordinary", ("ordinary",), ordinary),
        "separable": Form("separable", ("depthwise", "pointwise"), separable),
    }
)

#: The form that the others are held against, and the one that most is about.
REFERENCE: Final = "ordinary"
REPLACEMENT: Final = "separable"

"""The depthwise separable pair in the place of a convolution, and copies of a network with such pairs in it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from dsconv_cli.counting.modules import separable_conv2d
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.convolutions import Conv, conv_of
from dsconv_cli.model.copying import copy_module
from dsconv_cli.model.foreign import foreign
from dsconv_cli.model.inputs import CPU
from dsconv_cli.model.source import Source


class SeparablePair(nn.Sequential):
    """A depthwise and a pointwise convolution that answer as the one they stand for, N×C×H×W → N×K×H'×W'.

    A network may ask its convolution for its stride, or for the dtype of its weight. `in_channels`, `out_channels`,
    `kernel_size`, `stride`, `padding`, `dilation`, `groups`, `padding_mode`, `transposed` and `output_padding` are
    those of the convolution that was replaced.
    """

    #: TorchScript compiles every property otherwise.
    __jit_unused_properties__ = ("weight", "bias")

    def __init__(self, halves: nn.Sequential, replaced: Conv) -> None:
        super().__init__(OrderedDict(halves.named_children()))
        self.in_channels = replaced.in_channels
        self.out_channels = replaced.out_channels
        self.kernel_size = replaced.kernel
        self.stride = replaced.stride
        self.padding = replaced.padding
        self.dilation = replaced.dilation
        self.groups = replaced.groups
        self.padding_mode = replaced.padding_mode
        self.transposed = False
        self.output_padding = (0, 0)
        # torch prepares every convolution for every way of padding, and looks at this name when it is called.
        cast("nn.Conv2d", self[0]).padding_mode = replaced.padding_mode  # type: ignore[assignment]

    @property
    def weight(self) -> Tensor:
        """The weight, K×C×R×S, of the ordinary convolution that computes the same; made anew each time.

        W[k,c,r,s] = Σₘ pointwise[k, c·M+m] · depthwise[c·M+m, r, s].
        """
        depthwise, pointwise = (cast("nn.Conv2d", half).weight for half in self)
        taps = depthwise.reshape(self.in_channels, -1, *self.kernel_size)
        mixed = pointwise.reshape(self.out_channels, self.in_channels, -1, 1, 1)
        return (mixed * taps).sum(2)

    @property
    def bias(self) -> Tensor | None:
        """The bias, K, which is the pointwise half's."""
        return cast("nn.Conv2d", self[1]).bias


def pairs_for(network: nn.Module, chosen: Mapping[str, ConvSpec], device: str | None) -> dict[str, nn.Module]:
    """The pairs for the layers `chosen` of `network`, freshly initialised, each in the mode of its convolution.

    They are on `device` or, without one, each where its convolution is.
    """
    pairs: dict[str, nn.Module] = {}
    for name, spec in chosen.items():
        conv = conv_of(network.get_submodule(name))
        assert conv is not None
        halves = separable_conv2d(spec, device=device or str(conv.device))
        pairs[name] = SeparablePair(halves, conv).train(conv.training)
    return pairs


def build_separated(source: Source, chosen: Mapping[str, ConvSpec]) -> nn.Module:
    """The network of `source` where it is, in its own mode, with the layers of `chosen` replaced."""
    base = source.original(CPU)
    pairs: dict[Any, nn.Module] = {
        base.get_submodule(name): pair for name, pair in pairs_for(base, chosen, None).items()
    }
    with source.untouched(), foreign(source.name):
        return copy_module(base, None, pairs)

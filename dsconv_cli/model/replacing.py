"""The depthwise separable pair in the place of a convolution."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from dsconv_cli.counting.modules import separable_conv2d
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.convolutions import conv_of


class SeparablePair(nn.Sequential):
    """A depthwise and a pointwise convolution that answer as the one they stand for, N×C×H×W → N×K×H'×W'.

    A network may ask its convolution for its stride, or for the dtype of its weight. `in_channels`, `out_channels`,
    `kernel_size`, `stride`, `padding`, `dilation`, `groups`, `padding_mode`, `transposed` and `output_padding` are
    those of the convolution that was replaced. `fidelity` is that of fitted weights, `output_fidelity` that of the
    outputs on what the layer saw; None where nothing was fitted, or seen.
    """

    #: TorchScript compiles every property otherwise.
    __jit_unused_properties__ = ("weight", "bias")

    def __init__(self, halves: nn.Sequential, replaced: nn.Conv2d) -> None:
        super().__init__(OrderedDict(halves.named_children()))
        self.in_channels = replaced.in_channels
        self.out_channels = replaced.out_channels
        self.kernel_size = replaced.kernel_size
        self.stride = replaced.stride
        self.padding = replaced.padding
        self.dilation = replaced.dilation
        self.groups = replaced.groups
        self.padding_mode = replaced.padding_mode
        self.transposed = False
        self.output_padding = (0, 0)
        self.fidelity: float | None = None
        self.output_fidelity: float | None = None
        # torch prepares every convolution for every way of padding, and looks at this name when it is called.
        cast("nn.Conv2d", self[0]).padding_mode = replaced.padding_mode

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


def pairs_for(network: nn.Module, chosen: Mapping[str, ConvSpec], device: str | None) -> dict[str, SeparablePair]:
    """The pairs for the layers `chosen` of `network`, freshly initialised, each in the mode of its convolution.

    They are on `device` or, without one, each where its convolution is.
    """
    pairs: dict[str, SeparablePair] = {}
    for name, spec in chosen.items():
        module: Any = network.get_submodule(name)
        conv = conv_of(module)
        assert conv is not None
        halves = separable_conv2d(spec, device=device or str(module.weight.device))
        pairs[name] = SeparablePair(halves, conv)
        pairs[name].train(module.training)
    return pairs

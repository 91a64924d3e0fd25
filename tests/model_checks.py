"""The paper's network, and what must not change in a module."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

#: arXiv 1704.04861, Table 1: output channels and stride of each depthwise separable block. (The paper prints stride 2
#: for the last depthwise convolution; its shapes need 1.)
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class ConvMobileNet(nn.Sequential):
    """The fully convolutional one of Table 4: every block an ordinary 3×3 convolution. Weights only."""

    def __init__(self):
        parts, channels = [*self.block(3, 32, 2)], 32
        for out, stride in BLOCKS:
            parts += self.block(channels, out, stride)
            channels = out
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000, bias=False))

    @staticmethod
    def block(channels, out, stride):
        conv = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(out, affine=False), nn.ReLU()]


def torch_macs(module, *inputs):
    """torch's own counter, asked directly."""
    module.eval()
    # It does not know the fused attention kernels of the CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops() // 2


def params(module):
    return sum(parameter.numel() for parameter in module.parameters())


def state(module):
    """Everything about `module` that a user could notice: attributes, mode, hooks, parts, values and their identity."""
    return [
        (
            name,
            type(one),
            list(one.__dict__),
            {key: list(value.items()) for key, value in one.__dict__.items() if isinstance(value, dict)},
            one.training,
            [
                (id(tensor), tensor._version, tensor.requires_grad)
                for tensor in [*one.parameters(False), *one.buffers(False)]
                if not nn.parameter.is_lazy(tensor)
            ],
            [tensor.detach().clone().tolist() for tensor in one.buffers(False)],
        )
        for name, one in module.named_modules()
    ]

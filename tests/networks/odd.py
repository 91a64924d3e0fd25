"""Networks that are awkward, each in its own way. Targets of `dsconv model tests/networks/odd.py:NAME`."""

from __future__ import annotations

import threading

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

print("a file may print while it is loaded")  # noqa: T201


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        print("so may a forward pass")  # noqa: T201
        raise ValueError("this network does not work\nand says so in two lines")


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.embed = nn.Embedding(5, 8)

    def forward(self, image, words):
        return self.conv(image) + self.embed(words).sum()


class GivesDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return {"out": self.conv(x), "count": 3}


class NoConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, x):
        return self.linear(x)


class LooksAtValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        return y if y.sum().item() > -1e9 else y * 2


class OwnForward(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) + 1


class Renamed(nn.Conv2d):
    """A subclass that changes nothing."""


class Everything(nn.Module):
    """One layer for each reason, and each kind that can be replaced."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.same = nn.Conv2d(8, 8, (4, 2), padding="same", dilation=(1, 2))
        self.reflect = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect", bias=False)
        self.subclass = Renamed(8, 8, 3, padding=1)
        self.lazy = nn.LazyConv2d(8, 3, padding=1)
        self.in_a_list = [nn.Conv2d(8, 8, 3, padding=1)]
        self.registered_too = self.in_a_list[0]
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.never = nn.Conv2d(8, 8, 3)
        self.parametrised = parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1))
        self.hooked = nn.Conv2d(8, 8, 3, padding=1)
        self.hooked.register_forward_hook(lambda module, args, output: output * 2)
        self.tied_a = nn.Conv2d(8, 8, 3, padding=1)
        self.tied_b = nn.Conv2d(8, 8, 3, padding=1)
        self.tied_b.weight = self.tied_a.weight
        self.one_by_one = nn.Conv2d(8, 8, 1)
        self.depthwise = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(16, 8, 3, groups=2, padding=1)
        self.transposed = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.one_d = nn.Conv1d(8, 4, 3)
        self.three_d = nn.Conv3d(1, 2, 3)
        self.own = OwnForward(8, 8, 3, padding=1)
        self.direct = nn.Conv2d(8, 8, 3, padding=1)
        self.functional = nn.Parameter(torch.randn(8, 8, 3, 3))
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.norm = nn.BatchNorm2d(8)
        # Three things that cannot be deep-copied, or only by one who knows how.
        self.lock = threading.Lock()
        self.not_a_leaf = torch.randn(8, 1, 1, requires_grad=True) * 2
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = self.lazy(self.subclass(self.reflect(self.same(self.first(x)))))
        x = self.twice(self.twice(self.in_a_list[0](x)))
        x = self.tied_b(self.tied_a(self.hooked(self.parametrised(x))))
        x = self.grouped(self.depthwise(self.one_by_one(x)))
        x = functional.conv2d(x, self.functional, padding=1) + self.not_a_leaf
        x = self.norm(self.direct.forward(self.own(x)))
        one = self.one_d(x.flatten(2))
        three = self.three_d(x[:, None])
        words = self.attention(x.flatten(2).transpose(1, 2))
        return self.transposed(x), [one, {"three": three}], words


def small(width=8, *, names=("a",)):
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))


def needs_values():
    """Cannot be built on the meta device, as networks with a drop rate for each layer cannot."""
    rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(rates[1]))


def raises():
    raise RuntimeError("no network today")


def text():
    return "not a network"


number = 3
ready = small(4)

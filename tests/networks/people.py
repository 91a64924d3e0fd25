"""Networks that do what networks of other people do. Targets of `dsconv model tests/networks/people.py:NAME`.

Each stands for a kind that public bug reports and libraries of networks showed.
"""

from __future__ import annotations

import contextlib

import torch
from torch import nn
from torch.ao.nn import quantized
from torch.nn import functional


class AsksForADtype(nn.Module):
    """Vision transformers cast a picture to the type of their first weight."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, stride=4)
        self.body = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x):
        return self.body(self.patch(x.to(self.patch.weight.dtype)))


class AsksForAStride(nn.Module):
    """Pads as another framework does, from what its own convolution says of itself."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.c = nn.Conv2d(8, 8, 3, stride=2)

    def forward(self, x):
        return self.c(functional.pad(self.a(x), (0, self.c.stride[0], 0, self.c.stride[1])))


class AsksForEverything(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2), dilation=1, padding_mode="reflect")

    def forward(self, x):
        conv, weight = self.conv, self.conv.weight
        assert (conv.in_channels, conv.out_channels, conv.kernel_size) == (4, 6, (3, 5))
        assert (conv.stride, conv.padding, conv.dilation, conv.groups) == ((1, 2), (1, 2), (1, 1), 1)
        assert (conv.padding_mode, conv.transposed, conv.output_padding) == ("reflect", False, (0, 0))
        assert weight.shape == (6, 4, 3, 5)
        assert (weight.device, weight.dtype) == (x.device, x.dtype)
        assert conv.bias.shape == (6,)
        return conv(x + weight.new_zeros(1) + torch.zeros_like(weight)[0, 0, 0, 0])


class UsesItsWeight(nn.Module):
    """Each `how` computes with the values of a weight, which a pair does not have. The others can be replaced."""

    def __init__(self, how="again"):
        super().__init__()
        self.how = how
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        if self.how == "instead":
            return functional.conv2d(x, self.conv.weight, padding=1)
        y = self.conv(x)
        if self.how == "again":
            return y + functional.conv2d(x, self.conv.weight.flip(-1), padding=1)
        if self.how == "a part":
            return y * self.conv.weight[:, 0, 0, 0].view(1, -1, 1, 1)
        if self.how == "a sum":
            return y * self.conv.weight.detach().pow(2).sum().sqrt()
        return y + self.conv.weight.data.to(torch.float64).mean()


class WithMore(nn.Conv2d):
    """A convolution that a network asks for what no other has."""

    gain = 2.0


class AsksForMore(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth)))
        self.odd = WithMore(3, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        return self.head(self.odd(self.body(x)) * self.odd.gain)


class ChecksItsParts(nn.Module):
    """Gives another shape where its convolution is not one."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        x = self.conv(self.stem(x))
        return x if isinstance(self.conv, nn.Conv2d) else x.mean((2, 3))


class NeedsOneOfTwo(nn.Module):
    """Runs without either convolution, and not without both."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        parts = (self.a, self.b)
        if nn.Conv2d not in map(type, parts):
            raise RuntimeError("one of the two")
        return self.b(self.a(x))


class Detects(nn.Module):
    """As many rows as it finds."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 16, 3, padding=1)
        self.score = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        return torch.nonzero(self.score(self.body(x)) > 0)


class ByAMask(Detects):
    def forward(self, x):
        score = self.score(self.body(x))
        return score[score > 0]


class ExitsEarly(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.b = nn.Conv2d(16, 16, 3, padding=1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        y = self.a(x).relu()
        sure = self.fc(y.mean((2, 3))).softmax(-1)
        if sure.max() > 0.13:
            return sure
        return self.fc(self.b(y).relu().mean((2, 3)))


class ByNumpy(nn.Module):
    """Decides by a value in a way that torch does not see."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.b = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x):
        y = self.a(x)
        return self.b(y) if abs(y).detach().numpy().sum() > 0 and self.a.__class__ is nn.Conv2d else y


class LooksAtAConstant(nn.Module):
    """Reads a number, of its own, which is the same whatever goes in."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.register_buffer("times", torch.tensor(2))

    def forward(self, x):
        for _ in range(int(self.times)):
            x = x + len(torch.linspace(0, 1, 3).tolist())
        return self.conv(x)


class Recurrent(nn.Module):
    def __init__(self, look=True, kind="LSTM", layers=1, bidirectional=False):
        super().__init__()
        self.look = look
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.rnn = getattr(nn, kind)(128, 32, layers, batch_first=True, bidirectional=bidirectional)

    def forward(self, x):
        if self.look:
            float(x.sum())  # anything that the meta device does not do
        return self.rnn(self.conv(x).permute(0, 3, 1, 2).flatten(2))[0]


class Attends(nn.Module):
    """Additive attention: matrix × vector, then vector × matrix, of the same size."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.v = nn.Parameter(torch.randn(32))

    def forward(self, x):
        y = self.conv(x).flatten(2).transpose(1, 2)[0]
        return torch.softmax(y @ self.v, 0) @ y


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(3, 64, 16))
        self.bias = nn.Parameter(torch.randn(16))

    def forward(self, x):
        return torch.conv_tbc(self.conv(x).permute(3, 0, 1, 2).flatten(2), self.weight, self.bias, 1)


class Codebook(nn.Module):
    """Distances to the rows of a weight: an operator without a formula."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.book = nn.Embedding(20, 8)

    def forward(self, x):
        y = self.conv(x).flatten(2).transpose(1, 2)[0]
        return torch.cdist(y, self.book.weight, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)


class Quantised(nn.Module):
    def __init__(self, stem=False):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 3, padding=1) if stem else nn.Identity()
        self.quant = quantized.Quantize(0.1, 0, torch.quint8)
        self.conv = quantized.Conv2d(3, 8, 3, padding=1)
        self.dequant = quantized.DeQuantize()

    def forward(self, x):
        return self.dequant(self.conv(self.quant(self.stem(x))))


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.b = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x):
        return self.b(input=self.a(x))


class SharedHead(nn.Module):
    """A detector's head: one convolution over three sizes of picture."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.head = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        return [self.head(functional.avg_pool2d(x, 2**i) if i else x) for i in range(3)]


class Add(nn.Module):
    def forward(self, x, p):
        return x + p


class GivesAnExpandedParameter(nn.Module):
    """torch's own counter refuses a view of a parameter that goes into a module without gradients."""

    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)
        self.p = nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.add = Add()

    def forward(self, x):
        return self.add(self.c(x), self.p.expand(1, 8, 1, 1))


class TakesADict(nn.Module):
    """As data loaders give it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, batch):
        return self.conv(batch["image"]) * batch["scale"]


class TakesMuch(nn.Module):
    """A list of pictures, a number, and a flag that has to be named."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, images, times, *, double=False):
        return [self.conv(image) * times * (2 if double else 1) for image in images]


class Unlisted(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.branches = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1)) for _ in range(2)]  # should be a ModuleList

    def forward(self, x):
        x = self.stem(x)
        return sum(branch(x) for branch in self.branches)


class MakesAModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return nn.Conv2d(8, 4, 3, device=x.device)(self.stem(x))


class Attempt(nn.Conv2d):
    def forward(self, x):
        super().forward(x)
        raise ValueError("not today")


class CatchesAFailure(nn.Module):
    def __init__(self):
        super().__init__()
        self.attempt = Attempt(3, 8, 3, padding=1)
        self.rest = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        with contextlib.suppress(ValueError):
            self.attempt(x)
        return self.rest(x)


calls = []
ready = nn.Conv2d(3, 8, 3, padding=1).double()


def fails():
    calls.append(torch.empty(0).device.type)
    raise RuntimeError("no network today")


def fails_on_meta():
    calls.append(torch.empty(0).device.type)
    torch.zeros(()).item()
    return nn.Conv2d(3, 8, 3)


def batch():
    return {"image": torch.randn(1, 3, 32, 32), "scale": 2.0}


def much():
    return {"images": [torch.randn(1, 3, 8, 8), torch.randn(2, 3, 4, 4)], "times": 3, "double": True}


def in_order():
    return [torch.randn(1, 3, 8, 8)], 3


def picture():
    return torch.randn(1, 3, 32, 32, dtype=torch.float64)


def no_inputs():
    raise OSError("the disk is full")

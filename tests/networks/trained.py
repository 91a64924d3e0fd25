"""Networks with weights that are known: targets of `dsconv model tests/networks/trained.py:NAME`."""

from __future__ import annotations

import torch
from torch import nn


def net(seed=0, noise=0.3):
    """stem 3→16, a 16→32 and b 32→32, all 3×3, each a separable kernel and some noise; then a classifier."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.stem, model.a, model.b = (nn.Conv2d(c, k, 3, padding=1) for c, k in ((3, 16), (16, 32), (32, 32)))
    model.norm = nn.BatchNorm2d(32)
    model.pool, model.flat, model.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    with torch.no_grad():
        for index, layer in enumerate((model.stem, model.a, model.b), 1):
            pattern = torch.randn(1, *layer.weight.shape[1:]) * torch.randn(
                layer.weight.shape[0], layer.weight.shape[1], 1, 1
            )
            layer.weight.copy_(pattern + noise * index * torch.randn_like(layer.weight))
        model.norm.running_mean.normal_()
    return model


def fresh():
    """As torch initialises them."""
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1))


def broken():
    """One layer with what is no number among its weights."""
    model = net()
    with torch.no_grad():
        model.a.weight[0, 0, 0, 0] = float("nan")
    return model


class Tied(nn.Module):
    """A layer that is called twice, a buffer, and two weights that are one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)
        self.other.weight = self.one.weight
        self.register_buffer("count", torch.tensor(3))

    def forward(self, x, scale):
        return {"out": self.other(self.one(self.conv(self.conv(x)))) * scale["by"] + self.count}


def pictures():
    return torch.randn(2, 3, 8, 8), {"by": torch.tensor(2.0)}


def smooth():
    """Images whose neighbouring pixels are alike."""
    torch.manual_seed(1)
    return torch.nn.functional.avg_pool2d(torch.randn(4, 3, 24, 24), 9, 1)

"""A two-dimensional convolution's numbers, from a module or an exported graph, and as `compare` takes them."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from dsconv_cli.errors import SpecError
from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.layer.spec import Bias, ConvSpec, Pair


def conv_of(module: nn.Module) -> nn.Conv2d | None:
    """`module` if it is a two-dimensional convolution; of an exported one, an `nn.Conv2d` like it without memory."""
    return module if isinstance(module, nn.Conv2d) else _from_graph(module)


def _from_graph(module: nn.Module) -> nn.Conv2d | None:
    """The one convolution of an exported `Conv2d`; None where the module is anything else."""
    graph, name = getattr(module, "graph", None), getattr(module, "type_name", None)
    if graph is None or not callable(name) or name() != "torch.nn.modules.conv.Conv2d":
        return None
    calls = [node for node in graph.nodes if node.op == "call_function"]
    weight = getattr(module, "weight", None)
    aten = torch.ops.aten
    if len(calls) != 1 or calls[0].target not in {aten.conv2d.default, aten.conv2d.padding} or weight is None:
        return None
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = {**dict(zip(names, calls[0].args, strict=False)), **calls[0].kwargs}
    groups, padding = given.get("groups", 1), given.get("padding", 0)
    if groups < 1 or weight.shape[0] % groups:
        return None
    try:
        conv = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            tuple(weight.shape[2:]),
            stride=_pair(given.get("stride", 1)),
            padding=padding if isinstance(padding, str) else _pair(padding),
            dilation=_pair(given.get("dilation", 1)),
            groups=groups,
            bias=given.get("bias") is not None,
            device="meta",
        )
    except ValueError:
        return None
    # Whole numbers cannot be trained, and are told of all the same.
    conv.weight = nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False)
    return conv


def _pair(value: Any) -> Pair:
    parts = tuple(value) if isinstance(value, list | tuple) else (value, value)
    return (parts[0], parts[-1])


def dtype_of(conv: nn.Conv2d) -> str:
    """As `compare` calls it: "float32"."""
    return str(conv.weight.dtype).removeprefix("torch.")


def spec_of(conv: nn.Conv2d, shape: tuple[int, ...] | None, depth_multiplier: int) -> ConvSpec | None:
    """`conv` as `compare` takes it, on an input of `shape`; None where it cannot be written so.

    The separable pair keeps the bias where it can do most and is counted once: on the pointwise half, as Keras has
    it. A depthwise bias would be a constant that the pointwise half could add as well.
    """
    biased, dtype = conv.bias is not None, dtype_of(conv)
    if conv.groups != 1 or dtype not in DTYPE_BYTES or shape is None or len(shape) not in (3, 4):
        return None
    batch = shape[0] if len(shape) == 4 else 1
    r, s = conv.kernel_size
    try:
        return ConvSpec(
            conv.out_channels,
            conv.in_channels,
            r,
            s,
            h=shape[-2],
            w=shape[-1],
            batch=batch,
            stride=cast("Pair", tuple(conv.stride)),
            padding=conv.padding if isinstance(conv.padding, str) else cast("Pair", tuple(conv.padding)),
            dilation=cast("Pair", tuple(conv.dilation)),
            depth_multiplier=depth_multiplier,
            bias=Bias(ordinary=biased, depthwise=False, pointwise=biased),
            dtype=dtype,
        )
    except SpecError:
        return None

"""A two-dimensional convolution's numbers, from a module or an exported graph, and as `compare` takes them."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import nn

from dsconv_cli.errors import SpecError
from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.layer.spec import Bias, ConvSpec, Pair


class Conv(NamedTuple):
    """A two-dimensional convolution's numbers, from a module or from an exported graph."""

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair
    padding: Pair | str
    dilation: Pair
    groups: int
    bias: bool
    padding_mode: str
    dtype: torch.dtype
    device: torch.device
    training: bool

    @property
    def dtype_name(self) -> str:
        """As `compare` calls it: "float32"."""
        return str(self.dtype).removeprefix("torch.")


def conv_of(module: nn.Module) -> Conv | None:
    """The numbers of `module` if it is a two-dimensional convolution, its own or an exported one."""
    if not isinstance(module, nn.Conv2d):
        return _from_graph(module)
    return Conv(
        module.in_channels,
        module.out_channels,
        cast("Pair", tuple(module.kernel_size)),
        cast("Pair", tuple(module.stride)),
        module.padding if isinstance(module.padding, str) else cast("Pair", tuple(module.padding)),
        cast("Pair", tuple(module.dilation)),
        module.groups,
        module.bias is not None,
        module.padding_mode,
        module.weight.dtype,
        module.weight.device,
        module.training,
    )


def _from_graph(module: nn.Module) -> Conv | None:
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
    padding = given.get("padding", 0)
    return Conv(
        weight.shape[1] * given.get("groups", 1),
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        _pair(given.get("stride", 1)),
        padding if isinstance(padding, str) else _pair(padding),
        _pair(given.get("dilation", 1)),
        given.get("groups", 1),
        given.get("bias") is not None,
        "zeros",
        weight.dtype,
        weight.device,
        module.training,
    )


def _pair(value: Any) -> Pair:
    parts = tuple(value) if isinstance(value, list | tuple) else (value, value)
    return (parts[0], parts[-1])


def spec_of(conv: Conv, shape: tuple[int, ...] | None, depth_multiplier: int) -> ConvSpec | None:
    """`conv` as `compare` takes it, on an input of `shape`; None where it cannot be written so.

    The separable pair keeps the bias where it can do most and is counted once: on the pointwise half, as Keras has
    it. A depthwise bias would be a constant that the pointwise half could add as well.
    """
    if conv.groups != 1 or conv.dtype_name not in DTYPE_BYTES or shape is None or len(shape) not in (3, 4):
        return None
    batch = shape[0] if len(shape) == 4 else 1
    try:
        return ConvSpec(
            conv.out_channels,
            conv.in_channels,
            *conv.kernel,
            h=shape[-2],
            w=shape[-1],
            batch=batch,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
            depth_multiplier=depth_multiplier,
            bias=Bias(ordinary=conv.bias, depthwise=False, pointwise=conv.bias),
            dtype=conv.dtype_name,
        )
    except SpecError:
        return None

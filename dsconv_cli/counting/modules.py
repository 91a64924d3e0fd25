"""A spec as real `torch.nn` modules: what is profiled, timed, and handed to library users."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.layer.forms import FORMS, ConvLayer, ordinary, separable

if TYPE_CHECKING:
    from dsconv_cli.layer.spec import ConvSpec


def ordinary_conv2d(spec: ConvSpec, *, device: str = "cpu") -> nn.Conv2d:
    """The ordinary convolution of `spec`, initialised as torch initialises it.

    Maps (N, C, H, W) to (N, K, H', W').

    Raises:
        RuntimeError: torch cannot allocate the weights, or has no such device.

    >>> from dsconv_cli import ConvSpec
    >>> ordinary_conv2d(ConvSpec(k=64, c=32)).weight.shape
    torch.Size([64, 32, 3, 3])
    """
    (layer,) = ordinary(spec)
    return conv2d(layer, dtype=spec.dtype, device=device)


def separable_conv2d(spec: ConvSpec, *, device: str = "cpu") -> nn.Sequential:
    """The depthwise separable pair of `spec`: a `Sequential` of `depthwise` and `pointwise`.

    Maps (N, C, H, W) to (N, K, H', W'), as `ordinary_conv2d` does.

    Raises:
        RuntimeError: torch cannot allocate the weights, or has no such device.

    >>> from dsconv_cli import ConvSpec
    >>> pair = separable_conv2d(ConvSpec(k=64, c=32))
    >>> pair.depthwise.weight.shape, pair.pointwise.weight.shape
    (torch.Size([32, 1, 3, 3]), torch.Size([64, 32, 1, 1]))
    """
    return _sequential(separable(spec), spec.dtype, device)


def build_form(spec: ConvSpec, form: str, *, device: str) -> nn.Sequential:
    """The form named `form` in `FORMS`, always wrapped in a `Sequential`, each convolution under its role.

    The weights are allocated but never touched, so that a layer of any size costs no time and no resident memory.
    """
    with Uninitialised():
        return _sequential(FORMS[form].operators(spec), spec.dtype, device)


def conv2d(layer: ConvLayer, *, dtype: str, device: str = "cpu") -> nn.Conv2d:
    """One `ConvLayer` as `torch.nn.Conv2d`."""
    lopsided = layer.padding != layer.padding_end
    return nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding="same" if lopsided else layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias,
        device=device,
        dtype=torch_dtype(dtype),
    )


def torch_dtype(name: str) -> torch.dtype:
    """`"float32"` → `torch.float32`; for a quantised dtype too, as torch's modules are floating: they count alike."""
    dtype = getattr(torch, name if name in FLOATS else "float32")
    assert isinstance(dtype, torch.dtype)
    return dtype


def _sequential(layers: tuple[ConvLayer, ...], dtype: str, device: str) -> nn.Sequential:
    return nn.Sequential(OrderedDict((layer.role, conv2d(layer, dtype=dtype, device=device)) for layer in layers))


class Uninitialised(TorchFunctionMode):
    """A block in which modules are made with weights that nobody touches.

    `torch.nn.utils.skip_init` does this by way of the meta device, whose first use costs 0.3 s.
    """

    _SKIPPED = frozenset({nn.init.kaiming_uniform_, nn.init.uniform_, torch.Tensor.uniform_})

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in self._SKIPPED:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)

"""Why a convolution cannot be replaced, in a few words: the first rule that applies is the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.model.convolutions import conv_of, dtype_of
from dsconv_cli.model.network import Network, own_parameters, type_of
from dsconv_cli.model.result import Layer
from dsconv_cli.model.walk import Seen, Walk

#: A layer that the network was seen to need as it is.
FAILS: Final = "the network fails without it"

Rule = Callable[[nn.Module], str | None]


def _not_two_dimensional(module: nn.Module) -> str | None:
    kind = type_of(module) if hasattr(module, "type_name") else ""
    if isinstance(module, _ConvTransposeNd) or kind.startswith("ConvTranspose"):
        return "transposed"
    if isinstance(module, nn.Conv1d) or kind == "Conv1d":
        return "1-D"
    return "3-D" if isinstance(module, nn.Conv3d) or kind == "Conv3d" else None


def _not_dense(module: nn.Module) -> str | None:
    conv = conv_of(module)
    if conv is None:
        exported = type_of(module) == "Conv2d" and not isinstance(module, _ConvNd)
        return "exported as more than a convolution" if exported else "functional call"
    if conv.groups > 1:
        return "already depthwise" if conv.groups == conv.in_channels else f"grouped ({conv.groups} groups)"
    return "1×1" if tuple(conv.kernel_size) == (1, 1) else None


def _own_forward(module: nn.Module) -> str | None:
    if not isinstance(module, nn.Conv2d):
        return None
    kind = type(module)
    plain = kind.forward is nn.Conv2d.forward and kind._conv_forward is nn.Conv2d._conv_forward  # noqa: SLF001
    if plain and "forward" not in module.__dict__ and "_conv_forward" not in module.__dict__:
        return None
    return "subclass with its own forward"


def _made_weight(module: nn.Module) -> str | None:
    if parametrize.is_parametrized(module):
        return "parametrised weight"
    hooks = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    return "has hooks" if any(getattr(module, name, None) for name in hooks) else None


_RULES: Final[tuple[Rule, ...]] = (_not_two_dimensional, _not_dense, _own_forward, _made_weight)


def why_not_by_itself(network: Network, name: str) -> str | None:
    """Why the convolution `name` cannot be replaced, as far as that can be told without running the network."""
    module = network.names[name]
    return next(filter(None, (rule(module) for rule in _RULES)), None) or _shared_with(network, name)


def _shared_with(network: Network, name: str) -> str | None:
    owners = (owner for one in own_parameters(network.names[name]) for owner in network.owners[id(one)])
    other = next((owner for owner in owners if owner != name), None)
    return None if other is None else f"shares its weights with {other or 'the network itself'}"


def why_not(network: Network, walk: Walk, layer: Layer, one: Seen) -> str | None:
    """Why the convolution `layer`, which did what `one` says, cannot be replaced; None where it can."""
    reason = _by_operator(one) or why_not_by_itself(network, layer.name)
    if reason is not None:
        return reason
    module = network.names[layer.name]
    never = "" if one.calls else "never called"
    if id(module) in walk.read:
        return "; ".join(filter(None, (never, "the network reads its weight")))
    if never:
        return never
    if layer.cost is None:
        conv = conv_of(module)
        strange = conv is not None and dtype_of(conv) not in DTYPE_BYTES
        return f"no separable form for {dtype_of(conv)}" if conv and strange else "no separable form for this input"
    # A convolution that still counts otherwise does something that is not understood here.
    return None if one.macs == layer.cost.macs.ordinary else "counted differently from a plain convolution"


def _by_operator(one: Seen) -> str | None:
    if any(name.startswith("quantized::") for name in one.operators):
        return "quantised"
    return "deformable" if "torchvision::deform_conv2d" in one.operators else None

"""Rows from a watched pass: every layer with its counts, and which convolutions could be replaced and why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from dsconv_cli.errors import SpecError
from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.fields import DTYPE_BYTES
from dsconv_cli.layer.spec import Bias, ConvSpec, Pair
from dsconv_cli.model.result import Layer, Operator
from dsconv_cli.model.walk import Seen, Walk

#: What `torch.export` calls the module that a convolution was.
EXPORTED_CONV2D: Final = "torch.nn.modules.conv.Conv2d"

_NEVER: Final = Seen()


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


def conv_of(module: nn.Module) -> Conv | None:
    """The numbers of `module` if it is a two-dimensional convolution, its own or an exported one."""
    if isinstance(module, nn.Conv2d):
        return _from_module(module)
    return _from_graph(module)


def _from_module(module: nn.Conv2d) -> Conv:
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
    if graph is None or not callable(name) or name() != EXPORTED_CONV2D:
        return None
    calls = [node for node in graph.nodes if node.op == "call_function"]
    weight = getattr(module, "weight", None)
    aten = torch.ops.aten
    if len(calls) != 1 or calls[0].target not in {aten.conv2d.default, aten.conv2d.padding} or weight is None:
        return None
    given = dict(
        zip(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), calls[0].args, strict=False)
    )
    given.update(calls[0].kwargs)
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
    dtype = str(conv.dtype).removeprefix("torch.")
    if conv.groups != 1 or dtype not in DTYPE_BYTES or shape is None or len(shape) not in (3, 4):
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
            dtype=dtype,
        )
    except SpecError:
        return None


@dataclass(frozen=True, slots=True)
class Network:
    """A module with its names, and who owns which parameter."""

    module: nn.Module
    names: Mapping[str, nn.Module]
    owners: Mapping[int, list[str]]

    @classmethod
    def of(cls, module: nn.Module) -> Network:
        """Look at `module`."""
        names = dict(module.named_modules())
        owners: dict[int, list[str]] = {}
        for name, one in names.items():
            for parameter in _own_parameters(one):
                owners.setdefault(id(parameter), []).append(name)
        return cls(module, names, owners)


def total_params(module: nn.Module) -> int:
    """Each parameter once, however many layers share it. Parameters that do not exist yet count nothing."""
    return sum(
        parameter.numel() for parameter in module.parameters() if not isinstance(parameter, UninitializedParameter)
    )


def layers_of(network: Network, walk: Walk, depth_multiplier: int) -> tuple[Layer, ...]:
    """Every layer that convolves or multiplies, or could have, in the order of the module's own names."""
    return tuple(_rows(network, walk, depth_multiplier))


def _rows(network: Network, walk: Walk, depth_multiplier: int) -> Iterator[Layer]:
    seen_params: set[int] = set()
    seen_under = _by_name(network, walk)
    for name, module in network.names.items():
        one = seen_under.get(name, _NEVER)
        if not one.counted and not isinstance(module, _ConvNd | nn.Linear):
            continue
        own = [p for p in _own_parameters(module) if not isinstance(p, UninitializedParameter)]
        params = sum(p.numel() for p in own if id(p) not in seen_params)
        seen_params.update(id(p) for p in own)
        yield _layer(network, walk, name, one, params, depth_multiplier)


def _by_name(network: Network, walk: Walk) -> dict[str, Seen]:
    """What was seen, by name. Modules that are not registered anywhere are the root's."""
    by_id = {id(module): name for name, module in network.names.items()}
    named: dict[str, Seen] = {}
    for key, one in walk.seen.items():
        name = by_id.get(key)
        if name is not None:
            named[name] = one
    strangers = [one for key, one in walk.seen.items() if key not in by_id and one.counted]
    if strangers:
        root = named.setdefault("", Seen())
        for one in strangers:
            root.macs += one.macs
            root.convolutions += one.convolutions
            root.products += one.products
    return named


def _layer(network: Network, walk: Walk, name: str, one: Seen, params: int, depth_multiplier: int) -> Layer:
    module = network.names[name]
    convolves = isinstance(module, _ConvNd) or one.convolutions > 0
    spec = None
    conv = conv_of(module)
    if conv is not None and len(set(one.input_shapes)) == 1:
        spec = spec_of(conv, one.input_shapes[0], depth_multiplier)
    reason = _why_not(network, walk, name, one, spec) if convolves else None
    weight = _weight_shape(module)
    return Layer(
        name=name,
        type=type_of(module),
        operator=_operator(module, one),
        calls=one.calls,
        params=params,
        macs=one.macs,
        weight=weight or one.weight_shape,
        inputs=one.input_shapes[0] if one.input_shapes else one.operand_shape,
        outputs=one.output_shapes[0] if one.output_shapes else one.result_shape,
        eligible=convolves and reason is None,
        reason=reason,
        spec=spec,
    )


def _weight_shape(module: nn.Module) -> tuple[int, ...] | None:
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or isinstance(weight, UninitializedParameter):
        return None
    return tuple(weight.shape)


def type_of(module: nn.Module) -> str:
    """The class as its user knows it: that of an exported, scripted or parametrised module is what it was made from."""
    exported = getattr(module, "type_name", None)
    if callable(exported) and hasattr(module, "graph"):
        return str(exported() or type(module).__name__).rpartition(".")[2]
    if parametrize.is_parametrized(module):
        return type(module).__mro__[1].__name__
    return str(getattr(module, "original_name", None) or type(module).__name__)


def _operator(module: nn.Module, one: Seen) -> Operator:
    if isinstance(module, _ConvNd) or one.convolutions:
        return "convolution"
    linear = isinstance(module, nn.Linear) or type_of(module) == "Linear"
    return "linear" if linear else "matmul"


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of the module itself, and what a parametrisation made of them."""
    own = list(module.parameters(recurse=False))
    if parametrize.is_parametrized(module):
        own += list(cast("nn.Module", module.parametrizations).parameters())
    return own


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
    return "1×1" if conv.kernel == (1, 1) else None


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


#: In this order; the first that applies is the reason.
_RULES: Final[tuple[Rule, ...]] = (_not_two_dimensional, _not_dense, _own_forward, _made_weight)


def why_not_by_itself(network: Network, name: str) -> str | None:
    """Why the convolution `name` cannot be replaced, as far as that can be told without running the network."""
    module = network.names[name]
    for rule in _RULES:
        reason = rule(module)
        if reason is not None:
            return reason
    return _shared_with(network, name)


def _why_not(network: Network, walk: Walk, name: str, one: Seen, spec: ConvSpec | None) -> str | None:
    reason = why_not_by_itself(network, name)
    if reason is not None:
        return reason
    module = network.names[name]
    elsewhere = _used_elsewhere(walk, module)
    if one.calls == 0:
        return "never called; its weight is used without it" if elsewhere else "never called"
    if elsewhere:
        return "its weight is also used elsewhere"
    if one.calls > 1:
        return f"called {one.calls} times"
    if spec is None:
        conv = conv_of(module)
        return f"no form for {conv.dtype if conv is not None else 'it'} on this input"
    # A convolution that is called once and still counts otherwise does something that is not understood here.
    return None if one.macs == cost(spec).macs.ordinary else "counted otherwise than a plain convolution"


def _shared_with(network: Network, name: str) -> str | None:
    module = network.names[name]
    for parameter in _own_parameters(module):
        others = [other for other in network.owners[id(parameter)] if other != name]
        if others:
            return f"shares its weights with {others[0] or 'the network itself'}"
    return None


def _used_elsewhere(walk: Walk, module: nn.Module) -> bool:
    own = {id(parameter) for parameter in module.parameters(recurse=False)}
    return any(own & one.weights for key, one in walk.seen.items() if key != id(module))

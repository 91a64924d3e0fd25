"""Rows from a watched pass: every layer with its counts, and which convolutions could be replaced and why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import UninitializedParameter

from dsconv_cli.layer.cost import cost_over_calls
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.convolutions import conv_of, spec_of
from dsconv_cli.model.network import Network, bytes_of, own_parameters, type_of
from dsconv_cli.model.reasons import why_not
from dsconv_cli.model.result import Layer, Operator
from dsconv_cli.model.walk import Seen, Walk

_NEVER: Final = Seen()


def layers_of(network: Network, walk: Walk, depth_multiplier: int) -> Iterator[Layer]:
    """Every layer that convolves or multiplies, or could have, in the order of the module's own names."""
    seen_params: set[int] = set()
    hidden = _hidden(network, walk)
    for name, module in network.names.items():
        aside, one = hidden.get(name, _NEVER), walk.seen.get(id(module), _NEVER)
        if not (one.operators or aside.operators) and not isinstance(module, _ConvNd | nn.Linear):
            continue
        own = [p for p in own_parameters(module) if not isinstance(p, UninitializedParameter)]
        new = [p for p in own if id(p) not in seen_params]
        seen_params.update(id(p) for p in own)
        row = _layer(module, name, _together(one, aside), new, depth_multiplier)
        if row.operator != "convolution":
            yield row
        elif aside.operators:
            yield replace(row, reason=network.why_unseen(name))
        else:
            reason = why_not(network, walk, row, one)
            yield replace(row, eligible=reason is None, reason=reason)


def _hidden(network: Network, walk: Walk) -> dict[str, Seen]:
    """What modules did that are not registered, by the name of the part that keeps them; the root's where none does."""
    registered = {id(module) for module in network.names.values()}
    hidden: dict[str, Seen] = {}
    for key, one in walk.seen.items():
        if key not in registered and one.operators:
            name, _ = network.strangers.get(key, ("", ""))
            hidden[name] = _together(hidden.get(name, Seen()), one)
    return hidden


def _together(one: Seen, other: Seen) -> Seen:
    """The work of both, with the shapes of the first."""
    return replace(
        one,
        macs=one.macs + other.macs,
        activation_bytes=max(one.activation_bytes, other.activation_bytes),
        operators=one.operators | other.operators,
    )


def _layer(module: nn.Module, name: str, one: Seen, own: Sequence[torch.Tensor], depth_multiplier: int) -> Layer:
    """`own` are its parameters that no earlier layer has."""
    specs = _specs(module, one, depth_multiplier)
    # What the closed forms know, torch may compute in other steps, such as padding first.
    alive = cost_over_calls(specs)["activation_bytes"].ordinary if specs else one.activation_bytes
    return Layer(
        name=name,
        type=type_of(module),
        operator=_operator(module, one),
        calls=one.calls,
        params=sum(p.numel() for p in own),
        macs=one.macs,
        weight=_weight_shape(module) or one.weight_shape,
        inputs=one.input_shapes[0] if one.input_shapes else one.operand_shape,
        outputs=one.output_shapes[0] if one.output_shapes else one.result_shape,
        spec=specs[0] if specs else None,
        further=specs[1:],
        weight_bytes=bytes_of(own),
        activation_bytes=alive,
    )


def _specs(module: nn.Module, one: Seen, depth_multiplier: int) -> tuple[ConvSpec, ...]:
    """The convolution as `compare` takes it at each call; none if at one of them it cannot be written so."""
    conv = conv_of(module)
    if conv is None:
        return ()
    found = [spec_of(conv, shape, depth_multiplier) for shape in one.input_shapes]
    specs = tuple(spec for spec in found if spec is not None)
    return specs if len(specs) == one.calls else ()


def _weight_shape(module: nn.Module) -> tuple[int, ...] | None:
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or isinstance(weight, UninitializedParameter):
        return None
    return tuple(weight.shape)


def _operator(module: nn.Module, one: Seen) -> Operator:
    if isinstance(module, _ConvNd) or one.convolves:
        return "convolution"
    linear = isinstance(module, nn.Linear) or type_of(module) == "Linear"
    return "linear" if linear else "matmul"

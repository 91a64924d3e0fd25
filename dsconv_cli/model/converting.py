"""Copies of a network with separable pairs in it, whose weights are fresh, fitted to the layer's own, or refitted."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.copying import copy_module
from dsconv_cli.model.foreign import foreign
from dsconv_cli.model.inputs import CPU, Inputs, call_of
from dsconv_cli.model.replacing import SeparablePair, pairs_for
from dsconv_cli.model.result import InputShape
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source
from dsconv_cli.model.walk import tensors_in
from dsconv_cli.weights.decomposition import factors, spectrum
from dsconv_cli.weights.refitting import Refit

#: What the weights of a pair are; see `dsconv_cli.separate`.
Weights = Literal["fresh", "fit", "refit"]


def build_separated(source: Source, chosen: Mapping[str, ConvSpec], weights: Weights, inputs: Inputs) -> nn.Module:
    """The network of `source` where it is, in its own mode, with the layers of `chosen` replaced.

    Raises:
        DsconvError: see `dsconv_cli.separate`.
    """
    base = source.original(CPU)
    pairs = pairs_for(base, chosen, None)
    with source.untouched(), foreign(source.name):
        if weights != "fresh":
            for name, pair in pairs.items():
                _fit(pair, base.get_submodule(name), name, chosen[name].depth_multiplier)
        if weights == "refit" and pairs:
            _refit(source, pairs, inputs)
        swap: dict[Any, nn.Module] = {base.get_submodule(name): pair for name, pair in pairs.items()}
        return copy_module(base, None, swap)


def _halves(pair: SeparablePair) -> tuple[nn.Conv2d, nn.Conv2d]:
    depthwise, pointwise = (cast("nn.Conv2d", half) for half in pair)
    return depthwise, pointwise


def _fit(pair: SeparablePair, conv: nn.Module, name: str, multiplier: int) -> None:
    """Give `pair` the weights that are nearest to those of `conv`, and its bias."""
    weight = weight_of(conv)
    found = None if weight is None else spectrum(weight)
    if weight is None or found is None:
        raise DsconvError(f"{name or 'the network itself'} has no finite weights that could be fitted")
    depthwise, pointwise = _halves(pair)
    for half, values in zip((depthwise, pointwise), factors(weight, multiplier), strict=True):
        _put(half.weight, values)
    trained: Any = conv
    pair.requires_grad_(trained.weight.requires_grad)
    if pointwise.bias is not None:
        with torch.no_grad():
            pointwise.bias.copy_(trained.bias)
        pointwise.bias.requires_grad_(trained.bias.requires_grad)
    pair.fidelity = found.fidelity(multiplier)


def weight_of(module: nn.Module) -> NDArray[Any] | None:
    """The weight of a convolution, K×C×R×S, in float64; None where there are no numbers, as on the meta device."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or is_lazy(weight) or weight.is_meta:
        return None
    return _values(weight)


def _put(parameter: torch.Tensor, values: NDArray[Any]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _refit(source: Source, pairs: Mapping[str, SeparablePair], inputs: Inputs) -> None:
    """Fit the pointwise halves to what the layers see and give when the network is run as it is on `inputs`."""
    network = source.copy(CPU)
    _check_are_tensors(source, inputs.arranged_for(network))
    refits = {}
    for name, pair in pairs.items():
        depthwise, pointwise = _halves(pair)
        refits[name] = Refit(_values(pointwise.weight))
        half = copy.deepcopy(depthwise).to(CPU, torch.float64)
        network.get_submodule(name).register_forward_hook(partial(_watch, half, refits[name]), with_kwargs=True)
    args, kwargs = call_of(source, inputs, network, CPU)
    with torch.no_grad(), foreign(source.name):
        seeded(lambda: network(*args, **kwargs))
    for name, pair in pairs.items():
        _, pointwise = _halves(pair)
        _put(pointwise.weight, refits[name].solved())
        # Rounded to few bits, what keeps nothing may keep less.
        pair.output_fidelity = max(0.0, refits[name].fidelity(_values(pointwise.weight)))


def _watch(depthwise: nn.Conv2d, refit: Refit, conv: nn.Module, *call: Any) -> None:
    """Show `refit` one call of `conv`: what it was given and gave, in double precision."""
    *given, output = call
    bias = getattr(conv, "bias", None)
    image, wanted = tensors_in(given)[0].double(), output.double()
    if bias is not None:
        wanted = wanted - bias.double()[:, None, None]
    middle = depthwise(image)
    if middle.dim() == 3:
        middle, wanted = middle[None], wanted[None]
    refit.see(_values(middle), _values(wanted))


def _values(tensor: torch.Tensor) -> NDArray[Any]:
    """In float64, wherever they are."""
    return tensor.detach().to(CPU, torch.float64).numpy()


def _check_are_tensors(source: Source, inputs: Inputs) -> None:
    """Random numbers are nothing to go by."""
    leaves = tree_leaves((inputs.args, dict(inputs.kwargs or {})), is_leaf=lambda one: isinstance(one, InputShape))
    if any(isinstance(one, InputShape) for one in leaves) or (not leaves and source.example is None):
        raise DsconvError("`weights` 'refit' needs `inputs` that are tensors: it goes by what the layers see")

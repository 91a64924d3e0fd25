"""The weights of a network's eligible layers, decomposed where somebody asks what a replacement keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy

from dsconv_cli.model.inputs import CPU
from dsconv_cli.model.result import Layer
from dsconv_cli.model.source import Source
from dsconv_cli.model.spectra import with_spectra


def weight_of(module: nn.Module) -> NDArray[Any] | None:
    """The weight of a convolution, K×C×R×S, in float64; None where there are no numbers, as on the meta device."""
    weight = getattr(module, "weight", None)
    return numbers(weight) if isinstance(weight, torch.Tensor) and not is_lazy(weight) else None


def numbers(tensor: torch.Tensor) -> NDArray[Any] | None:
    """A tensor's values in float64, wherever it is; None on the meta device."""
    return None if tensor.is_meta else tensor.detach().to(CPU, torch.float64).numpy()


def decomposed(source: Source, layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], bool]:
    """`layers` with the spectra of those that are eligible, and whether all these weights look untrained.

    Raises:
        DsconvError: the network cannot be built with its weights.
    """
    base = source.original(CPU)
    weights = {layer.name: weight_of(base.get_submodule(layer.name)) for layer in layers if layer.eligible}
    return with_spectra(layers, {name: weight for name, weight in weights.items() if weight is not None})

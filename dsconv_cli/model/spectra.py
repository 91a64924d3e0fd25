"""Layers with what separable pairs keep of their weights, and what has to be said beside that. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from dsconv_cli.model.result import Layer
from dsconv_cli.weights.decomposition import spectrum
from dsconv_cli.weights.untrained import look_untrained, sphericity


def with_spectra(layers: Sequence[Layer], weights: Mapping[str, NDArray[Any]]) -> tuple[tuple[Layer, ...], bool]:
    """`layers` with the spectra of those that have `weights` (K, C, R, S), and whether these all look untrained."""
    found = tuple(
        replace(layer, spectrum=spectrum(weights[layer.name])) if layer.name in weights else layer for layer in layers
    )
    return found, look_untrained(map(sphericity, weights.values()))


def notes_on_weights(layers: Sequence[Layer], gap: float, *, untrained: bool) -> Iterator[str]:
    """What has to be said of fidelities, and of a choice that another may beat by `gap`."""
    if untrained:
        yield "these weights look untrained: their taps are independent, and fidelity is that of noise"
    if gap:
        lost = sum(1.0 - (layer.fidelity or 0.0) for layer in layers if layer.replaced)
        told = f"this one loses {lost:.4g} in all, none less than {lost - gap:.4g}"
        yield f"another choice may lose less fidelity: {told}"

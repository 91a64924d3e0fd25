"""The best separable pair for given weights: by input channel, a truncated singular value decomposition.

An input channel's weights are a K × R·S matrix. Its M largest singular triples are M depthwise filters and, for each,
the K coefficients with which the pointwise half adds it up (Guo et al., "Network Decoupling: From Regular to Depthwise
Separable Convolutions", BMVC 2018, arXiv 1808.05517). By Eckart and Young no other pair with the same M is nearer.

The triples come from the eigenvectors of the smaller Gram matrix, R·S × R·S or K × K: ten times faster than from the
matrix itself. Squaring it costs half of the digits of the small singular values, of which a double has enough. The
weights themselves lose nothing by it: they are projected on an orthonormal basis, which is one to all digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsconv_cli.weights.spectrum import Spectrum, spectrum_from

Array = NDArray[np.float64]


class Factors(NamedTuple):
    """Weights of a separable pair: `depthwise` is (C·M, 1, R, S) and `pointwise` (K, C·M, 1, 1)."""

    depthwise: Array
    pointwise: Array

    def product(self, channels: int) -> Array:
        """The weight (K, C, R, S) of the ordinary convolution of so many input channels C that computes the same."""
        taps = self.depthwise.reshape(channels, -1, *self.depthwise.shape[2:])
        mixed = self.pointwise.reshape(-1, channels, taps.shape[1])
        return np.asarray(np.einsum("kcm,cmrs->kcrs", mixed, taps))


def spectrum(weight: NDArray[Any]) -> Spectrum | None:
    """What pairs can keep of `weight` (K, C, R, S); None where it holds what is no finite number."""
    if not np.isfinite(weight).all():
        return None
    matrices, _ = _matrices(weight)
    values = np.linalg.eigvalsh(_gram(matrices))
    # Rounding may leave an eigenvalue of 0 on the wrong side of it.
    energies = np.maximum(values, 0.0).sum(axis=0)[::-1]
    return spectrum_from([float(one) for one in energies])


def factors(weight: NDArray[Any], multiplier: int) -> Factors:
    """The pair with depth multiplier M that is nearest to `weight` (K, C, R, S), which must be finite.

    Both halves of a pair get the same norm, which is kinder to training and to small number formats than any other
    split. Filters beyond the rank, min(K, R·S), are zero.
    """
    k, c, r, s = weight.shape
    matrices, scale = _matrices(weight)
    _, vectors = np.linalg.eigh(_gram(matrices))
    basis = vectors[:, :, ::-1][:, :, :multiplier]
    if _is_tall(matrices):
        taps, mixed = basis.swapaxes(1, 2), matrices @ basis
    else:
        taps, mixed = basis.swapaxes(1, 2) @ matrices, basis
    taps, mixed = _balanced(taps, mixed, scale)
    missing = multiplier - basis.shape[2]
    taps = np.pad(taps, ((0, 0), (0, missing), (0, 0)))
    mixed = np.pad(mixed, ((0, 0), (0, 0), (0, missing)))
    return Factors(taps.reshape(c * multiplier, 1, r, s), mixed.swapaxes(0, 1).reshape(k, c * multiplier, 1, 1))


def _matrices(weight: NDArray[Any]) -> tuple[Array, float]:
    """The K × R·S matrix of each input channel (C, K, R·S), of numbers up to 1, and what they are to be multiplied by.

    Squares of what a double can hold need not fit into one.
    """
    k, c, r, s = weight.shape
    numbers = np.asarray(weight, np.float64)
    scale = float(np.abs(numbers).max(initial=0.0)) or 1.0
    return (numbers / scale).swapaxes(0, 1).reshape(c, k, r * s), scale


def _is_tall(matrices: Array) -> bool:
    return bool(matrices.shape[1] > matrices.shape[2])


def _gram(matrices: Array) -> Array:
    turned = matrices.swapaxes(1, 2)
    return turned @ matrices if _is_tall(matrices) else matrices @ turned


def _balanced(taps: Array, mixed: Array, scale: float) -> tuple[Array, Array]:
    """The same products times `scale`, with both factors of each of the same norm."""
    first = np.linalg.norm(taps, axis=2)
    second = np.linalg.norm(mixed, axis=1)
    there = (first > 0) & (second > 0)
    shift = np.sqrt(np.divide(second, first, out=np.ones_like(first), where=there) * scale)
    back = np.sqrt(np.divide(first, second, out=np.ones_like(first), where=there) * scale)
    return taps * shift[:, :, None], mixed * back[:, None, :]

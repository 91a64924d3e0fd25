"""A layer in words."""

from __future__ import annotations

from dsconv_cli.layer.reading import as_text
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.numbers import by


def title(spec: ConvSpec) -> str:
    """The layer in one line."""
    parts = [
        f"K={spec.k} C={spec.c} R×S={by(spec.r, spec.s)}",
        f"stride {as_text(spec.stride, ',')}",
        f"padding {_padding(spec)}",
    ]
    if spec.dilation != (1, 1):
        parts.append(f"dilation {as_text(spec.dilation, ',')}")
    if spec.depth_multiplier != 1:
        parts.append(f"depth multiplier {spec.depth_multiplier}")
    return ", ".join([*parts, biases(spec), spec.dtype])


def shapes(spec: ConvSpec) -> str:
    """The shapes on the way through the separable pair, N×C×H×W."""
    return f"{by(*spec.input_shape)} → {by(*spec.intermediate_shape)} → {by(*spec.output_shape)}"


def biases(spec: ConvSpec) -> str:
    """Which of the three convolutions has a bias."""
    having = [name for name, on in spec.bias._asdict().items() if on]
    if len(having) == len(spec.bias):
        return "with biases"
    return f"bias on {' and '.join(having)}" if having else "no bias"


def _padding(spec: ConvSpec) -> str:
    if spec.padding == spec.padding_end:
        return as_text(spec.padding, ",")
    return f"{as_text(spec.padding, ',')} before and {as_text(spec.padding_end, ',')} after"

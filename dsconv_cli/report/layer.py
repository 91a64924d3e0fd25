"""A layer in words."""

from __future__ import annotations

from dsconv_cli.layer.spec import ConvSpec, Pair
from dsconv_cli.numbers import by


def title(spec: ConvSpec) -> str:
    """The layer in one line."""
    parts = [
        f"K={spec.k} C={spec.c} R×S={by(spec.r, spec.s)}",
        f"stride {_pair(spec.stride)}",
        f"padding {_padding(spec)}",
    ]
    if spec.dilation != (1, 1):
        parts.append(f"dilation {_pair(spec.dilation)}")
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


def command(spec: ConvSpec) -> str:
    """The command that compares `spec`: K, C, R and S, and what differs from the defaults."""
    words = [f"dsconv compare --k {spec.k} --c {spec.c} --r {spec.r} --s {spec.s}"]
    usual = ConvSpec(spec.k, spec.c, spec.r, spec.s, spec.h, spec.w, dilation=spec.dilation)
    sizes = (("h", spec.h, 56), ("w", spec.w, 56), ("batch", spec.batch, 1))
    words += [f"--{name} {size}" for name, size, default in sizes if size != default]
    pairs = (("stride", spec.stride), ("dilation", spec.dilation))
    words += [f"--{name} {_pair(pair)}" for name, pair in pairs if pair != (1, 1)]
    if spec.padding != spec.padding_end:
        words.append("--padding same")
    elif spec.padding != usual.padding:
        words.append(f"--padding {_pair(spec.padding)}")
    if spec.depth_multiplier != 1:
        words.append(f"--depth-multiplier {spec.depth_multiplier}")
    if all(spec.bias):
        words.append("--bias")
    else:
        words += [f"--{name}-bias" for name, on in spec.bias._asdict().items() if on]
    if spec.dtype != "float32":
        words.append(f"--dtype {spec.dtype}")
    return " ".join(words)


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]},{pair[1]}"


def _padding(spec: ConvSpec) -> str:
    if spec.padding == spec.padding_end:
        return _pair(spec.padding)
    return f"{_pair(spec.padding)} before and {_pair(spec.padding_end)} after"

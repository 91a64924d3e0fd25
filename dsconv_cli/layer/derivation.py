"""The derivation of R×S, step by step, with the numbers of one layer.

The chain is: exact ratio, without biases, with depth multiplier 1, without 1/K. Each step is exact arithmetic,
and its error is that of this step alone, relative and signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import prod

from dsconv_cli.layer.cost import MUCH_LESS, Approximation, Cost, cost
from dsconv_cli.layer.spec import Bias, ConvSpec

Section = tuple[str, tuple[str, ...]]


def explain(spec: ConvSpec, closed: Cost) -> Iterator[Section]:
    """Headings, each with its lines, for a layer and its closed forms."""
    yield "The two counts", tuple(_counts(spec, closed))
    yield "From the exact ratio to R×S: parameters", tuple(_steps(spec, closed, "params"))
    yield "From the exact ratio to R×S: MACs", tuple(_steps(spec, closed, "macs"))
    yield "Do the assumptions hold for this layer?", tuple(_assumptions(spec, closed))
    if closed.traffic.ratio < 1:
        yield "Why memory traffic goes the other way", tuple(_traffic(spec, closed))


def _counts(spec: ConvSpec, closed: Cost) -> Iterator[str]:
    k, c, r, s, m = spec.k, spec.c, spec.r, spec.s, spec.depth_multiplier
    out_h, out_w = spec.output_size
    yield f"ordinary: K·C·R·S = {k}·{c}·{r}·{s} = {k * c * r * s:,} weights{_plus_bias(spec.bias.ordinary, k, 'K')}"
    middle = "C·R·S" if m == 1 else "C·M·R·S"
    mixed = "K·C" if m == 1 else "K·C·M"
    factor = "" if m == 1 else f"·{m}"
    yield (
        f"depthwise: {middle} = {c}{factor}·{r}·{s} = {c * m * r * s:,} weights"
        f"{_plus_bias(spec.bias.depthwise, c * m, 'C' if m == 1 else 'C·M')}"
    )
    yield f"pointwise: {mixed} = {k}·{c}{factor} = {k * c * m:,} weights{_plus_bias(spec.bias.pointwise, k, 'K')}"
    yield (
        f"each weight is used once for each of N·H'·W' = {spec.batch}·{out_h}·{out_w} = "
        f"{spec.batch * out_h * out_w:,} output positions:"
    )
    yield f"MACs: {closed.macs.ordinary:,} against {closed.macs.depthwise:,} + {closed.macs.pointwise:,}"


def _plus_bias(on: bool, count: int, letter: str) -> str:
    return f", and {letter} = {count:,} biases" if on else ""


def _steps(spec: ConvSpec, closed: Cost, metric: str) -> Iterator[str]:
    counts = closed[metric]
    ratio = counts.ratio
    yield f"exact: {counts.ordinary:,} / {counts.separable:,} = {_show(ratio)}"
    for text, simpler in _simplified(spec, metric):
        after = cost(simpler)[metric].ratio
        yield f"{text}: {_show(after)}, {_change(ratio, after)}"
        ratio = after
    taps = Fraction(spec.r * spec.s)
    yield (
        f"drop 1/K in 1/(1/K + 1/(R·S)), as if R·S ≪ K: {taps}, {_change(ratio, taps)} "
        f"(R·S/K = {spec.r * spec.s}/{spec.k})"
    )
    yield f"all steps together: {_change(counts.ratio, taps)}"


def _simplified(spec: ConvSpec, metric: str) -> Iterator[tuple[str, ConvSpec]]:
    """The layer with one complication less each time; only those it has."""
    if metric == "params" and any(spec.bias):
        spec = replace(spec, bias=Bias())
        yield "drop the biases, as if 1 ≪ min(K, C)", spec
    if spec.depth_multiplier != 1:
        yield f"take M = 1 instead of {spec.depth_multiplier}", replace(spec, depth_multiplier=1)


def _assumptions(spec: ConvSpec, closed: Cost) -> Iterator[str]:
    approximation = Approximation(spec, closed)
    taps, narrowest = spec.r * spec.s, min(spec.k, spec.c)
    yield f"a ≪ b is read as {MUCH_LESS}·a ≤ b, which keeps the error of the last step at or below 10%"
    yield f"R·S ≪ min(K, C): {MUCH_LESS}·{taps} ≤ {narrowest} {_holds(approximation.kernel_small)}"
    yield f"1 ≪ min(K, C): {MUCH_LESS} ≤ {narrowest} {_holds(approximation.channels_many)}"
    if spec.depth_multiplier != 1:
        yield f"M = 1: it is {spec.depth_multiplier}, which divides the ratio by about as much"
    if approximation.kernel_small != (MUCH_LESS * taps <= spec.k):
        yield f"only K is in the last step: that C = {spec.c} is small costs no accuracy"
    params, macs = (f"{float(error):+.1%}" for error in approximation.errors.values())
    yield (
        f"so R×S = {taps} {'may' if approximation.holds else 'should not'} be used for this layer; "
        f"it is off by {params} for parameters and {macs} for MACs"
    )


def _traffic(spec: ConvSpec, closed: Cost) -> Iterator[str]:
    elements = prod(spec.intermediate_shape)
    extra = 2 * elements * spec.element_bytes
    yield f"the pair also writes and reads the intermediate tensor: 2 · {elements:,} elements = {extra:,} bytes"
    yield f"so it moves {closed.traffic.separable:,} bytes, the ordinary convolution {closed.traffic.ordinary:,}"


def _show(ratio: Fraction) -> str:
    return f"{float(ratio):,.6g}"


def _change(before: Fraction, after: Fraction) -> str:
    error = after / before - 1
    return "no error" if error == 0 else f"error {float(error):+.3%}"


def _holds(holds: bool) -> str:
    return "holds" if holds else "fails"

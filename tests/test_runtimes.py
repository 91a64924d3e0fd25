"""Each runtime that is installed against torch's ordinary convolution: layers of all kinds, floating and quantised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsconv_cli.layer.forms import FORMS
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.runtimes.chain import chain_of
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.process import ready

#: Compiling takes a second a layer.
SLOW = ("torch-compile",)


def runtime(name):
    one = RUNTIMES[name]
    absent = one.absent()
    if absent is not None:
        pytest.skip(absent)
    return one


def exact(chain):
    """The output in float64, by torch, from the numbers that the chain's own stand for; nothing is rounded between."""
    value = torch.from_numpy(chain.image.astype(np.float64))
    if chain.steps:
        value = (value - chain.steps[0].zero) * chain.steps[0].scale
    for index, (layer, weight, bias, scales) in enumerate(chain.operators):
        weight = torch.from_numpy(weight.astype(np.float64))
        bias = None if bias is None else torch.from_numpy(bias.astype(np.float64))
        if scales is not None:
            each = torch.from_numpy(scales.astype(np.float64))
            weight = weight * each[:, None, None, None]
            bias = None if bias is None else bias * each * chain.steps[index].scale
        (top, left), (bottom, right) = layer.padding, layer.padding_end
        value = torch.nn.functional.pad(value, (left, right, top, bottom))
        value = torch.nn.functional.conv2d(
            value, weight, bias, layer.stride, dilation=layer.dilation, groups=layer.groups
        )
    return value.numpy()


def bound(chain):
    """How far 8 bits may lie off `exact`: half a step of each rounding, through the weights that follow it, and one.

    |error after an operator| ≤ largest L1 norm of its filters · |error before| + half a step; the last half step may
    be a whole one where the sum lies between two steps.
    """
    error = 0.0
    for (_, weight, _, scales), step in zip(chain.operators, chain.steps[1:], strict=True):
        norms = np.abs(weight.astype(np.float64)).sum(axis=(1, 2, 3)) * scales
        error = norms.max() * error + 0.5 * step.scale
    return error + 0.51 * chain.steps[-1].scale


def run(one, chain, dtype):
    conditions = Conditions("cpu", 1, False, dtype)
    with ready(conditions):
        built = one.build(chain, conditions)
        built.call()
        return built.output()


LAYERS = [
    ConvSpec(16, 8, h=12, w=9),
    ConvSpec(8, 8, r=1, s=1, h=5, w=5, bias=True),
    ConvSpec(12, 6, r=5, s=3, h=13, w=17, stride=2, bias=True),
    ConvSpec(9, 7, h=14, w=14, stride=(2, 1), padding=(0, 2)),
    ConvSpec(8, 4, r=4, s=2, h=9, w=8, padding="same", bias=Bias(True, False, True)),
    ConvSpec(8, 16, h=15, w=15, dilation=2, padding="same"),
    ConvSpec(8, 8, h=16, w=16, dilation=(2, 3), padding="valid"),
    ConvSpec(8, 4, h=7, w=7, depth_multiplier=3, bias=True),
    ConvSpec(4, 3, r=7, s=7, h=20, w=20, stride=2),
    ConvSpec(8, 8, h=6, w=6, batch=3),
    ConvSpec(4, 1, h=6, w=7),
    ConvSpec(64, 64, h=8, w=8),
]


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("spec", LAYERS, ids=str)
def test_float32(name, spec):
    one = runtime(name)
    if name in SLOW and spec not in LAYERS[::4]:
        pytest.skip("compiling takes a second a layer; every fourth is enough")
    for form in FORMS.values():
        chain = chain_of(form.operators(spec))
        output = run(one, chain, "float32")
        assert output.shape == spec.output_shape
        assert output.dtype == np.float32
        assert np.abs(output - exact(chain)).max() < 1e-4


@pytest.mark.parametrize("name", [name for name, one in RUNTIMES.items() if "int8" in one.dtypes])
@pytest.mark.parametrize("spec", LAYERS, ids=str)
def test_int8(name, spec):
    one = runtime(name)
    if name == "ncnn" and spec.depth_multiplier > 1:
        pytest.skip("ncnn has one scale for all filters of a channel")
    for form in FORMS.values():
        chain = chain_of(form.operators(spec), quantised=True)
        output = run(one, chain, "int8")
        assert output.shape == spec.output_shape
        # Within the reach of 8 bits; beyond it both clip.
        expected = exact(chain)
        inside = np.abs(expected) < 5.5
        assert inside.mean() > 0.99
        assert np.abs(output - expected)[inside].max() < bound(chain)

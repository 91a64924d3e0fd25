"""MobileNet V1, arXiv 1704.04861: the figures of its tables come out to the digit."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from model_checks import ConvMobileNet, params, torch_macs

from dsconv_cli import Selection, analyse, separate

IMAGE = (1, 3, 224, 224)


@pytest.fixture(scope="module")
def network():
    return ConvMobileNet()


@pytest.fixture(scope="module")
def result(network):
    return analyse(network, IMAGE, Selection(keep=("0",)))


@pytest.fixture(scope="module")
def mobilenet(network):
    return separate(network, IMAGE, Selection(keep=("0",)))


def test_table_4(result):
    assert result.macs == (4_867_293_184, 568_740_352)
    assert result.params == (29_281_120, 4_209_088)
    assert result.macs.ratio == Fraction(4_867_293_184, 568_740_352)
    assert result.device == "meta"
    assert len(result.replaced) == 13


def test_table_4_without_the_classifier(result):
    """What the paper prints as 4866 million leaves the classifier out."""
    assert result.macs.before - result.layers[-1].macs == 4_866_269_184


def test_the_first_layer_is_kept_by_name(result):
    assert (result.layers[0].eligible, result.layers[0].replaced, result.layers[0].kept) == (True, False, "--keep 0")


def test_the_network_that_is_built(mobilenet):
    assert params(mobilenet) == 4_209_088
    assert torch_macs(mobilenet, torch.zeros(IMAGE)) == 568_740_352


def test_table_2(mobilenet):
    shares = {"1x1": [0, 0], "depthwise": [0, 0], "3x3": [0, 0], "fully connected": [0, 0]}
    result = analyse(mobilenet, IMAGE)
    for layer in result.layers:
        of = shares[_kind(layer)]
        of[0] += layer.macs
        of[1] += layer.params
    percent = {
        kind: (f"{macs / result.macs.before:.2%}", f"{count / result.params.before:.2%}")
        for kind, (macs, count) in shares.items()
    }
    assert percent == {
        "1x1": ("94.86%", "74.59%"),
        "depthwise": ("3.06%", "1.06%"),
        # The paper prints 1.19 %: two digits changed places.
        "3x3": ("1.91%", "0.02%"),
        "fully connected": ("0.18%", "24.33%"),
    }


def test_table_2_in_the_table(mobilenet):
    from dsconv_cli.report.network import page
    from dsconv_cli.report.page import View
    from dsconv_cli.report.table import render

    first = next(line for line in render(page(analyse(mobilenet, IMAGE)), View()).splitlines() if "3×3" in line)
    assert first.split()[:1] == ["0"]
    assert "1.91%" in first


def test_nothing_is_left_to_replace_but_the_first_layer(mobilenet):
    reasons = [layer.reason for layer in analyse(mobilenet, IMAGE).convolutions]
    assert reasons == [None, *["already depthwise", "1×1"] * 13]


def _kind(layer):
    if layer.operator != "convolution":
        return "fully connected"
    if layer.weight[2:] == (1, 1):
        return "1x1"
    return "depthwise" if layer.weight[1] == 1 else "3x3"

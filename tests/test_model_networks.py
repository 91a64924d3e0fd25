"""Networks that others wrote: totals are torch's own, what replaces them runs."""

from __future__ import annotations

import pytest
import torch
from conftest import slow
from model_checks import params, state, torch_macs

from dsconv_cli import analyse, separate

provider = pytest.importorskip("pytorchcv.model_provider")

NETWORKS = [
    ("resnet18", (1, 3, 224, 224)),
    ("mobilenet_w1", (1, 3, 224, 224)),
    pytest.param("densenet121", (1, 3, 224, 224), marks=slow),
    ("squeezenet_v1_1", (2, 3, 224, 224)),
    ("erfnet_cityscapes", (1, 3, 64, 128)),  # segmentation, with transposed convolutions
    ("bisenet_resnet18_celebamaskhq", (1, 3, 64, 64)),  # segmentation
]


@pytest.mark.parametrize(("name", "shape"), NETWORKS)
def test_network(name, shape):
    model = _network(name, shape)
    before = state(model)
    result = analyse(model, shape)
    replaced = separate(model, shape)
    assert state(model) == before
    assert result.macs == (torch_macs(model, torch.zeros(shape)), torch_macs(replaced, torch.zeros(shape)))
    assert result.params == (params(model), params(replaced))
    assert sum(layer.macs for layer in result.layers) == result.macs.before
    assert sum(layer.params for layer in result.layers) + result.other_params == result.params.before
    assert sum(layer.macs_after for layer in result.layers) == result.macs.after
    assert result.replaced
    assert result.device == "meta"


def test_transposed_convolutions_are_counted_and_not_eligible():
    layers = analyse(_network("erfnet_cityscapes", (1, 3, 64, 128)), (1, 3, 64, 128)).layers
    transposed = [layer for layer in layers if layer.type == "ConvTranspose2d"]
    assert transposed
    assert all(layer.reason == "transposed" and layer.macs > 0 for layer in transposed)


def test_vgg_at_any_resolution():
    """On the CPU this would take weeks and the memory of a small data centre."""
    import resource

    with torch.device("meta"):
        model = provider.get_model("vgg16")
    model.output = torch.nn.Identity()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = analyse(model, (64, 3, 8192, 8192))
    assert result.macs.before > 10**15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def _network(name, shape):
    size = shape[2:]
    more = {"in_size": size} if name.startswith(("erfnet", "bisenet")) else {}
    model = provider.get_model(name, **more)
    return model.eval()

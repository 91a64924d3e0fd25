"""Operators that torch's counter takes for nothing, against the same layer written with operators that it counts."""

from __future__ import annotations

import pytest
import torch
from model_checks import torch_macs
from torch import nn
from torch.ao.nn import intrinsic, quantized
from torch.nn import functional

from dsconv_cli.model.walk import walk

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning"),
]


class Function(nn.Module):
    """A function of its inputs and of one weight."""

    def __init__(self, function, *shape, dtype=torch.float32):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(shape, dtype=dtype), requires_grad=False)

    def forward(self, *inputs):
        return self.function(self.weight, *inputs)


def _walked(module, *inputs):
    return walk(module.eval(), (inputs, {}), shapes_only=False)


A, B, IMAGE = torch.randn(5, 7), torch.randn(3, 5, 7), torch.randn(2, 4, 9, 8)
WHOLE = torch.ones(32, 64, dtype=torch.int8)

#: The operator, and the same sums in operators that torch counts.
SAME = [
    ("mv", Function(lambda w, x: x @ w, 7), Function(lambda w, x: x @ w[:, None], 7), (A,)),
    ("mv, many", Function(lambda w, x: x @ w, 7), Function(lambda w, x: x @ w[:, None], 7), (B,)),
    ("addmv", Function(lambda w, x: torch.addmv(x[:, 0], x, w), 7), Function(lambda w, x: x @ w[:, None], 7), (A,)),
    ("dot", Function(lambda w, x: x[0] @ w, 7), Function(lambda w, x: x[:1] @ w[:, None], 7), (A,)),
    ("vdot", Function(lambda w, x: torch.vdot(x[0], w), 7), Function(lambda w, x: x[:1] @ w[:, None], 7), (A,)),
    (
        "addbmm",
        Function(lambda w, x: torch.addbmm(torch.zeros(5, 4), x, w), 3, 7, 4),
        Function(lambda w, x: torch.bmm(x, w), 3, 7, 4),
        (B,),
    ),
    (
        "_int_mm",
        Function(torch._int_mm, 32, 32, dtype=torch.int8),
        Function(lambda w, x: w.long() @ x.long(), 32, 32, dtype=torch.int8),
        (WHOLE,),
    ),
    (
        "conv_tbc",
        Function(lambda w, x: torch.conv_tbc(x, w, torch.zeros(6), 1), 3, 7, 6),
        Function(lambda w, x: functional.conv1d(x.permute(1, 2, 0), w.permute(2, 1, 0), padding=1), 3, 7, 6),
        (torch.randn(11, 2, 7),),
    ),
    (
        "bilinear",
        nn.Bilinear(7, 4, 6),
        # xᵀ·A for each output, and that times y.
        Function(lambda w, x, y: torch.bmm((x @ w.view(7, -1)).view(5, 6, 4), y[:, :, None]), 7, 6 * 4),
        (A, torch.randn(5, 4)),
    ),
    ("lstm", nn.LSTM(7, 6, 2, bidirectional=True), nn.LSTM(7, 6, 2, bidirectional=True), (B,)),
    ("einsum, vector", *[Function(lambda w, x: torch.einsum("bti,i->bt", x, w), 7)] * 2, (B,)),
    ("einsum, three", *[Function(lambda w, x: torch.einsum("bti,io,bto->", x, w, x @ w), 7, 4)] * 2, (B,)),
]


@pytest.mark.parametrize(("name", "module", "same", "inputs"), SAME, ids=[name for name, *_ in SAME])
def test_what_torch_leaves_out(name, module, same, inputs):
    on_meta = name == "lstm"  # where it is not fused
    given = [one.to("meta") for one in inputs] if on_meta else inputs
    expected = torch_macs(same.to("meta") if on_meta else same, *given)
    seen = _walked(module.to("cpu") if not on_meta else nn.LSTM(7, 6, 2, bidirectional=True), *inputs)
    assert seen.total_macs == expected > 0
    assert seen.uncounted == ()


CONVOLUTIONS = [
    (quantized.Conv2d, nn.Conv2d, (4, 6, (3, 2)), {"stride": 2, "padding": 1}),
    (quantized.Conv2d, nn.Conv2d, (4, 6, 3), {"groups": 2}),
    (intrinsic.quantized.ConvReLU2d, nn.Conv2d, (4, 6, 3), {}),
    (quantized.ConvTranspose2d, nn.ConvTranspose2d, (4, 6, (3, 2)), {"stride": 2}),
    (quantized.Linear, nn.Linear, (8, 6), {}),
    (intrinsic.quantized.LinearReLU, nn.Linear, (8, 6), {}),
]


@pytest.mark.parametrize(("kind", "floating", "sizes", "more"), CONVOLUTIONS)
def test_quantised_layers_count_as_those_they_were_made_from(kind, floating, sizes, more):
    image = torch.quantize_per_tensor(IMAGE, 0.1, 0, torch.quint8)
    seen = _walked(kind(*sizes, **more), image)
    assert seen.total_macs == torch_macs(floating(*sizes, **more), IMAGE) > 0
    assert seen.uncounted == ()


def test_a_quantised_convolution_of_sequences_and_of_volumes():
    for kind, floating, shape in (
        (quantized.Conv1d, nn.Conv1d, (2, 4, 9)),
        (quantized.Conv3d, nn.Conv3d, (2, 4, 5, 6, 7)),
    ):
        data = torch.randn(shape)
        seen = _walked(kind(4, 6, 3), torch.quantize_per_tensor(data, 0.1, 0, torch.quint8))
        assert seen.total_macs == torch_macs(floating(4, 6, 3), data)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.parametrize(
    ("layer", "data"),
    [
        (nn.Linear(7, 6), B),
        (nn.LSTM(7, 6, 2, bidirectional=True), B),
        (nn.GRU(7, 6, 2), B),
        (nn.LSTMCell(7, 6), A),
        (nn.GRUCell(7, 6), A),
        (nn.RNNCell(7, 6), A),
    ],
)
def test_layers_that_are_quantised_as_they_run(layer, data, dtype):
    made = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {type(layer)}, dtype=dtype)
    seen = _walked(made, data)
    assert seen.total_macs == torch_macs(type(layer)(*_sizes(layer)).to("meta"), data.to("meta")) > 0
    assert seen.uncounted == ()


def _sizes(layer):
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    more = (layer.num_layers, True, False, 0.0, layer.bidirectional) if isinstance(layer, nn.RNNBase) else ()
    return layer.input_size, layer.hidden_size, *more


@pytest.fixture
def library():
    with torch.library._scoped_library("torchvision", "FRAGMENT") as found:
        yield found


def test_a_deformable_convolution_counts_as_an_ordinary_one(library):
    """torchvision's operator, without torchvision."""
    library.define("deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias) -> Tensor")
    library.impl("deform_conv2d", lambda x, w, offset, mask, bias: x.new_zeros(2, 6, 7, 6), "CPU")
    bare = torch.zeros(6)

    def deformable(weight, image):
        return torch.ops.torchvision.deform_conv2d(image, weight, image, image, bare)

    seen = _walked(Function(deformable, 6, 4, 3, 3), IMAGE)
    assert seen.total_macs == torch_macs(nn.Conv2d(4, 6, 3, bias=False), IMAGE)
    (one,) = (one for one in seen.seen.values() if one.operators)
    assert one.convolves


@pytest.fixture
def strange():
    with torch.library._scoped_library("somebody", "DEF") as found:
        found.define("mix(Tensor x, Tensor weight) -> Tensor")
        found.impl("mix", lambda x, weight: x @ weight, "CPU")
        yield torch.ops.somebody.mix


@pytest.mark.parametrize("made", ["as it is", "cast", "a view", "not registered"])
def test_an_operator_of_somebody_else_is_named_where_it_takes_a_weight(strange, made):
    how = {"cast": lambda w: w.double().float(), "a view": lambda w: w.t().t()}.get(made, lambda w: w)
    module = Function(lambda w, x: strange(x, how(w)), 7, 4)
    if made == "not registered":
        weight = module.weight.data
        del module.weight
        module.weight = weight
    assert [name for name, _ in _walked(module, A).uncounted] == ["somebody::mix"]


def test_an_operator_of_somebody_else_without_a_weight_is_none_of_ours(strange):
    assert _walked(Function(lambda w, x: strange(x, torch.relu(x).t()), 7, 4), A).uncounted == ()


def test_what_takes_a_weight_and_multiplies_nothing_is_not_named():
    """Lookups, norms, casts, masks, resampling, and whatever works element by element."""

    def many(w, x):
        y = functional.layer_norm(x, (5, 7), w, w) + w * x + torch.cat([w, x[0]])[:5] + functional.prelu(x, w[0, :1])
        y = torch.where(x > 0, w, x).lerp(w, 0.5) + functional.embedding(torch.zeros(3, 5, dtype=torch.long), w)
        y = functional.instance_norm(y, weight=w.flatten()[:5], bias=w.flatten()[:5]) + torch.empty_like(w).copy_(w)
        image = functional.interpolate(w[None, None], size=(5, 7), mode="bicubic")[0]
        grid = functional.grid_sample(w[None, None], torch.zeros(1, 5, 7, 2) + y[:1, :, :, None], align_corners=False)[
            0, 0
        ]
        return functional.mse_loss(y + image + grid, w.expand(3, 5, 7)) + torch.bucketize(x, w.flatten()).sum()

    assert _walked(Function(many, 5, 7), B).uncounted == ()

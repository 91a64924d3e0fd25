"""Which layers are eligible and why not, counts, copies: on networks that are awkward on purpose."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from model_checks import params, state, torch_macs
from torch import nn

from dsconv_cli import CannotMeasureError, DsconvError, Selection, analyse, separate

SHAPE = (2, 3, 8, 8)


def _load():
    spec = importlib.util.spec_from_file_location("odd_networks", Path(__file__).parent / "networks" / "odd.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


odd = _load()


@pytest.fixture(scope="module")
def everything():
    return analyse(odd.Everything(), SHAPE)


REASONS = {
    "first": None,
    "same": None,
    "reflect": None,
    "subclass": None,
    "lazy": None,
    "registered_too": None,
    "twice": None,
    "never": "never called",
    "parametrised": "parametrised weight",
    "hooked": "has hooks",
    "tied_a": "shares its weights with tied_b",
    "tied_b": "shares its weights with tied_a",
    "one_by_one": "1×1",
    "depthwise": "already depthwise",
    "grouped": "grouped (2 groups)",
    "transposed": "transposed",
    "one_d": "1-D",
    "three_d": "3-D",
    "own": "subclass with its own forward",
    "direct": "never called; the network reads its weight",
    "": "functional call",
}


def test_every_convolution_is_named_with_its_reason(everything):
    assert {layer.name: layer.reason for layer in everything.convolutions} == REASONS


def test_eligible_is_what_has_no_reason(everything):
    for layer in everything.layers:
        assert layer.eligible == (layer.operator == "convolution" and layer.reason is None)
        assert layer.replaced == layer.eligible


def test_counts(everything):
    model = odd.Everything()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert everything.macs.before == torch_macs(model, torch.zeros(SHAPE))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert everything.params.before == params(model)
    assert sum(layer.params for layer in everything.layers) + everything.other_params == everything.params.before


def test_a_layer_called_twice_counts_twice(everything):
    by_name = {layer.name: layer for layer in everything.layers}
    assert by_name["twice"].calls == 2
    assert by_name["twice"].macs == 2 * by_name["subclass"].macs


def test_shared_weights_count_once(everything):
    by_name = {layer.name: layer for layer in everything.layers}
    assert by_name["tied_a"].params == 8 * 8 * 9 + 8
    assert by_name["tied_b"].params == 8


def test_attention_is_counted_though_inference_would_fuse_it(everything):
    attention = [layer for layer in everything.layers if layer.name.startswith("attention")]
    assert sum(layer.macs for layer in attention) > 0
    assert next(one for one in attention if one.type == "MultiheadAttention").operator == "matmul"


def test_the_original_is_left_alone():
    model = odd.Everything()
    before = state(model)
    analyse(model, SHAPE)
    separate(model, SHAPE)
    assert state(model) == before


def test_analysing_draws_no_random_numbers():
    model = odd.LooksAtValues()
    rng = torch.get_rng_state()
    analyse(model, SHAPE)
    assert torch.equal(torch.get_rng_state(), rng)


def test_what_refers_to_a_replaced_layer_refers_to_its_replacement():
    model = separate(odd.Everything(), SHAPE)
    assert model.in_a_list[0] is model.registered_too
    assert isinstance(model.registered_too, nn.Sequential)


def test_the_replacement():
    pair = separate(odd.Everything().train(), SHAPE).reflect
    assert [name for name, _ in pair.named_children()] == ["depthwise", "pointwise"]
    assert pair.depthwise.groups == 8
    assert pair.depthwise.padding_mode == "reflect"
    assert pair.depthwise.bias is None
    assert pair.pointwise.bias is None
    assert pair.training
    assert all(parameter.requires_grad for parameter in pair.parameters())


def test_a_bias_goes_to_the_pointwise_half():
    pair = separate(odd.Everything(), SHAPE).first
    assert pair.depthwise.bias is None
    assert pair.pointwise.bias is not None


def test_the_replaced_network_runs_and_trains():
    model = separate(odd.Everything(), SHAPE).train()
    image, (_, more), words = model(torch.randn(SHAPE))
    (image.sum() + more["three"].sum() + words.sum()).backward()
    assert model.first.depthwise.weight.grad is not None


def test_values_are_kept():
    model = odd.small()
    other = separate(model, SHAPE, Selection(keep=("2",)))
    assert torch.equal(other[2].weight, model[2].weight)
    assert other[2].weight is not model[2].weight


def test_weights_and_activations_in_bytes():
    """4 bytes each: 3·8·9 + 8 and 128·10 + 10 parameters, replaced 3·9 + 3·8 + 8; the convolution has 3·8·8 in and
    8·4·4 out, 3·4·4 between its halves, and the linear layer 128 in and 10 out."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(128, 10))
    result = analyse(net, (1, 3, 8, 8))
    assert result.weight_bytes == (4 * (224 + 1290), 4 * (59 + 1290))
    assert result.activation_bytes == (4 * (192 + 128), 4 * (192 + 48))
    assert [layer.activation_bytes for layer in result.layers] == [4 * 320, 4 * 138]
    assert result.get("totals.weight_bytes.before") == 6056
    half = analyse(net.to(torch.float16), (1, 3, 8, 8))
    assert (half.weight_bytes.before, half.activation_bytes.before) == (6056 / 2, 1280 / 2)


def test_a_bare_convolution():
    result = analyse(nn.Conv2d(32, 64, 3, padding=1, bias=False), (1, 32, 56, 56))
    assert (result.layers[0].name, result.params) == ("", (18_432, 2_336))
    assert isinstance(separate(nn.Conv2d(32, 64, 3), (1, 32, 56, 56)), nn.Sequential)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_dtype_is_the_network_s_own(dtype):
    result = analyse(odd.small().to(dtype), SHAPE)
    assert {layer.spec.dtype for layer in result.eligible} == {str(dtype).removeprefix("torch.")}
    assert next(separate(odd.small().to(dtype), SHAPE).parameters()).dtype == dtype


def test_an_input_without_a_batch():
    assert analyse(odd.small(), (3, 8, 8)).macs == analyse(odd.small(), (1, 3, 8, 8)).macs


@pytest.mark.parametrize(
    "inputs",
    [
        [(2, 3, 8, 8), torch.zeros(4, dtype=torch.long)],
        {"image": (2, 3, 8, 8), "words": torch.zeros(4, dtype=torch.long)},
    ],
)
def test_several_inputs(inputs):
    result = analyse(odd.TwoInputs(), inputs)
    assert [one.dtype for one in result.inputs] == ["float32", "int64"]
    assert len(result.replaced) == 1


def test_the_user_s_input_is_not_written_to():
    class Writes(nn.Conv2d):
        pass

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = Writes(3, 4, 3)

        def forward(self, x):
            if x.sum().item():
                x.zero_()
            return self.conv(x)

    image = torch.ones(SHAPE)
    assert analyse(Net(), image).device == "cpu"
    assert image.all()


def test_outputs_in_a_dict_are_checked_and_said_so():
    result = analyse(odd.GivesDict(), SHAPE)
    assert result.outputs == ((2, 8, 8, 8),)
    assert result.notes == ("the network returns a dict; the shape of its one tensor is checked",)


def test_a_network_that_looks_at_values_runs_on_the_cpu_and_says_so():
    result = analyse(odd.LooksAtValues(), SHAPE)
    assert result.device == "cpu"
    assert "meta" in result.not_on_meta
    assert result.notes[0].startswith("run on the CPU")


BAD = [
    (odd.Raises, SHAPE, CannotMeasureError, "its forward pass raised ValueError: this network does not work ("),
    (odd.TwoInputs, SHAPE, DsconvError, "the network takes (image, words) and was given 1 input"),
    (odd.small, (2, 4, 8, 8), CannotMeasureError, "to have 3 channels, but got 4 channels"),
    (odd.NoConvolution, (2, 8), DsconvError, "has no convolution (it has 1 other layer with MACs)"),
]


@pytest.mark.parametrize(("factory", "shape", "error", "message"), BAD)
def test_one_clear_line_and_nothing_changed(factory, shape, error, message):
    model = factory().train()
    before = state(model)
    with pytest.raises(error) as caught:
        analyse(model, shape)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state(model) == before
    assert torch.backends.mha.get_fastpath_enabled()
    # Each of torch's dictionaries of hooks, of which its own handle of a hook with keyword arguments forgets one.
    assert not nn.modules.module._has_any_global_hook()


@pytest.mark.parametrize("thing", [3, "text", nn.Conv2d, None, {"state": "dict"}])
def test_what_is_no_module(thing):
    with pytest.raises(DsconvError, match=r"not a torch\.nn\.Module"):
        analyse(thing, SHAPE)


def test_a_closure_that_reaches_the_original_does_no_harm():
    """A hook of the copy is the original's hook, and may write to the original."""
    model = odd.small()
    model.register_buffer("seen", torch.zeros(()))

    def writes(module, args):
        model.train(False)
        model.note = "was here"
        model.seen += 1
        model[1].register_forward_hook(print)

    model.register_forward_pre_hook(writes)
    before = state(model)
    analyse(model, SHAPE)
    after = state(model)
    assert model.seen == 0
    assert [one[2:5] + one[6:] for one in after] == [one[2:5] + one[6:] for one in before]


def test_a_module_that_gives_itself_as_its_copy():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.register_buffer("calls", torch.zeros(()))

        def __deepcopy__(self, memo):
            return self

        def forward(self, x):
            self.calls += 1
            self.last = x
            return self.conv(x)

    for model in (Net(), nn.Sequential(Net())):
        before = state(model)
        assert analyse(model, SHAPE).macs == analyse(nn.Conv2d(3, 8, 3, padding=1), SHAPE).macs
        assert isinstance(next(separate(model, SHAPE).modules()), type(model))
        assert state(model) == before


def test_unwrapped_from_compile():
    assert analyse(torch.compile(odd.small(), backend="eager"), SHAPE).macs == analyse(odd.small(), SHAPE).macs


def test_inference_mode_inside():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = odd.small()

        @torch.inference_mode()
        def forward(self, x):
            return self.inner(x)

    assert analyse(Net(), SHAPE).macs == analyse(odd.small(), SHAPE).macs


def test_what_replaces_can_be_kept_away_without_running():
    model = separate(odd.small(), selection=Selection(keep=("0",)))
    assert isinstance(model[0], nn.Conv2d)
    assert isinstance(model[2], nn.Sequential)
    with pytest.raises(DsconvError, match="needs `inputs`"):
        separate(odd.small(), selection=Selection(target_macs=1))


def test_depth_multiplier():
    result = analyse(odd.small(), SHAPE, Selection(depth_multiplier=2))
    assert result.layers[0].spec.depth_multiplier == 2
    assert params(separate(odd.small(), SHAPE, Selection(depth_multiplier=2))) == result.params.after

"""The best separable pair for given weights, against numpy's singular value decomposition and against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dsconv_cli import DsconvError, Selection, separate
from dsconv_cli.weights.decomposition import factors, spectrum
from dsconv_cli.weights.refitting import Refit
from dsconv_cli.weights.spectrum import Spectrum
from dsconv_cli.weights.untrained import look_untrained, sphericity

shapes = st.tuples(*[st.integers(1, 12), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4)])


def drawn(shape, seed, decay=1.0):
    """Weights whose taps are alike, as trained ones are."""
    random = np.random.default_rng(seed)
    weight = random.standard_normal(shape)
    weight *= decay ** np.arange(shape[2] * shape[3]).reshape(shape[2:])
    return weight


def tails(weight, multiplier):
    """‖W − Ŵ‖² by numpy's own decomposition of each input channel: the squares of what is cut off."""
    k, c, r, s = weight.shape
    return sum(
        (np.linalg.svd(weight[:, i].reshape(k, r * s), compute_uv=False)[multiplier:] ** 2).sum() for i in range(c)
    )


@settings(deadline=None, max_examples=60)
@given(shapes, st.integers(1, 9), st.sampled_from([1.0, 0.5, 0.01]), st.integers(0, 99))
def test_the_error_is_what_the_singular_values_say(shape, multiplier, decay, seed):
    weight = drawn(shape, seed, decay)
    pair = factors(weight, multiplier)
    assert pair.depthwise.shape == (shape[1] * multiplier, 1, *shape[2:])
    assert pair.pointwise.shape == (shape[0], shape[1] * multiplier, 1, 1)
    whole, expected = (weight**2).sum(), tails(weight, multiplier)
    assert ((weight - pair.product(shape[1])) ** 2).sum() == pytest.approx(expected, abs=1e-12 * whole)
    found = spectrum(weight)
    assert found.rank == min(shape[0], shape[2] * shape[3])
    assert found.fidelity(multiplier) == pytest.approx(1 - expected / whole, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e200])
def test_any_size_of_numbers(scale):
    weight = drawn((8, 3, 3, 3), 1) * scale
    assert spectrum(weight).losses == pytest.approx(spectrum(weight / scale).losses, abs=1e-12)
    assert np.allclose(factors(weight, 9).product(3) / scale, weight / scale)


def test_both_halves_of_a_pair_have_the_same_norm():
    pair = factors(drawn((16, 2, 3, 3), 2), 3)
    taps = np.linalg.norm(pair.depthwise.reshape(6, 9), axis=1)
    mixed = np.linalg.norm(pair.pointwise.reshape(16, 6), axis=0)
    assert taps == pytest.approx(mixed)


def test_one_filter_for_all_outputs_is_separable():
    """W[k,c] = a[k,c] · f[c]: depth multiplier 1 loses nothing."""
    random = np.random.default_rng(3)
    weight = random.standard_normal((5, 4, 1, 1)) * random.standard_normal((1, 4, 3, 3))
    assert spectrum(weight).fidelity(1) == pytest.approx(1.0, abs=1e-14)


def test_by_hand():
    """Two output channels that take one tap each, of 3 and 4: M = 1 keeps the larger, 16 of 25."""
    weight = np.zeros((2, 1, 1, 2))
    weight[0, 0, 0, 0], weight[1, 0, 0, 1] = 3.0, 4.0
    assert spectrum(weight).losses == (1.0, 9 / 25, 0.0)
    kept = factors(weight, 1).product(1)
    assert np.allclose(kept[0], 0)
    assert np.allclose(kept[1, 0, 0], [0, 4])


def test_zeros_keep_everything_and_what_is_no_number_has_no_spectrum():
    assert spectrum(np.zeros((4, 2, 3, 3))).losses == (0.0, *[0.0] * 4)
    assert np.array_equal(factors(np.zeros((4, 2, 3, 3)), 2).product(2), np.zeros((4, 2, 3, 3)))
    for wrong in (np.nan, np.inf):
        weight = np.ones((4, 2, 3, 3))
        weight[1, 1, 0, 0] = wrong
        assert spectrum(weight) is None


def test_a_spectrum_beyond_its_rank():
    one = Spectrum((1.0, 0.25, 0.0))
    assert [one.fidelity(m) for m in (1, 2, 7)] == [0.75, 1.0, 1.0]


# --- untrained -------------------------------------------------------------------------------------------------


INITIALISERS = {
    "torch's own": lambda weight: None,
    "kaiming normal": nn.init.kaiming_normal_,
    "xavier uniform": nn.init.xavier_uniform_,
    "truncated normal": lambda weight: nn.init.trunc_normal_(weight, std=0.02),
    "orthogonal": nn.init.orthogonal_,
}


def fresh(initialise, seed):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 16, 3), nn.Conv2d(16, 32, 5), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 64, (1, 7))]
    for layer in layers:
        initialise(layer.weight)
    return [layer.weight.detach().numpy() for layer in layers]


@pytest.mark.parametrize("name", INITIALISERS)
def test_fresh_weights_look_untrained(name):
    for seed in range(4):
        assert look_untrained(map(sphericity, fresh(INITIALISERS[name], seed)))


def test_smooth_filters_do_not():
    """A little of a common pattern in each filter, as training on images leaves it."""
    weights = fresh(INITIALISERS["torch's own"], 1)
    assert not look_untrained(sphericity(weight + 0.2 * weight.mean((2, 3), keepdims=True) * 3) for weight in weights)


def test_what_tells_nothing():
    assert sphericity(np.ones((64, 64, 1, 1))) is None, "one tap"
    assert sphericity(np.random.default_rng(0).standard_normal((2, 3, 3, 3))) is None, "6 filters of 9 taps"
    assert sphericity(np.zeros((64, 64, 3, 3))) is None
    assert not look_untrained([None])


# --- least squares ---------------------------------------------------------------------------------------------


def test_refitting_is_least_squares():
    """Against numpy's own solver, on two calls that are one problem."""
    random = np.random.default_rng(5)
    calls = [(random.standard_normal((2, 6, 5, 5)), random.standard_normal((2, 4, 5, 5))) for _ in range(2)]
    refit = Refit(random.standard_normal((4, 6, 1, 1)))
    for middle, output in calls:
        refit.see(middle, output)
    z, y = (np.concatenate([np.moveaxis(call[i], 1, -1).reshape(-1, n) for call in calls]) for i, n in ((0, 6), (1, 4)))
    expected, residual, *_ = np.linalg.lstsq(z, y, rcond=None)
    assert np.allclose(refit.solved()[:, :, 0, 0], expected.T)
    assert refit.fidelity(refit.solved()) == pytest.approx(1 - residual.sum() / (y**2).sum())


def test_what_was_never_seen_stays():
    """A channel that is always zero tells nothing about its coefficients."""
    random = np.random.default_rng(6)
    before, middle = random.standard_normal((4, 3, 1, 1)), random.standard_normal((1, 3, 5, 5))
    middle[:, 1] = 0
    refit = Refit(before)
    refit.see(middle, random.standard_normal((1, 4, 5, 5)))
    assert np.allclose(refit.solved()[:, 1], before[:, 1])


# --- networks --------------------------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    """A layer, what it is called with, and the depth multiplier that reproduces it."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)).filter(lambda pair: pair != (1, 1)))
    dilation, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    same = draw(st.booleans())
    mode = draw(st.sampled_from(["zeros", "reflect", "circular", "replicate"]))
    padding = "same" if same else draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    layer = nn.Conv2d(
        *(draw(st.integers(1, 6)), draw(st.integers(1, 12)), kernel),
        stride=1 if same else stride, padding=padding, dilation=dilation, bias=draw(st.booleans()), padding_mode=mode,
        dtype=draw(st.sampled_from([torch.float32, torch.float64])),
    )  # fmt: skip
    sizes = [d * (k - 1) + 1 + draw(st.integers(3, 6)) for k, d in zip(kernel, dilation, strict=True)]
    return layer, (draw(st.integers(1, 2)), layer.in_channels, *sizes), min(layer.out_channels, kernel[0] * kernel[1])


@settings(deadline=None, max_examples=40)
@given(convolutions(), st.integers(0, 2), st.integers(0, 99))
def test_full_rank_gives_the_same_outputs(drawn_layer, surplus, seed):
    layer, shape, rank = drawn_layer
    torch.manual_seed(seed)
    network = nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels).to(layer.weight.dtype).eval())
    image = torch.randn(shape, dtype=layer.weight.dtype)
    found = separate(network, selection=Selection(depth_multiplier=rank + surplus), weights="fit")
    assert found[0][0].groups == layer.in_channels
    assert torch.allclose(found(image), network(image), atol=1e-4, rtol=1e-4)
    assert found[0].fidelity == 1.0


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.again = nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        x = self.stem(x)
        return self.norm(self.again(self.again(x)[..., ::2]))


@pytest.fixture
def twice():
    torch.manual_seed(0)
    model = Twice().eval()
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(1, 2)
    return model


def test_a_layer_that_is_called_twice(twice):
    image = torch.randn(2, 3, 8, 8)
    found = separate(twice, image, Selection(depth_multiplier=6), weights="fit")
    assert isinstance(found.again, nn.Sequential)
    assert torch.allclose(found(image), twice(image), atol=1e-4)


def test_bias_and_batch_norm_stay(twice):
    found = separate(twice, (2, 3, 8, 8), weights="fit")
    assert torch.equal(found.stem.pointwise.bias, twice.stem.bias)
    assert found.stem.depthwise.bias is None
    for name, tensor in twice.norm.state_dict().items():
        assert torch.equal(found.norm.state_dict()[name], tensor)


def test_a_fitted_pair_is_the_nearest_one(twice):
    """Its own weight, multiplied out, is as far away as numpy's singular values say; fresh ones are farther."""
    weight = twice.again.weight.detach().double().numpy()
    pair = separate(twice, (2, 3, 8, 8), Selection(depth_multiplier=2), weights="fit").again
    lost = ((pair.weight - twice.again.weight) ** 2).sum().item() / (weight**2).sum()
    assert lost == pytest.approx(tails(weight, 2) / (weight**2).sum(), rel=1e-5)
    assert pair.fidelity == pytest.approx(1 - lost, abs=1e-6)
    assert separate(twice, (2, 3, 8, 8)).again.fidelity is None


@pytest.mark.parametrize("multiplier", [1, 3])
def test_refitted_outputs_are_never_worse(twice, multiplier):
    """Held against the layers themselves on what they see, not against our own sums."""
    image = torch.randn(4, 3, 12, 12).cumsum(2).cumsum(3)
    chosen = Selection(depth_multiplier=multiplier)
    fitted, refitted = (separate(twice, image, chosen, weights=how) for how in ("fit", "refit"))
    seen = [("stem", image), ("again", twice.stem(image))]

    def error(network, name, what):
        wanted, bias = getattr(twice, name)(what), getattr(twice, name).bias[:, None, None]
        return (((getattr(network, name)(what) - wanted) ** 2).sum() / ((wanted - bias) ** 2).sum()).item()

    stem, other = error(fitted, *seen[0]), error(refitted, *seen[0])
    assert other < stem, "smooth images: the nearest weights do not give the nearest outputs"
    assert refitted.stem.output_fidelity == pytest.approx(1 - other, abs=1e-4)
    assert refitted.stem.fidelity == fitted.stem.fidelity
    both = [("again", twice.stem(image)), ("again", twice.again(twice.stem(image))[..., ::1])]
    assert error(refitted, *both[0]) + error(refitted, *both[1]) < error(fitted, *both[0]) + error(fitted, *both[1])


def test_the_original_is_left_alone(twice):
    from model_checks import state

    before = state(twice)
    separate(twice, torch.randn(1, 3, 8, 8), weights="refit")
    assert state(twice) == before


def test_frozen_layers_stay_frozen(twice):
    twice.stem.requires_grad_(False)
    found = separate(twice, (1, 3, 8, 8), weights="fit")
    assert [one.requires_grad for one in found.stem.parameters()] == [False] * 3
    assert all(one.requires_grad for one in found.again.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "best"}, "`weights` must be one of 'fresh', 'fit', 'refit', not 'best'"),
        ({"weights": "refit", "inputs": (1, 3, 8, 8)}, "needs `inputs` that are tensors"),
        ({"weights": "refit"}, "needs `inputs` that are tensors"),
    ],
)
def test_one_clear_line(twice, arguments, message):
    with pytest.raises(DsconvError, match=message.replace("(", r"\(")):
        separate(twice, **arguments)


def test_no_weights_to_fit(twice):
    with pytest.raises(DsconvError, match="stem has no finite weights that could be fitted"):
        separate(twice.to("meta"), (1, 3, 8, 8), weights="fit")

"""`dsconv model --fidelity` and what depends on it, as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from test_weights import tails

from dsconv_cli import CannotMeasureError, DsconvError, Selection, analyse, separate

FILE = str(Path(__file__).parent / "networks" / "trained.py")
NET = (f"{FILE}:net", "--input", "1,3,16,16")
NAMES = ("stem", "a", "b")


@pytest.fixture(scope="module")
def net():
    from networks.trained import net

    return net()


def fidelity(layer, multiplier):
    """By numpy's singular values."""
    weight = layer.weight.detach().double().numpy()
    return 1 - tails(weight, multiplier) / (weight**2).sum()


def rows(here, *options):
    code, out, err = here(*NET, *options, "--format", "json")
    assert code == 0, err
    return {layer["name"]: layer for layer in json.loads(out)["layers"]}


@pytest.mark.parametrize("multiplier", [1, 4, 9])
def test_a_column_in_every_format(here, net, valid, multiplier):
    wanted = (*NET, "--fidelity", "--depth-multiplier", multiplier)
    expected = {name: pytest.approx(fidelity(getattr(net, name), multiplier)) for name in NAMES}
    document = valid(json.loads(here(*wanted, "--format", "json")[1]))
    assert {one["name"]: one["fidelity"] for one in document["layers"] if one["eligible"]} == expected
    table = list(csv.DictReader(io.StringIO(here(*wanted, "--format", "csv")[1])))
    assert {one["name"]: float(one["fidelity"]) for one in table if one["eligible"] == "true"} == expected
    shown = here(*wanted)[1]
    assert "share of the trained weights that fitted ones keep" in " ".join(shown.split())
    assert "fidelity" in shown
    assert f"{int(fidelity(net.b, multiplier) * 1000 + 1e-9) / 1000:.3f}" in shown
    assert "fidelity" in here(*wanted, "--format", "markdown")[1]


def test_without_being_asked_nothing_is_decomposed(here, monkeypatch):
    """Neither a column nor the work; the network is never on the CPU."""
    import dsconv_cli.model.spectra as home
    from dsconv_cli.model.source import Source

    monkeypatch.setattr(home, "spectrum", None)
    original = Source.original

    def on_meta_only(self, device):
        assert device == "meta"
        return original(self, device)

    monkeypatch.setattr(Source, "original", on_meta_only)
    code, out, err = here(*NET)
    assert code == 0, err
    assert "fidelity" not in next(line for line in out.splitlines() if line.startswith("layer "))
    assert json.loads(here(*NET, "--format", "json")[1])["layers"][0]["fidelity"] is None


def test_a_least_fidelity(here, net):
    least = (fidelity(net.a, 1) + fidelity(net.b, 1)) / 2
    for options in (("--min-fidelity", f"{least:.6f}"), ("--max-error", f"{(1 - least) ** 0.5:.6f}")):
        found = rows(here, *options)
        assert {name: found[name]["replaced"] for name in NAMES} == {"stem": True, "a": True, "b": False}
        assert found["b"]["kept"] == f"fidelity is below {least:.6g}" or options[0] == "--max-error"


def test_auto_takes_the_smallest_that_reaches_it(here, net):
    found = rows(here, "--min-fidelity", "0.9", "--depth-multiplier", "auto")
    for name in NAMES:
        layer = getattr(net, name)
        smallest = next(m for m in range(1, 10) if fidelity(layer, m) >= 0.9)
        assert found[name]["spec"]["depth_multiplier"] == smallest
        assert found[name]["replaced"]
        assert found[name]["params"]["separable"] == (
            layer.in_channels * smallest * (9 + layer.out_channels) + layer.out_channels
        )
    assert len({one["spec"]["depth_multiplier"] for one in found.values() if one["eligible"]}) > 1
    assert " M " in here(*NET, "--min-fidelity", "0.9", "--depth-multiplier", "auto")[1]


def test_auto_keeps_what_no_m_that_saves_reaches(here, net):
    """With 32 channels M saves MACs up to 7: 7·(9 + 32) = 287 of 288. Full fidelity needs 9."""
    found = rows(here, "--min-fidelity", "1", "--depth-multiplier", "auto")
    assert found["b"]["kept"] == "no M that saves reaches fidelity 1"
    assert found["b"]["spec"]["depth_multiplier"] == 7
    assert not found["b"]["replaced"]


@pytest.mark.parametrize("multiplier", ["1", "auto"])
def test_a_target_loses_least(here, net, multiplier):
    """Against every choice of layers and multipliers, from numpy's singular values."""
    from itertools import product

    before = {"stem": 16 * 3 * 9, "a": 32 * 16 * 9, "b": 32 * 32 * 9}
    channels = {"stem": (16, 3), "a": (32, 16), "b": (32, 32)}
    total = sum(before.values()) * 256 + 320
    target = total * 6 // 10
    ways = []
    for name in NAMES:
        k, c = channels[name]
        ms = [m for m in (range(1, 10) if multiplier == "auto" else [1]) if m * c * (9 + k) < before[name]]
        ways.append([(0, 0.0), *((before[name] - m * c * (9 + k), 1 - fidelity(getattr(net, name), m)) for m in ms)])
    best = min(
        sum(one[1] for one in each) for each in product(*ways) if 256 * sum(one[0] for one in each) >= total - target
    )
    found = rows(here, "--fidelity", "--target-macs", target, "--depth-multiplier", multiplier)
    assert sum(1 - one["fidelity"] for one in found.values() if one["replaced"]) == pytest.approx(best, abs=1e-9)
    assert here(*NET, "--fidelity", "--target-macs", target, "--get", "totals.macs.before")[1] == f"{total}\n"


def test_fresh_weights_are_told_apart(here):
    assert "note: these weights look untrained" in here(f"{FILE}:fresh", "--input", "1,3,16,16", "--fidelity")[2]
    assert "untrained" not in here(*NET, "--fidelity")[2]


def test_a_layer_without_numbers_is_kept(here):
    code, out, _ = here(f"{FILE}:broken", "--input", "1,3,16,16", "--min-fidelity", "0.1", "--format", "json")
    assert code == 0
    layer = next(one for one in json.loads(out)["layers"] if one["name"] == "a")
    assert (layer["fidelity"], layer["kept"]) == (None, "has no finite weights")


def test_weights_on_the_meta_device_have_no_fidelity(net):
    from networks.trained import net as make

    found = analyse(make().to("meta"), (1, 3, 16, 16), fidelity=True)
    assert [layer.fidelity for layer in found.eligible] == [None] * 3
    chosen = Selection(depth_multiplier="auto", min_fidelity=0.5)
    assert {layer.kept for layer in analyse(make().to("meta"), (1, 3, 16, 16), chosen).eligible} == {
        "has no finite weights"
    }


def test_separate_goes_by_the_same_choice(net):
    chosen = Selection(depth_multiplier="auto", min_fidelity=0.9)
    promised = {one.name: one.multiplier for one in analyse(net, (1, 3, 16, 16), chosen).replaced}
    for inputs in ((1, 3, 16, 16), None):
        found = separate(net, inputs, chosen, weights="fit")
        for name, multiplier in promised.items():
            pair = getattr(found, name)
            assert pair.depthwise.out_channels == multiplier * pair.in_channels
            assert pair.fidelity >= 0.9


BAD = [
    (("--depth-multiplier", "auto"), "--depth-multiplier auto needs --min-fidelity to go by"),
    (("--depth-multiplier", "some"), "--depth-multiplier must be a positive integer"),
    (("--min-fidelity", "1.5"), "--min-fidelity must be a number from 0 to 1, such as 0.9, not '1.5'"),
    (("--min-fidelity", "nan"), "--min-fidelity must be a number"),
    (("--max-error", "-1"), "--max-error must be a number from 0 to 1"),
    (("--max-error", "0.1", "--min-fidelity", "0.9"), "give one of them"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_one_clear_line(here, options, message):
    code, out, err = here(*NET, *options)
    assert (code, out) == (2, "")
    (error,) = err.splitlines()
    assert message in error


def test_both_targets_out_of_reach(net):
    with pytest.raises(CannotMeasureError, match="`target_macs` 1 cannot be reached"):
        analyse(net, (1, 3, 16, 16), Selection(target_macs=1), fidelity=True)
    with pytest.raises(DsconvError, match=r"`min_fidelity` must be a number from 0 to 1 such as 0\.9, not 2"):
        Selection(min_fidelity=2)


def test_resnet50_in_seconds():
    """The eligible layers' shapes of ResNet-50; held to a generous bound, for a machine may be busy."""
    import time

    from dsconv_cli.weights.decomposition import spectrum

    shapes = [
        (64, 3, 7, 7),
        *[(64, 64, 3, 3)] * 3,
        *[(128, 128, 3, 3)] * 4,
        *[(256, 256, 3, 3)] * 6,
        *[(512, 512, 3, 3)] * 3,
    ]
    weights = [torch.randn(shape).double().numpy() for shape in shapes]
    begun = time.process_time()
    for weight in weights:
        spectrum(weight)
    assert time.process_time() - begun < 6

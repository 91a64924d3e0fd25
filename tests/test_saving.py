"""`dsconv model --save`: what is in the file, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dsconv_cli.model import tensors_file

FILE = str(Path(__file__).parent / "networks" / "trained.py")
NET = (f"{FILE}:net", "--input", "2,3,16,16")
IMAGE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def net():
    from networks.trained import net

    return net().eval()


def test_onnx(here, net, tmp_path):
    pytest.importorskip("onnxscript")
    import graphs

    path = tmp_path / "net.onnx"
    code, _, err = here(*NET, "--depth-multiplier", "9", "--save", path)
    assert code == 0, err
    graphs.check(path)
    assert np.allclose(graphs.run(path.read_bytes(), IMAGE.numpy()), net(IMAGE).detach(), atol=1e-4)
    assert [one.name for one in tmp_path.iterdir()] == ["net.onnx"], "all in one file"


def test_pt2(here, net, tmp_path):
    path = tmp_path / "net.pt2"
    code, _, err = here(*NET, "--depth-multiplier", "9", "--save", path)
    assert code == 0, err
    assert torch.allclose(torch.export.load(path).module()(IMAGE), net(IMAGE), atol=1e-4)
    before = here(*NET, "--depth-multiplier", "9", "--get", "totals.macs.after")[1]
    assert here(path, "--get", "totals.macs.before")[1] == before
    again = tmp_path / "again.pt2"
    assert here(path, "--save", again)[0] == 0, "from a .pt2 to a .pt2"
    assert torch.allclose(torch.export.load(again).module()(IMAGE), net(IMAGE), atol=1e-4)


def test_safetensors(here, net, tmp_path):
    """Read by the format's own library."""
    from safetensors.torch import load_file

    path = tmp_path / "net.safetensors"
    code, _, err = here(*NET, "--depth-multiplier", "9", "--only", "a", "--save", path)
    assert code == 0, err
    found = load_file(path)
    assert set(found) == (set(net.state_dict()) - {"a.weight", "a.bias"}) | {
        "a.depthwise.weight",
        "a.pointwise.weight",
        "a.pointwise.bias",
    }
    assert torch.equal(found["b.weight"], net.b.weight)
    product = torch.einsum(
        "kcm,cmrs->kcrs", found["a.pointwise.weight"].view(32, 16, 9), found["a.depthwise.weight"].view(16, 9, 3, 3)
    )
    assert torch.allclose(product, net.a.weight, atol=1e-5)


def test_refitted(here, net, tmp_path):
    """The file's own layer, on what the network's own layer sees, is as near as the column says."""
    from networks.trained import smooth
    from safetensors.torch import load_file

    path, options = tmp_path / "net.safetensors", ("--inputs", f"{FILE}:smooth", "--format", "json")
    code, out, err = here(f"{FILE}:net", *options, "--depth-multiplier", "2", "--refit", "--save", path)
    assert code == 0, err
    layers = {one["name"]: one for one in json.loads(out)["layers"]}
    found = load_file(path)
    seen, bias = smooth(), net.stem.bias[:, None, None]
    middle = torch.nn.functional.conv2d(seen, found["stem.depthwise.weight"], padding=1, groups=3)
    output = torch.nn.functional.conv2d(middle, found["stem.pointwise.weight"])
    wanted = net.stem(seen).detach() - bias.detach()
    kept = 1 - (((output - wanted) ** 2).sum() / (wanted**2).sum()).item()
    assert layers["stem"]["output_fidelity"] == pytest.approx(kept, abs=1e-4)
    assert kept > layers["stem"]["fidelity"], "smooth images"
    assert layers["head"]["output_fidelity"] is None


@pytest.mark.parametrize("ending", ["pt2", "safetensors"])
def test_inputs_of_any_kind(here, tmp_path, ending):
    """Two inputs, one in a dict; a dict comes out; tied weights, a buffer of whole numbers, a layer called twice."""
    path = tmp_path / f"net.{ending}"
    code, _, err = here(f"{FILE}:Tied", "--inputs", f"{FILE}:pictures", "--depth-multiplier", "3", "--save", path)
    assert code == 0, err
    assert path.stat().st_size > 500


def test_tensors_of_every_kind():
    from safetensors.torch import load

    shared = torch.randn(4, 4)
    tensors = {
        "bf16": torch.randn(3).bfloat16(),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "turned": shared.T,
        "same": shared,
        "half": torch.randn(5).half(),
        "double": torch.randn(2, 1).double(),
    }
    content = tensors_file.written(tensors)
    for found in (load(content), tensors_file.read(content)):
        assert set(found) == set(tensors)
        for name, tensor in tensors.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor), name


def test_what_computes_something_else_is_not_saved(here, tmp_path, monkeypatch):
    """The file that is there stays, and nothing is left beside it."""
    from dsconv_cli.model import saving

    path = tmp_path / "net.safetensors"
    path.write_text("as it was")
    broken = saving._KINDS[".safetensors"]._replace(
        run=lambda content, network, call: [one + 1 for one in saving._run_tensors(content, network, call)]
    )
    monkeypatch.setattr(saving, "_KINDS", {".safetensors": broken})
    code, out, err = here(*NET, "--save", path)
    assert (code, out) == (3, "")
    assert "net as .safetensors computes something else than the network; not saved" in err
    assert path.read_text() == "as it was"
    assert [one.name for one in tmp_path.iterdir()] == ["net.safetensors"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--refit",), 2, "--refit is about the network that --save writes; give it a path"),
        (("--refit", "--save", "net.pt2"), 2, "--refit needs tensors from --inputs MODULE:FUNCTION"),
        (("--save", "net.txt"), 2, "--save net.txt: its ending must be one of .onnx .pt2 .safetensors"),
        (("--save", "/no/such/folder/net.pt2"), 2, "cannot write"),
        (("--save", "net.pt2", "--output", "json:net.pt2"), 2, "net.pt2 is to be written twice"),
    ],
)
def test_one_clear_line(here, options, code, message):
    got, out, err = here(*NET, *options)
    assert (got, out) == (code, "")
    assert message in err.splitlines()[-1]


def test_a_missing_exporter_is_named_before_anything_runs(here, monkeypatch):
    from dsconv_cli.model import save_kinds

    monkeypatch.setattr(save_kinds, "installed", lambda package: package != "onnxscript")
    code, _, err = here("no/such.py:net", "--save", "net.onnx")
    assert code == 2
    assert "--save net.onnx needs onnxscript: pip install 'dsconv-cli[onnx]'" in err

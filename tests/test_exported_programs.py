"""Programs that people export still load, and compute what the network computed: torch itself is the judge."""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from functools import cache

import pt2
import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional
from torch.utils._pytree import tree_flatten

from dsconv_cli import analyse
from dsconv_cli.model.exported.reading import load_program

#: torch's own exporter and loader warn of their own ways.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class Arithmetic(nn.Module):
    """Sizes that are computed from sizes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        n, c, h, w = y.shape
        y = functional.interpolate(y, (h * 2 + 1, w // 3 + 2))
        y = functional.pad(y, (0, -y.shape[3] % 8, 0, -y.shape[2] % 8))
        scale = torch.sym_float(h) / 3 + torch.sym_max(h, w) ** 2
        return y.reshape(n, c, -1)[:, :, : (h * w) // 2] * scale, torch.ones(torch.sym_ite(h > w, h, w) + h % 5)


class Windows(nn.Module):
    """Attention in windows, as vision transformers do it."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 2, stride=2)
        self.attention = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, x):
        y = self.patches(x).permute(0, 2, 3, 1)
        n, h, w, c = y.shape
        y = y.reshape(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        return self.attention(y)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.lstm = nn.LSTM(8, 5, bidirectional=True, batch_first=True)

    def forward(self, x):
        return self.lstm(self.conv(x[:, :, :4, :4]).flatten(2).transpose(1, 2))


class State(nn.Module):
    """Buffers, constants, shared and odd tensors, modules with names that are no identifiers."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 3, 3, padding=1)
        self.two = nn.Conv2d(3, 3, 3, padding=1)
        self.two.weight = self.one.weight
        self.named = nn.ModuleDict({"x-y": nn.Conv2d(3, 3, 1), "é 1": nn.BatchNorm2d(3)})
        self.register_buffer("repeated", torch.ones(1, 1, 1).expand(3, 16, 16))
        self.register_buffer("part", torch.arange(10.0)[3:6])
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x):
        y = self.named["é 1"](self.named["x-y"](self.two(self.one(x)))) + self.repeated + self.part.sum()
        return y + torch.tensor([0.5]) + self.nothing.sum() + self.count, torch.full((2,), float("inf"))


class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.embed = nn.Embedding(5, 8)

    def forward(self, image, *, words, scale=1.0, options=None, flag=False, mode="a"):
        y = self.conv(image) * scale + self.embed(words).sum() + options["bias"] + options["more"][0]
        return OrderedDict(out=y, lists=[y.sum(), {1: y.mean()}, (3, None)] if flag and mode == "b" else [])


class Looks(nn.Module):
    """What it computes depends on values, so that a size is unknown."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        y = self.conv(x).flatten()
        found = (y > 0).nonzero()
        torch._check(found.shape[0] > 2)
        with torch.no_grad():
            return y[found[:, 0]].sum()


IMAGE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
WORDS = {
    "words": torch.tensor([1, 2]),
    "scale": 2.0,
    "options": {"bias": torch.ones(1), "more": [torch.ones(1)]},
    "flag": True,
    "mode": "b",
}
DYNAMIC = ({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},)
PROGRAMS = {
    "arithmetic": (Arithmetic, (IMAGE,), {}, DYNAMIC),
    "windows": (Windows, (IMAGE,), {}, DYNAMIC),
    "recurrent": (Recurrent, (IMAGE,), {}, None),
    "state": (State, (IMAGE,), {}, None),
    "keywords": (Keywords, (IMAGE,), WORDS, None),
    "looks": (Looks, (IMAGE,), {}, None),
    "two inputs": (pt2.Network, pt2.inputs(), {}, ({0: Dim("n", min=2, max=64)}, {"scale": None})),
    "in half precision": (lambda: pt2.Network().bfloat16(), pt2.inputs(), {}, None),
}


@cache
def exported(name):
    make, args, kwargs, sizes = PROGRAMS[name]
    torch.manual_seed(0)
    network = make().eval()
    if name == "in half precision":
        args = (args[0].bfloat16(), args[1])
    with torch.no_grad():
        expected = network(*args, **kwargs)
    return torch.export.export(network, args, kwargs, dynamic_shapes=sizes), args, kwargs, expected


def holds(path, args, kwargs, expected):
    program = load_program(path)
    module = torch.export.unflatten(program)
    given, _ = tree_flatten((args, kwargs))
    examples, _ = tree_flatten(program.example_inputs)
    assert len(examples) == len(given)
    for found, wanted in [*zip(examples, given, strict=True), *pairs(module(*args, **kwargs), expected)]:
        if isinstance(wanted, torch.Tensor):
            torch.testing.assert_close(found, wanted)
        else:
            assert found == wanted


def pairs(found, expected):
    (found, shape), (expected, wanted) = tree_flatten(found), tree_flatten(expected)
    assert shape == wanted
    return zip(found, expected, strict=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_loads_and_computes_the_same(tmp_path, name):
    program, *rest = exported(name)
    torch.export.save(program, tmp_path / "net.pt2")
    holds(tmp_path / "net.pt2", *rest)


def test_decomposed(tmp_path):
    program, *rest = exported("arithmetic")
    torch.export.save(program.run_decompositions(), tmp_path / "net.pt2")
    holds(tmp_path / "net.pt2", *rest)


def test_extra_files_are_left_alone(tmp_path):
    program, *rest = exported("state")
    torch.export.save(program, tmp_path / "net.pt2", extra_files={"note.txt": "from a friend"})
    holds(tmp_path / "net.pt2", *rest)


@pytest.mark.parametrize("name", ["state", "keywords", "looks"])
def test_the_layout_of_torch_2_6(tmp_path, name):
    """As `torch.export.save` of 2.5 to 2.7 wrote it: four entries, three of them pickles of tensors."""
    from torch._export.serde.serialize import serialize

    program, *rest = exported(name)
    written = serialize(program)
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", written.exported_program)
        archive.writestr("serialized_state_dict.pt", written.state_dict)
        archive.writestr("serialized_constants.pt", written.constants)
        archive.writestr("serialized_example_inputs.pt", written.example_inputs)
        archive.writestr("version", "8.2")
    holds(tmp_path / "net.pt2", *rest)


def test_the_layout_of_torch_2_8(tmp_path):
    """Entries as today's, with all weights in one file of `torch.save`'s."""
    program, *rest = exported("state")
    torch.export.save(program, tmp_path / "today.pt2")
    parts = pt2.Parts(tmp_path / "today.pt2")
    for kind, tensors in (("weights", program.state_dict), ("constants", program.constants)):
        buffer = io.BytesIO()
        torch.save(dict(tensors), buffer)
        parts.entries[f"data/{kind}/model.pt"] = buffer.getvalue()
        del parts.entries[f"data/{kind}/model_{kind}_config.json"]
    holds(parts.write(tmp_path / "net.pt2"), *rest)


def test_torch_itself_is_told_nothing_new(tmp_path):
    """What cannot be read though it was understood says why, not that warnings above would."""
    from dsconv_cli.errors import CannotMeasureError

    program, *_ = exported("state")
    torch.export.save(program, tmp_path / "net.pt2")
    parts = pt2.Parts(tmp_path / "net.pt2")
    document = parts.document()
    document["schema_version"]["major"] = 7
    parts.put(document)
    with pytest.raises(CannotMeasureError, match="SerializeError: Serialized schema version"):
        load_program(parts.write(tmp_path / "old.pt2"))


def test_a_convolution_of_whole_numbers_is_told_of():
    """Its numbers cannot be trained, so that torch makes no such module; in a program it may be."""
    conv = nn.Conv2d(3, 8, 3, bias=False)
    conv.weight = nn.Parameter(torch.ones(8, 3, 3, 3, dtype=torch.int64), requires_grad=False)
    image = torch.ones(1, 3, 8, 8, dtype=torch.int64)
    (layer,) = analyse(torch.export.export(nn.Sequential(conv), (image,)), image).layers
    assert (layer.eligible, layer.reason) == (False, "no separable form for int64")

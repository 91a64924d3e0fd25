"""Archives of torch.export's, taken apart, changed and put together again. For tests and for benchmarks/archives.py."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import torch
from torch import nn

#: What code in a crafted archive creates. It must never be there.
SENTINEL = "ran-code"


class Network(nn.Module):
    """A bit of everything that an archive has entries for: weights, a buffer, a constant, two inputs, sizes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.register_buffer("bias", torch.randn(16, 1, 1))

    def forward(self, x, options):
        y = self.head(self.stem(x)) + self.bias + torch.tensor([2.0])
        return {"map": y, "flat": y[:, :, : x.shape[2] // 4].reshape(x.shape[0], -1) * options["scale"]}


def inputs(batch=2, height=16):
    return torch.randn(batch, 3, height, 16), {"scale": torch.ones(1)}


def export_network(path):
    sizes = {"x": {0: torch.export.Dim("n", min=2, max=64), 2: torch.export.Dim.DYNAMIC}, "options": {"scale": None}}
    torch.export.save(torch.export.export(Network().eval(), inputs(), dynamic_shapes=sizes), path)


def touch(where):
    """Python that creates the sentinel, as one expression."""
    return f"__import__('os').system('touch {where}/{SENTINEL}')"


class Bomb:
    """Creates the sentinel when it is unpickled."""

    def __init__(self, where):
        self.where = str(where)

    def __reduce__(self):
        return os.system, (f"touch {self.where}/{SENTINEL}",)


def bomb(where):
    return pickle.dumps(Bomb(where))


def saved_bomb(where):
    """The same in a file of torch.save's."""
    buffer = io.BytesIO()
    torch.save(Bomb(where), buffer)
    return buffer.getvalue()


class Parts:
    """An archive's entries, without their folder, to be changed at will."""

    FOLDER = "net/"
    PROGRAM = "models/model.json"
    WEIGHTS = "data/weights/model_weights_config.json"
    CONSTANTS = "data/constants/model_constants_config.json"
    INPUTS = "data/sample_inputs/model.pt"

    def __init__(self, path):
        with zipfile.ZipFile(path) as archive:
            self.entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}

    def document(self, name=PROGRAM):
        return json.loads(self.entries[name])

    def put(self, document, name=PROGRAM):
        self.entries[name] = json.dumps(document).encode()

    def rename(self, before, after):
        """A name, wherever it stands in the program and in the table of weights."""
        for name in (self.PROGRAM, self.WEIGHTS):
            self.put(renamed(self.document(name), before, after), name)

    def write(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self.entries.items():
                archive.writestr(self.FOLDER + name, content)
        return Path(path)


def renamed(value, before, after):
    if isinstance(value, dict):
        return {after if key == before else key: renamed(one, before, after) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, before, after) for one in value]
    return after if value == before else value


def first(value, key):
    """The first object in a document that has `key`."""
    if isinstance(value, dict):
        if key in value:
            return value
        value = list(value.values())
    return next((found for one in value if (found := first(one, key))), None) if isinstance(value, list) else None

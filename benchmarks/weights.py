"""Can trained weights be kept? Real networks, and a small one trained here, before and after conversion.

    pip install --no-deps rapidocr-onnxruntime==1.4.4 facenet-pytorch==2.6.0; pip install scikit-learn onnx
    python benchmarks/weights.py

Prints what separable pairs keep of the weights of trained detectors and readers; then trains a network of 3×3 layers on
scikit-learn's digits (8×8 pixels, a few seconds on one core) and tells its accuracy after conversion, and after
fine-tuning from fitted against fresh weights, as the mean over seeds.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dsconv_cli import Selection, separate
from dsconv_cli.model.result import InputShape
from dsconv_cli.weights.decomposition import spectrum

SEEDS = range(3)
EPOCHS = 12
MULTIPLIERS = (1, 2, 4, 9)


def main() -> None:
    torch.set_num_threads(1)
    print(f"The eligible layers of ResNet-50, decomposed: {resnet50_seconds():.2f} s on one core\n")
    print("Fidelity of the layers that can be replaced, the least and the median, by depth multiplier M;")
    print("and how many times fewer MACs these layers then have\n")
    print(f"{'network, convolutions':34}{'can be':>7}" + "".join(f"{f'M = {m}':>18}" for m in (1, 2, 4)))
    for name, layers in (*readers(), *detectors()):
        show(name, layers)
    print()
    digits()


def resnet50_seconds() -> float:
    shapes = [(64, 3, 7, 7), *[(64, 64, 3, 3)] * 3, *[(128, 128, 3, 3)] * 4]
    shapes += [*[(256, 256, 3, 3)] * 6, *[(512, 512, 3, 3)] * 3]
    weights = [np.random.default_rng(0).standard_normal(shape).astype(np.float32) for shape in shapes]
    begun = time.process_time()
    for weight in weights:
        spectrum(weight)
    return time.process_time() - begun


Layers = Sequence[tuple[np.ndarray, int]]


def readers() -> Iterator[tuple[str, Layers]]:
    """The networks of rapidocr-onnxruntime, from their files."""
    from dsconv_cli.model.graph.analysis import analyse
    from dsconv_cli.model.graph.reading import read

    for path in sorted((folder("rapidocr_onnxruntime") / "models").glob("*.onnx")):
        graph = read(path)
        (image,) = [one for one in graph.model.graph.input if one.name not in graph.constants]
        sizes = [one.dim_value for one in image.type.tensor_type.shape.dim]
        # What such networks are given: a page, or a line of text.
        usual = (1, 3, 640, 640) if "det" in path.name else (1, 3, 48, 320)
        shape = tuple(size if size > 0 else other for size, other in zip(sizes, usual, strict=True))
        result = analyse(graph, (InputShape(None, shape, ""),), Selection(), fidelity=True)
        yield (
            f"{path.stem}, {len(result.convolutions)}",
            [(graph.values(graph.nodes[one.name].input[1]), one.macs) for one in result.eligible],
        )


def detectors() -> Iterator[tuple[str, Layers]]:
    """The three networks of a face detector, as facenet-pytorch ships them; each weight is used once a position."""
    for name in ("pnet", "rnet", "onet"):
        state = torch.load(folder("facenet_pytorch") / "data" / f"{name}.pt", weights_only=True)
        weights = [one.numpy() for one in state.values() if one.dim() == 4 and one.shape[2:] != (1, 1)]
        count = sum(one.dim() == 4 for one in state.values())
        yield f"facenet-pytorch {name}, {count}", [(one, one.size) for one in weights]


def folder(package: str) -> Path:
    """Where a package's files are; it is not imported, for that needs torchvision and more."""
    found = find_spec(package)
    assert found is not None, f"{package} is not installed"
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0])


def show(name: str, layers: Layers) -> None:
    cells = []
    for multiplier in (1, 2, 4):
        kept = sorted(spectrum(weight).fidelity(multiplier) for weight, _ in layers)
        before = sum(macs for _, macs in layers)
        after = sum(macs * multiplier * (1 / w.shape[0] + 1 / (w.shape[2] * w.shape[3])) for w, macs in layers)
        cells.append(f"{kept[0]:.2f} {kept[len(kept) // 2]:.2f} {before / after:.2f}×" if kept else "nothing eligible")
    print(f"{name:34}{len(layers):7}" + "".join(f"{cell:>18}" for cell in cells))


# --- digits ----------------------------------------------------------------------------------------------------


def network() -> nn.Sequential:
    def block(c: int, k: int) -> list[nn.Module]:
        return [nn.Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU()]

    body = [*block(1, 16), *block(16, 32), nn.MaxPool2d(2), *block(32, 32)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Digits:
    """1797 images of 8×8; a third is kept for testing."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        data = load_digits()
        order = np.random.default_rng(0).permutation(len(data.target))
        images = torch.tensor(data.images[order], dtype=torch.float32)[:, None] / 16 - 0.5
        labels = torch.tensor(data.target[order])
        self.images, self.labels = images[600:], labels[600:]
        self.test_images, self.test_labels = images[:600], labels[:600]

    def accuracy(self, model: nn.Module) -> float:
        model.eval()
        with torch.no_grad():
            return (model(self.test_images).argmax(1) == self.test_labels).float().mean().item()

    def train(self, model: nn.Module, epochs: int, rate: float, seed: int) -> nn.Module:
        model.train()
        generator = torch.Generator().manual_seed(seed)
        steps = torch.optim.Adam(model.parameters(), rate)
        for _ in range(epochs):
            for batch in torch.randperm(len(self.labels), generator=generator).split(64):
                steps.zero_grad()
                nn.functional.cross_entropy(model(self.images[batch]), self.labels[batch]).backward()
                steps.step()
        return model


def digits() -> None:
    data = Digits()
    rows: dict[str, list[float]] = {}
    for seed in SEEDS:
        torch.manual_seed(seed)
        trained = data.train(network(), EPOCHS, 1e-3, seed)
        note(rows, "as trained", data.accuracy(trained))
        for multiplier in MULTIPLIERS:
            chosen = Selection(depth_multiplier=multiplier)
            for weights in ("fit", "refit", "fresh"):
                sample = data.images[:256] if weights == "refit" else (1, 1, 8, 8)
                model = separate(trained, sample, chosen, weights=weights)
                note(rows, f"M = {multiplier}, {weights}, converted", data.accuracy(model))
                for epochs in (1, 5):
                    tuned = data.train(copy.deepcopy(model), epochs, 1e-3, seed)
                    note(rows, f"M = {multiplier}, {weights}, {epochs} epochs", data.accuracy(tuned))
    print(f"Digits, accuracy on 600 images, mean of {len(SEEDS)} seeds: {mean(rows['as trained'])} as trained\n")
    print(f"{'M':>3} {'weights':8}{'converted':>12}{'1 epoch':>10}{'5 epochs':>10}")
    for multiplier in MULTIPLIERS:
        for weights in ("fit", "refit", "fresh"):
            cells = [
                mean(rows[f"M = {multiplier}, {weights}, {when}"]) for when in ("converted", "1 epochs", "5 epochs")
            ]
            print(f"{multiplier:3} {weights:8}{cells[0]:>12}{cells[1]:>10}{cells[2]:>10}")


def note(rows: dict[str, list[float]], name: str, accuracy: float) -> None:
    rows.setdefault(name, []).append(accuracy)


def mean(found: Sequence[float]) -> str:
    return f"{np.mean(found):.1%}"


if __name__ == "__main__":
    main()

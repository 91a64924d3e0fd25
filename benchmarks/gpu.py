"""What decides the ratio on a CUDA GPU: launches, TF32, cuDNN's choice of kernels, the layout. A Markdown table.

    python benchmarks/gpu.py [--batch 1] [--seconds 0.3]

Shares no code with dsconv. Each regime is a process of its own, in which the ordinary convolution and the pair of each
layer take turns, a block of calls each, between two synchronisations, on the wall clock. A graph replays calls that
were captured as a CUDA graph, where launching them costs nearly nothing: what the kernels alone take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import Conv2d, Module, Sequential

#: K, C, kernel, size, stride.
LAYERS = (
    (16, 16, 3, 8, 1),
    (64, 32, 3, 56, 1),
    (128, 128, 3, 56, 1),
    (320, 160, 3, 14, 1),
    (768, 768, 3, 7, 1),
    (64, 64, 7, 56, 1),
    (64, 32, 3, 112, 2),
)
ROUND_S, WARM_S = 0.008, 0.1
#: Calls in one captured graph.
CAPTURED = 20


class Regime(NamedTuple):
    """How it differs from torch's defaults."""

    tf32: bool = True
    benchmark: bool = False
    channels_last: bool = False
    dtype: str = "float32"
    graph: bool = False

    @property
    def layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def how(self) -> dict[str, Any]:
        return {"device": "cuda", "dtype": getattr(torch, self.dtype)}


REGIMES = {
    "as torch has it": Regime(),
    "TF32 off": Regime(tf32=False),
    "cudnn.benchmark on": Regime(benchmark=True),
    "channels last": Regime(channels_last=True),
    "float16": Regime(dtype="float16"),
    "float16, channels last": Regime(dtype="float16", channels_last=True),
    "as a graph": Regime(graph=True),
    "as a graph, float16, channels last": Regime(graph=True, dtype="float16", channels_last=True),
}


class Work(NamedTuple):
    """What is timed, and how many calls of the module it makes."""

    call: Callable[[], object]
    calls: int = 1


def work(module: Module, image: torch.Tensor, regime: Regime) -> Work:
    module = module.eval().to(memory_format=regime.layout)  # type: ignore[call-overload]
    if not regime.graph:
        return Work(lambda: module(image))
    for _ in range(3):
        module(image)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CAPTURED):
            module(image)
    return Work(graph.replay, CAPTURED)


def block(call: Callable[[], object], times: int) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        call()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def timed(works: dict[str, Work], seconds: float) -> dict[str, float]:
    """Median seconds of one call of the module."""
    end = time.perf_counter() + WARM_S
    while time.perf_counter() < end:
        rough = sum(block(one.call, 1) for one in works.values())
    times = max(1, round(ROUND_S / rough))
    found: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found["ordinary"]) < 5:
        for name, one in works.items():
            found[name].append(block(one.call, times) / (times * one.calls))
    return {name: statistics.median(values) for name, values in found.items()}


def in_regime(regime: Regime, batch: int, seconds: float) -> list[dict[str, float]]:
    """Both forms of each layer; last a call that has next to nothing to compute."""
    torch.backends.cudnn.allow_tf32 = regime.tf32
    torch.backends.cudnn.benchmark = regime.benchmark
    rows = []
    with torch.inference_mode():
        for k, c, kernel, size, stride in LAYERS:
            spatial = {"stride": stride, "padding": kernel // 2, "bias": False, **regime.how}
            pair = Sequential(Conv2d(c, c, kernel, groups=c, **spatial), Conv2d(c, k, 1, bias=False, **regime.how))
            image = torch.randn(batch, c, size, size, **regime.how).to(memory_format=regime.layout)
            forms = {"ordinary": Conv2d(c, k, kernel, **spatial), "separable": pair}
            rows.append(timed({name: work(module, image, regime) for name, module in forms.items()}, seconds))
        pixel = torch.randn(1, 16, 1, 1, **regime.how).to(memory_format=regime.layout)
        nothing = work(Conv2d(16, 16, 1, bias=False, **regime.how), pixel, regime)
        rows.append(timed({"ordinary": nothing}, seconds))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each layer of each regime")
    parser.add_argument("--regime", choices=REGIMES, help="what each of the processes does")
    asked = parser.parse_args()
    if asked.regime:
        print(json.dumps(in_regime(REGIMES[asked.regime], asked.batch, asked.seconds)))
        return
    names = [f"{k}×{c}×{r}×{r} on {size}×{size}{f' stride {s}' * (s > 1)}" for k, c, r, size, s in LAYERS]
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, batch {asked.batch}\n")
    print(f"| regime | {' | '.join(names)} | a call |")
    print("|---" * (len(names) + 2) + "|", flush=True)
    for regime in REGIMES:
        *rows, nothing = json.loads(subprocess.check_output([sys.executable, *sys.argv, "--regime", regime]))
        cells = [
            f"{row['ordinary'] / row['separable']:.2f} ({1e6 * row['ordinary']:.1f}, {1e6 * row['separable']:.1f} µs)"
            for row in rows
        ]
        print(f"| {regime} | {' | '.join(cells)} | {1e6 * nothing['ordinary']:.1f} µs |", flush=True)


if __name__ == "__main__":
    main()

"""A layer timed as anyone would by hand. Shares no code with dsconv, so that dsconv can be held against it.

    python benchmarks/plain.py K C R S H W [--stride 1] [--batch 1] [--threads 1] [--device cpu] [--processes 24]

Each of the processes is a new interpreter. In it the ordinary convolution, the pair and the halves of the pair take
turns, a block of calls each, on the wall clock; a form's time is the median of its blocks. The ratio is the geometric
mean over the processes, with the standard error of its logarithm; the seconds are medians over the processes. The state
is that of a program that has run for a while: memory has been freed before, everything was called before. One line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from typing import Any

ROUND_S = 0.008
WARM_S = 0.15
FREED_BYTES = 31 * 2**20


def one_process(layer: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a call: ordinary, separable, depthwise, pointwise."""
    import torch
    from torch.nn import Conv2d, Sequential

    torch.set_num_threads(layer.threads)
    torch.set_flush_denormal(True)
    torch.empty(FREED_BYTES, dtype=torch.uint8)
    how: dict[str, Any] = {"bias": False, "device": layer.device}
    spatial: dict[str, Any] = {"stride": layer.stride, "padding": (layer.r // 2, layer.s // 2), **how}
    ordinary = Conv2d(layer.c, layer.k, (layer.r, layer.s), **spatial)
    depthwise = Conv2d(layer.c, layer.c, (layer.r, layer.s), groups=layer.c, **spatial)
    pointwise = Conv2d(layer.c, layer.k, 1, **how)
    image = torch.randn(layer.batch, layer.c, layer.h, layer.w, device=layer.device)
    with torch.inference_mode():
        middle = depthwise(image)
        work = {
            "ordinary": (ordinary.eval(), image),
            "separable": (Sequential(depthwise, pointwise).eval(), image),
            "depthwise": (depthwise, image),
            "pointwise": (pointwise, middle),
        }

        def block(name: str, calls: int) -> float:
            module, given = work[name]
            started = time.perf_counter()
            for _ in range(calls):
                module(given)
            if layer.device != "cpu":
                torch.cuda.synchronize()
            return time.perf_counter() - started

        end = time.perf_counter() + WARM_S
        while time.perf_counter() < end:
            for name in work:
                block(name, 1)
        calls = max(1, round(ROUND_S / (block("ordinary", 1) + block("separable", 1))))
        times: dict[str, list[float]] = {name: [] for name in work}
        end = time.perf_counter() + layer.seconds
        while time.perf_counter() < end or len(times["ordinary"]) < 5:
            for name in work:
                block(name, 1)
                times[name].append(block(name, calls) / calls)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("k", "c", "r", "s", "h", "w"):
        parser.add_argument(name, type=int, metavar=name.upper())
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--alone", action="store_true", help="what each of the processes does")
    layer = parser.parse_args()
    if layer.alone:
        print(json.dumps(one_process(layer)))
        return
    command = [sys.executable, *sys.argv, "--alone"]
    found = [json.loads(subprocess.check_output(command)) for _ in range(layer.processes)]
    logs = [math.log(one["ordinary"] / one["separable"]) for one in found]
    print(
        json.dumps(
            {
                "ratio": math.exp(statistics.fmean(logs)),
                "standard_error": statistics.stdev(logs) / math.sqrt(len(logs)),
                "spread": statistics.stdev(logs),
                **{f"{name}_s": statistics.median(one[name] for one in found) for name in found[0]},
                "processes": layer.processes,
            }
        )
    )


if __name__ == "__main__":
    main()

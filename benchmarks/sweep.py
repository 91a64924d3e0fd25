"""What a layer of a sweep costs, side by side with thop on meta tensors; by hand: `python benchmarks/sweep.py`.

Commands take turns, so that drift of the machine hits all alike. `MILLION=100000` and `LAYERS=200` make it shorter.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "3"))
MILLION = int(os.environ.get("MILLION", "1000000"))
LAYERS = int(os.environ.get("LAYERS", "1000"))
DSCONV = (sys.executable, "-m", "dsconv_cli", "sweep", "--quiet")

#: Both forms of every layer that `grid` sweeps, built and counted on the meta device, and nothing else.
PLAIN = """
import sys, time, thop, torch
from torch import nn
channels, outputs = int(sys.argv[1]), int(sys.argv[2])
def count(module, c):
    return thop.profile(module, (torch.empty(1, c, 56, 56, device="meta"),), verbose=False)
def conv(c, k, *size, **more):
    return nn.Conv2d(c, k, *size, bias=False, device="meta", **more)
def layer(c, k):
    count(nn.Sequential(conv(c, k, 3, padding=1)), c)
    count(nn.Sequential(conv(c, c, 3, padding=1, groups=c), conv(c, k, 1)), c)
layer(8, 8)
start = time.perf_counter()
for c in range(1, channels + 1):
    for k in range(1, outputs + 1):
        layer(c, k)
print(time.perf_counter() - start)
"""


def grid(layers: int) -> tuple[int, int]:
    """Channels and outputs whose product is `layers`, for a number of zeros."""
    channels = 10 ** (len(str(layers)) // 2)
    return channels, layers // channels


def plain(layers: int) -> float:
    """Seconds a layer of the plain loop, without its imports."""
    arguments = [str(number) for number in grid(layers)]
    done = subprocess.run([sys.executable, "-c", PLAIN, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout) / layers


def sweep(layers: int, profiler: str, folder: Path) -> tuple[float, int]:
    """Seconds of a whole sweep to CSV, start-up and imports included, and its peak memory in KiB."""
    channels, outputs = grid(layers)
    output = folder / "rows.csv"
    command = [*DSCONV, "--c", f"1:{channels}", "--k", f"1:{outputs}", "--profiler", profiler, "--output", str(output)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    assert status == 0, command
    with output.open("rb") as rows:
        assert sum(1 for _ in rows) == channels * outputs + 1
    return elapsed, usage.ru_maxrss


def main() -> None:
    plains, closed, counted = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = sweep(max(MILLION // 100, 100), "none", folder)[1]
        for _ in range(ROUNDS):
            plains.append(plain(LAYERS))
            seconds, large = sweep(MILLION, "none", folder)
            closed.append(seconds / MILLION)
            # Imports are paid once, whatever the number of layers: the difference of two sweeps is free of them.
            many, few = sweep(2 * LAYERS, "thop", folder)[0], sweep(LAYERS, "thop", folder)[0]
            counted.append((many - few) / LAYERS)
    each = [statistics.median(seconds) for seconds in (plains, closed, counted)]
    print(f"thop on meta tensors, both forms     {each[0] * 1e6:8.1f} µs a layer")
    print(f"sweep --profiler none, all columns   {each[1] * 1e6:8.1f} µs a layer, {each[0] / each[1]:.1f}× faster (20)")
    print(
        f"sweep --profiler thop, all columns   {each[2] * 1e6:8.1f} µs a layer, {each[2] / each[0]:.2f}× as long (1.5)"
    )
    print(f"peak memory, {MILLION:,} layers: {large / 1024:.1f} MiB; a hundredth of them: {small / 1024:.1f} MiB")


if __name__ == "__main__":
    main()

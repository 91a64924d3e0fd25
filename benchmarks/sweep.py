"""What a layer of a sweep costs, side by side with thop on meta tensors; by hand: `python benchmarks/sweep.py`.

Processor time of one process, which other programs disturb least, in turns, so that drift hits all alike.
`MILLION=100000` and `LAYERS=200` make it shorter.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
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
start = time.process_time()
for c in range(1, channels + 1):
    for k in range(1, outputs + 1):
        layer(c, k)
print(time.process_time() - start)
"""

#: The command on the same layers, after a sweep of one layer has loaded what there is to load.
COUNTED = """
import sys, time
from dsconv_cli.cli import run
def sweep(c, k):
    assert run(["sweep", "--quiet", "--c", f"1:{c}", "--k", f"1:{k}", "--output", sys.argv[3]]) == 0
sweep(1, 1)
start = time.process_time()
sweep(int(sys.argv[1]), int(sys.argv[2]))
print(time.process_time() - start)
"""


def grid(layers: int) -> tuple[int, int]:
    """Channels and outputs whose product is `layers`, for a number of zeros."""
    channels = 10 ** (len(str(layers)) // 2)
    return channels, layers // channels


def a_layer(script: str, layers: int, output: Path) -> float:
    """Seconds a layer of one of the scripts above, without its imports."""
    arguments = [*map(str, grid(layers)), str(output)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True)
    return float(done.stdout) / layers


def closed_forms(layers: int, folder: Path) -> tuple[float, int]:
    """Seconds of a whole sweep to CSV, start-up included, and its peak memory in KiB."""
    channels, outputs = grid(layers)
    output = folder / "rows.csv"
    command = [*DSCONV, "--c", f"1:{channels}", "--k", f"1:{outputs}", "--profiler", "none", "--output", str(output)]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    with output.open("rb") as rows:
        assert sum(1 for _ in rows) == channels * outputs + 1
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    plains, closed, counted = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = closed_forms(max(MILLION // 100, 100), folder)[1]
        for _ in range(ROUNDS):
            plains.append(a_layer(PLAIN, LAYERS, folder / "rows.csv"))
            counted.append(a_layer(COUNTED, LAYERS, folder / "rows.csv"))
            seconds, large = closed_forms(MILLION, folder)
            closed.append(seconds / MILLION)
    each = [statistics.median(seconds) for seconds in (plains, closed, counted)]
    print(f"thop on meta tensors, both forms     {each[0] * 1e6:8.1f} µs a layer")
    print(f"sweep --profiler none, all columns   {each[1] * 1e6:8.1f} µs a layer, {each[0] / each[1]:.1f}× faster (20)")
    print(
        f"sweep --profiler thop, all columns   {each[2] * 1e6:8.1f} µs a layer, {each[2] / each[0]:.2f}× as long (1.5)"
    )
    print(f"peak memory, {MILLION:,} layers: {large / 1024:.1f} MiB; a hundredth of them: {small / 1024:.1f} MiB")


if __name__ == "__main__":
    main()

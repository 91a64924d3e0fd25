"""What a row of a sweep costs, side by side in one run; by hand: `python benchmarks/sweep.py`.

Rows by arithmetic are held against `csv.writer` on as many ready values, layers that are counted against thop,
torchinfo and fvcore, which compute nothing (those that are installed; no dependency of ours). Processor time of one
process, which other programs disturb least, in turns, so that drift hits all alike; only what several processes gain
is time on the clock, for a machine that does nothing else. `ROWS`, `LAYERS` and `JOBS` (500,4000) are how many.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "3"))
ROWS = int(os.environ.get("ROWS", "200000"))
LAYERS = int(os.environ.get("LAYERS", "1000"))
JOBS = tuple(map(int, os.environ.get("JOBS", "500,1000,2000,4000,8000").split(",")))
DSCONV = (sys.executable, "-m", "dsconv_cli", "sweep", "--quiet")

#: A plain grid, one in which everything varies, and a condition. 55 x 55 has no powers of two.
GRIDS = {
    "K x C": ("--k", "1:{}", "--c", "1:200", "--h", "55", "--w", "55"),
    "all fields": (
        "--k", "1:{}", "--c", "8:16:8", "--r", "1,3", "--s", "3,5", "--h", "55", "--w", "7:55:48", "--stride", "1,2x1",
        "--padding", "half,valid", "--dtype", "float32,int8",
    ),
    "--where": ("--k", "1:{}", "--c", "1:200", "--h", "55", "--where", "macs.ratio > 1.01 and k + c > 3"),
}  # fmt: skip
#: Rows of the grids above for each value of K.
EACH = {"K x C": 200, "all fields": 128, "--where": 200}
FORMATS = ("csv", "jsonl", "parquet") if find_spec("pyarrow") else ("csv", "jsonl")

#: As many values as a row has, written by Python's own writer: what text costs at least.
WRITER = """
import csv, sys, time
from itertools import cycle, islice
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.data import bare
from dsconv_cli.layer.spec import ConvSpec
def ready(one):
    return tuple(v if type(v) in (int, float) else bare(v) for v in KEYS.read_all(one, tuple(KEYS)))
rows = [ready(closed_forms(ConvSpec(k, c, h=55, w=55))) for k in range(1, 41) for c in range(1, 51)]
with open(sys.argv[2], "w", newline="") as stream:
    write = csv.writer(stream, lineterminator="\\n").writerow
    start = time.process_time()
    for row in islice(cycle(rows), int(sys.argv[1])):
        write(row)
print((time.process_time() - start) / int(sys.argv[1]))
"""

#: The command on a grid, after a sweep of one layer has loaded what there is to load.
SWEEP = """
import sys, time
from dsconv_cli.cli import run
rows, path, *arguments = sys.argv[1:]
def sweep(*more):
    assert run(["sweep", "--quiet", "--output", path, *more]) == 0
sweep("--k", "1:500", "--c", "1", *arguments[-2:]) if "none" in arguments else sweep("--k", "1", "--c", "1")
start = time.process_time()
sweep(*arguments)
print((time.process_time() - start) / int(rows))
"""

#: A sweep that counts in several processes, however few its layers are.
SHARED = """
import sys
from dsconv_cli.cli import run
from dsconv_cli.sweep import parallel
parallel.PAYS_FROM = 1
assert run(["sweep", "--quiet", *sys.argv[1:]]) == 0
"""

#: Both forms of every layer of a grid, built and counted without computing by one of the peers, and nothing else.
PEER = """
import sys, time, torch
from torch import nn
rows, _, name = sys.argv[1:]
if name == "thop":
    import thop
    count = lambda module, x: thop.profile(module, (x,), verbose=False)
elif name == "torchinfo":
    import torchinfo
    count = lambda module, x: torchinfo.summary(module, input_data=x, device="meta", verbose=0)
else:
    import logging, warnings
    warnings.simplefilter("ignore")
    from fvcore.nn import FlopCountAnalysis, parameter_count
    logging.disable()
    count = lambda module, x: (FlopCountAnalysis(module, x).total(), parameter_count(module))
# fvcore traces, which meta tensors do not stand; of a batch of none a processor computes nothing either.
batch, device = (0, "cpu") if name == "fvcore" else (1, "meta")
def conv(c, k, *size, **more):
    return nn.Conv2d(c, k, *size, bias=False, device=device, **more)
def layer(c, k):
    x = torch.empty(batch, c, 55, 55, device=device)
    count(nn.Sequential(conv(c, k, 3, padding=1)), x)
    count(nn.Sequential(conv(c, c, 3, padding=1, groups=c), conv(c, k, 1)), x)
layer(8, 8)
start = time.process_time()
for number in range(int(rows)):
    layer(1 + number // 25, 1 + number % 25)
print((time.process_time() - start) / int(rows))
"""


def seconds(script: str, rows: int, output: Path, *arguments: str) -> float:
    """Seconds a row of one of the scripts above, without its imports."""
    command = [sys.executable, "-c", script, str(rows), str(output), *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def closed_forms(folder: Path) -> dict[tuple[str, ...], float]:
    """Rows by arithmetic, in each format, and what `csv.writer` takes; medians of the rounds."""
    found: dict[tuple[str, ...], list[float]] = {}
    for _ in range(ROUNDS):
        found.setdefault(("csv.writer",), []).append(seconds(WRITER, ROWS, folder / "plain.csv"))
        for name, grid in GRIDS.items():
            values = ROWS // EACH[name]
            arguments = [part.format(values) for part in grid]
            for form in FORMATS:
                cost = seconds(SWEEP, values * EACH[name], folder / f"rows.{form}", *arguments, "--profiler", "none")
                found.setdefault((name, form), []).append(cost)
    return {key: statistics.median(values) for key, values in found.items()}


def counted(folder: Path) -> dict[str, float]:
    """Layers that are counted on modules, by us and by others; medians of the rounds."""
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name in ("thop", "torchinfo", "fvcore"):
            if find_spec(name) is not None:
                found.setdefault(name, []).append(seconds(PEER, LAYERS, folder / "none", name))
        grid = ("--c", "1:25", "--k", f"1:{LAYERS // 25}")
        found.setdefault("dsconv sweep", []).append(seconds(SWEEP, LAYERS // 25 * 25, folder / "rows.csv", *grid))
    return {name: statistics.median(values) for name, values in found.items()}


def on_the_clock(layers: int, jobs: int, folder: Path) -> float:
    """Seconds of a whole command that counts."""
    arguments = ("--c", "1:25", "--k", f"1:{layers // 25}", "--jobs", str(jobs), "--output", str(folder / "rows.csv"))
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", SHARED, *arguments], check=True)
    return time.monotonic() - begun


def peak_kib(rows: int, folder: Path, *more: str) -> int:
    """Peak memory of a whole sweep by arithmetic, in KiB."""
    grid = ("--c", "1:100", "--k", f"1:{rows // 100}", "--profiler", "none", "--output", str(folder / "rows.csv"))
    process = subprocess.Popen([*DSCONV, *grid, *more])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = closed_forms(folder)
        base = rows.pop(("csv.writer",))
        print(f"csv.writer on as many ready values      {base * 1e6:8.1f} µs a row")
        for (grid, form), cost in rows.items():
            print(f"--profiler none, {grid:10}  {form:8}   {cost * 1e6:8.1f} µs a row, {cost / base:.2f} times that")
        for more in ((), ("--sort", "macs.ratio")):
            small, large = (peak_kib(size, folder, *more) for size in (ROWS // 2, ROWS))
            each = 1024 * (large - small) / (ROWS - ROWS // 2)
            print(
                f"memory, {' '.join(more) or 'in the order of the grid':25} {large / 1024:.1f} MiB, {each:.0f} B a row"
            )
        for peer, cost in counted(folder).items():
            print(f"{peer:24} counting both forms {cost * 1e6:8.1f} µs a layer")
        for layers in JOBS:
            one, two = (min(on_the_clock(layers, jobs, folder) for _ in range(ROUNDS)) for jobs in (1, 2))
            print(
                f"{layers:,} layers counted by 1 process {one:.2f} s, by 2 {two:.2f} s, {one / two:.2f} times as fast"
            )


if __name__ == "__main__":
    main()

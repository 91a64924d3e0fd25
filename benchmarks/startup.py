"""What a run costs, side by side with the imports it cannot do without.

Run by hand: `python benchmarks/startup.py`.

Commands of a pair take turns, so that drift of the machine hits both; the figure is the median of the ratios.
Bytecode is written first, as pip does: where PYTHONDONTWRITEBYTECODE is set, a checkout is compiled anew in each run.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

RUNS = int(os.environ.get("RUNS", "11"))
DSCONV = str(Path(sysconfig.get_path("scripts")) / "dsconv")
PYTHON = (sys.executable, "-c")
LAYER = (DSCONV, "compare", "--k", "64", "--c", "32", "--r", "3", "--s", "3")
HUGE = (DSCONV, "compare", *["--k", "4096", "--c", "4096", "--h", "4096", "--w", "4096"])
TORCH = (*PYTHON, "import torch, thop")

PAIRS = (
    ("compare, thop", LAYER, TORCH, 1.15),
    ("compare, thop, K = C = 4096 on 4096×4096", HUGE, TORCH, 1.15),
    ("compare --get", (*LAYER, "--profiler", "none", "--get", "macs.ratio"), (*PYTHON, "import typer"), 1.6),
    ("compare --profiler none", (*LAYER, "--profiler", "none"), (*PYTHON, "import typer"), 3.0),
    ("--version", (DSCONV, "--version"), (*PYTHON, "pass"), 2.5),
)


def run(command: tuple[str, ...]) -> tuple[float, int]:
    """Wall seconds and peak memory (KiB) of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - start, usage.ru_maxrss


def first_figures() -> float:
    """Seconds until the closed forms stand in a terminal."""
    import pty

    parent, child = pty.openpty()
    start = time.perf_counter()
    process = subprocess.Popen(LAYER, stdin=child, stdout=child, stderr=child)
    os.close(child)
    seen = b""
    while b"57,802,752" not in seen:
        seen += os.read(parent, 4096)
    elapsed = time.perf_counter() - start
    try:
        while os.read(parent, 4096):
            pass
    except OSError:
        pass
    process.wait()
    os.close(parent)
    return elapsed


def main() -> None:
    compileall.compile_dir(Path(__file__).parents[1] / "dsconv_cli", quiet=1)
    for name, ours, theirs, limit in PAIRS:
        run(ours), run(theirs)
        pairs = [(run(ours), run(theirs)) for _ in range(RUNS)]
        ratios = sorted(one[0] / other[0] for one, other in pairs)
        memory = statistics.median(one[1] / other[1] for one, other in pairs)
        spread = f"from {ratios[0]:.2f} to {ratios[-1]:.2f}, wanted ≤ {limit}"
        print(f"{name}: time {statistics.median(ratios):.2f}× ({spread}), memory {memory:.2f}×, against {theirs[-1]!r}")
    times = sorted(first_figures() for _ in range(RUNS))
    print(f"first figures in a terminal: {statistics.median(times):.2f} s (up to {times[-1]:.2f}, wanted ≤ 0.25)")


if __name__ == "__main__":
    main()

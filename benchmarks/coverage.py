"""Does a 95 % interval hold the long-run ratio? Repeats whole measurements and prints how often, and how wide.

    python benchmarks/coverage.py [--runs 20] [--budget 15] [--layers 5]

A run is everything that `dsconv compare --time` does, in a new interpreter. The layers take turns, so that the
long run is as long as the whole benchmark and everything else that the machine did meanwhile is in it. The long-run
ratio of a layer is the mean, in the logarithm, over all of its runs. A/A runs time an ordinary convolution against
itself: there the truth is known to be 1. Ctrl-C ends it early, with what there is by then.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from contextlib import suppress
from statistics import mean, median

from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Interval
from dsconv_cli.timing.settings import TimingSettings
from dsconv_cli.timing.timer import Timer

LAYERS = {
    "16x16x3x3 on 8x8": ConvSpec(16, 16, h=8, w=8),
    "64x32x3x3 on 32x32": ConvSpec(64, 32, h=32, w=32),
    "128x128x3x3 on 28x28": ConvSpec(128, 128, h=28, w=28),
    "512x512x3x3 on 14x14": ConvSpec(512, 512, h=14, w=14),
    "64x64x7x7 on 56x56": ConvSpec(64, 64, r=7, s=7, h=56, w=56),
}
SELF = "64x32x3x3 on 32x32"


def one_run(spec: ConvSpec, settings: TimingSettings, *, against_itself: bool) -> tuple[Interval, bool, int]:
    with Timer(settings) as timer:
        if against_itself:
            found = timer.noise_floor(spec)
            return found.speedup, found.reliable, found.processes
        timing = timer.time(spec)
        return timing.speedup, timing.reliable, timing.processes


def show(name: str, run: tuple[Interval, bool, int]) -> None:
    gain, reliable, processes = run
    print(
        f"{name}: {gain.value:.4f} {gain.low:.4f} {gain.high:.4f} {reliable} {processes}", file=sys.stderr, flush=True
    )


def report(name: str, macs: int, runs: list[tuple[Interval, bool, int]], truth: float | None = None) -> float:
    gains = [gain for gain, _, _ in runs]
    long_run = truth or math.exp(mean(math.log(gain.value) for gain in gains))
    covered = mean(gain.low <= long_run <= gain.high for gain in gains)
    widths = sorted(gain.half_width for gain in gains)
    print(
        f"{name:22} {macs:9.2g} {long_run:7.3f} {covered:9.0%} {median(widths):11.1%} {widths[-1]:8.1%} "
        f"{mean(width <= 0.05 for width in widths):9.0%} {mean(ok for _, ok, _ in runs):9.0%} "
        f"{mean(count for _, _, count in runs):9.1f}",
        flush=True,
    )
    return covered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--budget", type=float, default=15.0)
    parser.add_argument("--layers", type=int, default=len(LAYERS))
    options = parser.parse_args()
    settings = TimingSettings(budget_s=options.budget)
    layers = dict(list(LAYERS.items())[: options.layers])
    results: dict[str, list[tuple[Interval, bool, int]]] = {name: [] for name in [*layers, "A/A"]}
    started, loads = time.monotonic(), []
    with suppress(KeyboardInterrupt):
        for _ in range(options.runs):
            for name, spec in layers.items():
                loads.append(os.getloadavg()[0])
                results[name].append(one_run(spec, settings, against_itself=False))
                show(name, results[name][-1])
            results["A/A"].append(one_run(LAYERS[SELF], settings, against_itself=True))
            show("A/A", results["A/A"][-1])
    done, minutes = len(results["A/A"]), (time.monotonic() - started) / 60
    print(
        f"{done} runs a layer, budget {options.budget:g} s, {minutes:.0f} min, "
        f"load {min(loads):.1f} to {max(loads):.1f}\n"
        f"{'layer':22} {'MACs':>9} {'ratio':>7} {'coverage':>9} {'half-width':>11} {'widest':>8} {'<= 5 %':>9} "
        f"{'reliable':>9} {'processes':>9}"
    )
    covered = [report(name, cost(spec).macs.ordinary, results[name]) for name, spec in layers.items()]
    itself = report(f"A/A {SELF}", cost(LAYERS[SELF]).macs.ordinary, results["A/A"], truth=1.0)
    print(f"coverage over all layers: {mean(covered):.0%}; A/A intervals that hold 1: {itself:.0%}")


if __name__ == "__main__":
    main()

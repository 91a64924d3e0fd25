"""Does what `dsconv compare --time` says hold against a plain measurement? Tables of how often, how far off, how wide.

    python benchmarks/coverage.py RESULTS.jsonl [--busy] [--runs 2] [--layers 12] [--limit MINUTES] [--report]

For each layer in turn: a plain measurement, then so many runs of dsconv, each followed by another plain measurement.
The plain one is `benchmarks/plain.py`, which shares no code with dsconv; `--referee PROGRAM` names another that takes
the same arguments and prints the same line of JSON. A run is held against the plain measurements just before and after.
The noise floor of `dsconv doctor` is a convolution timed against itself, where the truth is 1.

Every result is appended to RESULTS.jsonl as it comes, and what is there already is not measured again: the same command
goes on where it was stopped, by Ctrl-C or by `--limit`. `--busy` keeps one process for each core busy meanwhile.
`--report` prints the tables of what the file holds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

PLAIN = Path(__file__).with_name("plain.py")
DSCONV = (sys.executable, "-m", "dsconv_cli")
PARTS = ("ordinary", "separable", "depthwise", "pointwise")
#: What `dsconv doctor` does for its noise floor, and nothing of the rest: a layer against itself.
ITSELF = """
import json, sys
from dsconv_cli import ConvSpec, TimingSettings
from dsconv_cli.timing.doctor import LAYER
from dsconv_cli.timing.timer import Timer
with Timer(TimingSettings(**json.loads(sys.argv[1]))) as timer:
    found, _ = timer.noise_floor(ConvSpec(**LAYER))
print(json.dumps([[gain.value, gain.low, gain.high] for gain in (found.speedup, found.fastest.speedup)]))
"""
#: A verdict is asked for where the forms differ by this much, and should be there within so many seconds.
CLEAR, QUICK_S = 1.25, 4.0


class Layer(NamedTuple):
    """K, C, kernel and size, both square, stride and batch."""

    k: int
    c: int
    kernel: int
    size: int
    stride: int = 1
    batch: int = 1

    @property
    def name(self) -> str:
        extras = {"stride": self.stride, "batch": self.batch}
        more = "".join(f" {name} {value}" for name, value in extras.items() if value > 1)
        return f"{self.k}×{self.c}×{self.kernel}×{self.kernel} on {self.size}×{self.size}{more}"


LAYERS = (
    Layer(24, 24, 3, 40),
    Layer(96, 48, 3, 28),
    Layer(320, 160, 3, 14),
    Layer(128, 64, 5, 20),
    Layer(768, 768, 3, 7),
    Layer(32, 32, 3, 112),
    Layer(8, 8, 3, 112, stride=2),
    Layer(64, 64, 7, 56),
    Layer(64, 32, 3, 56, stride=2),
    Layer(256, 128, 3, 14, batch=8),
    Layer(48, 48, 5, 28, batch=8),
    Layer(16, 16, 3, 8),
)


@dataclass(frozen=True)
class Bench:
    """How to measure, and where results go."""

    path: Path
    condition: str
    referee: Path | None
    processes: int
    budget: float
    threads: int
    device: str
    deadline: float

    def rows(self) -> list[dict[str, Any]]:
        """What was measured so far, in its order."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def record(self, kind: str, layer: str, result: dict[str, Any]) -> None:
        row = {
            "kind": kind, "condition": self.condition, "layer": layer, "at": time.time(), "load": os.getloadavg()[0],
            **result,
        }  # fmt: skip
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{kind:7} {layer:34} {row.get('ratio') or row['speedup']['value']:.3f}", file=sys.stderr, flush=True)

    def plain(self, layer: Layer) -> None:
        place = [layer.k, layer.c, layer.kernel, layer.kernel, layer.size, layer.size]
        options = {"--stride": layer.stride, "--threads": self.threads, "--processes": self.processes}
        if self.referee is None:
            options |= {"--batch": layer.batch, "--device": self.device}
        command = [str(self.referee or PLAIN), *place, *(word for pair in options.items() for word in pair)]
        said = subprocess.check_output([sys.executable, *map(str, command)])
        self.record("plain", layer.name, json.loads(said))

    def dsconv(self, layer: Layer) -> None:
        options = {
            "--k": layer.k, "--c": layer.c, "--r": layer.kernel, "--s": layer.kernel, "--h": layer.size,
            "--w": layer.size, "--stride": layer.stride, "--batch": layer.batch, "--profiler": "none",
        }  # fmt: skip
        self.record("dsconv", layer.name, self._said("compare", "--time", **options)["time"])

    def itself(self) -> None:
        asked = json.dumps({"budget_s": self.budget, "threads": self.threads, "device": self.device})
        said = subprocess.check_output([sys.executable, "-c", ITSELF, asked])
        typical, fastest = (dict(zip(("value", "low", "high"), gain, strict=True)) for gain in json.loads(said))
        self.record("A/A", "", {"speedup": typical, "fastest": {"speedup": fastest}})

    def _said(self, *words: str, **options: object) -> dict[str, Any]:
        every = {"--budget": self.budget, "--threads": self.threads, "--device": self.device, **options}
        command = [*DSCONV, *words, "--format", "json", *(str(word) for pair in every.items() for word in pair)]
        return json.loads(subprocess.check_output(command))  # type: ignore[no-any-return]

    def run(self, layers: tuple[Layer, ...], runs: int, itself: int) -> None:
        """Measure what the file lacks, one layer after the other, until it lacks nothing or the time is over."""
        for number in range(runs):
            for place, layer in enumerate(layers, 1):
                if self._there("dsconv", layer.name) <= number:
                    if not self._ends_plain(layer.name):
                        self.plain(layer)
                    self.dsconv(layer)
                    self.plain(layer)
                while self._there("A/A", "") < itself * (number + place / len(layers)) / runs:
                    self.itself()
                if time.monotonic() > self.deadline:
                    return

    def _there(self, kind: str, layer: str) -> int:
        return sum(self._is(row, kind, layer) for row in self.rows())

    def _ends_plain(self, layer: str) -> bool:
        """Whether the last thing that was measured is a plain measurement of this layer, just now."""
        last = self.rows()[-1:]
        return bool(last) and self._is(last[0], "plain", layer) and time.time() - last[0]["at"] < 60

    def _is(self, row: dict[str, Any], kind: str, layer: str) -> bool:
        return (row["kind"], row["layer"], row["condition"]) == (kind, layer, self.condition)


class Judged(NamedTuple):
    """A run of dsconv beside the plain measurements just before and after it, pooled."""

    run: dict[str, Any]
    ratio: float
    error: float
    seconds: dict[str, float]

    @classmethod
    def of(cls, run: dict[str, Any], plain: list[dict[str, Any]]) -> Judged:
        logs = [math.log(one["ratio"]) for one in plain]
        error = math.sqrt(sum(one["standard_error"] ** 2 for one in plain)) / len(plain)
        seconds = {
            name: statistics.fmean(one[f"{name}_s"] for one in plain) for name in PARTS if f"{name}_s" in plain[0]
        }
        return cls(run, statistics.fmean(logs), error, seconds)

    def holds(self, which: str) -> bool:
        """Whether the interval contains the plain value, within two standard errors of that."""
        gain = self.gain(which)
        return math.log(gain["low"]) - 2 * self.error <= self.ratio <= math.log(gain["high"]) + 2 * self.error

    def bias(self, which: str) -> float:
        return math.log(self.gain(which)["value"]) - self.ratio

    def gain(self, which: str) -> dict[str, float]:
        found: dict[str, float] = (self.run if which == "typical" else self.run["fastest"])["speedup"]
        return found


def judged(rows: list[dict[str, Any]]) -> Iterator[Judged]:
    """Every run that has plain measurements of its layer before and after it."""
    for place, row in enumerate(rows):
        if row["kind"] == "dsconv":
            around = (reversed(rows[:place]), rows[place + 1 :])
            plain = [next((one for one in side if _plain_of(one, row)), None) for side in around]
            if None not in plain:
                yield Judged.of(row, plain)  # type: ignore[arg-type]


def _plain_of(one: dict[str, Any], row: dict[str, Any]) -> bool:
    return one["kind"] == "plain" and (one["layer"], one["condition"]) == (row["layer"], row["condition"])


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown: one table a condition, a line a layer, and what they say together."""
    for condition in dict.fromkeys(row["condition"] for row in rows):
        these = [one for one in judged(rows) if one.run["condition"] == condition]
        if not these:
            continue
        yield f"\n{condition}: {len(these)} runs\n"
        yield "| layer | plain | ± | dsconv | off | half-width | holds | reliable | fastest | its bias | s |"
        yield "|---|---|---|---|---|---|---|---|---|---|---|"
        for layer in dict.fromkeys(one.run["layer"] for one in these):
            yield _line(layer, [one for one in these if one.run["layer"] == layer])
        yield ""
        yield from _together(these)
        yield from _itself([row for row in rows if row["kind"] == "A/A" and row["condition"] == condition])


def _line(layer: str, these: list[Judged]) -> str:
    def mean(read: Any) -> float:
        return statistics.fmean(map(read, these))

    cells = (
        layer,
        f"{math.exp(mean(lambda one: one.ratio)):.3f}",
        f"{mean(lambda one: one.error):.1%}",
        f"{math.exp(mean(lambda one: math.log(one.gain('typical')['value']))):.3f}",
        f"{mean(lambda one: one.bias('typical')):+.1%}",
        f"{mean(lambda one: one.gain('typical')['high'] / one.gain('typical')['value'] - 1):.1%}",
        f"{sum(one.holds('typical') for one in these)} of {len(these)}",
        f"{mean(lambda one: one.run['reliable']):.0%}",
        f"{math.exp(mean(lambda one: math.log(one.gain('fastest')['value']))):.3f}",
        f"{mean(lambda one: one.bias('fastest')):+.1%}",
        f"{mean(lambda one: one.run['seconds']):.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _together(these: list[Judged]) -> Iterator[str]:
    held = sum(one.holds("typical") for one in these)
    biases = [one.bias("typical") for one in these]
    error = statistics.stdev(biases) / math.sqrt(len(biases)) if len(biases) > 1 else math.nan
    yield f"- intervals that hold the plain value: {held} of {len(these)} ({held / len(these):.0%}); wanted: 90%"
    yield f"- mean bias: {statistics.fmean(biases):+.1%} ± {error:.1%}; wanted: below 2%"
    for name in PARTS:
        off = [one.run[name]["median_s"] / one.seconds[name] - 1 for one in these if name in one.seconds]
        if off:
            near = statistics.fmean(abs(one) <= 0.05 for one in off)
            yield f"- seconds, {name}: {statistics.median(off):+.1%} in the median, {near:.0%} within 5%"
    clear = [one.run for one in these if abs(one.ratio) >= math.log(CLEAR)]
    if clear:
        quick = statistics.fmean(one["verdict"] in ("faster", "slower") and one["seconds"] <= QUICK_S for one in clear)
        yield f"- forms that differ by more than {CLEAR - 1:.0%}: a verdict within {QUICK_S:g} s in {quick:.0%} (90%)"


def _itself(rows: list[dict[str, Any]]) -> Iterator[str]:
    for name, read in (("typical", lambda row: row["speedup"]), ("fastest", lambda row: row["fastest"]["speedup"])):
        gains = [read(row) for row in rows]
        if gains:
            held = sum(gain["low"] <= 1 <= gain["high"] for gain in gains)
            width = statistics.median(gain["high"] / gain["value"] - 1 for gain in gains)
            yield f"- A/A, {name}: {held} of {len(gains)} intervals hold 1 ({held / len(gains):.0%}), ±{width:.1%}"


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """One process for each core that never rests."""
    program = [sys.executable, "-c", "while True: pass"]
    crowd = [subprocess.Popen(program) for _ in range(os.cpu_count() or 1)] if wanted else []
    try:
        yield
    finally:
        for one in crowd:
            one.kill()
            one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--runs", type=int, default=2, help="of dsconv, for each layer")
    parser.add_argument("--itself", type=int, default=60, help="A/A runs in all")
    parser.add_argument("--layers", type=int, default=len(LAYERS))
    parser.add_argument("--limit", type=float, default=math.inf, help="minutes")
    parser.add_argument("--referee", type=Path)
    parser.add_argument("--processes", type=int, default=24, help="of a plain measurement")
    parser.add_argument("--budget", type=float, default=15.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    condition = " ".join(
        [
            "busy" if asked.busy else "quiet",
            *([f"{asked.threads} threads"] if asked.threads > 1 else []),
            *([asked.device] if asked.device != "cpu" else []),
        ]
    )
    deadline = time.monotonic() + 60 * asked.limit
    bench = Bench(
        asked.results, condition, asked.referee, asked.processes, asked.budget, asked.threads, asked.device, deadline
    )
    # A referee that knows no batch has nothing to say of the layers that have one.
    layers = tuple(one for one in LAYERS[: asked.layers] if asked.referee is None or one.batch == 1)
    if not asked.report:
        with suppress(KeyboardInterrupt), busy(asked.busy):
            bench.run(layers, asked.runs, asked.itself)
    print("\n".join(tables(bench.rows())))


if __name__ == "__main__":
    main()

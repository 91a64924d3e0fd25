"""Commands broken off at random moments; by hand: `python benchmarks/interruptions.py [TRIALS [SEED]]`.

Every command, in pipes and on terminals, by Ctrl-C once and twice, SIGTERM and SIGHUP. Counts what must never be: a
wrong exit code, more than the one line, a terminal that is not as it was, files and processes left behind; and tells
how long the end took. A smaller one is part of the tests (tests/test_interruptions.py).
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from interrupting import COMMANDS, break_off


def usual_seconds(name: str) -> float:
    """How long the command takes, to choose moments within."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        outcome = break_off(name, Path(folder), delay_s=None)
        assert outcome.finished, (name, outcome)
        return time.monotonic() - begun


def main(trials: int = 300, seed: int = 1) -> int:
    dice = random.Random(seed)
    usual = {name: usual_seconds(name) for name in COMMANDS}
    print("seconds:", ", ".join(f"{name} {took:.1f}" for name, took in usual.items()))
    took, finished, faulty = [], 0, 0
    counts: Counter[str] = Counter()
    for trial in range(trials):
        name = dice.choice(list(COMMANDS))
        chosen = {
            "delay_s": dice.uniform(0, usual[name]) * dice.choice([0.3, 1.0]),
            "number": dice.choice([signal.SIGINT, signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]),
            "again_s": dice.choice([None, None, dice.uniform(0, 0.1)]),
            "terminal": dice.random() < 0.5,
        }
        with tempfile.TemporaryDirectory() as folder:
            outcome = break_off(name, Path(folder), **chosen)
        counts[name] += 1
        if outcome.finished:
            finished += 1
            continue
        took.append(outcome.seconds)
        if outcome.faults or outcome.seconds > 1:
            faulty += 1
            print(f"trial {trial}: {name} {chosen} {outcome.seconds:.2f} s: {outcome.faults}\n{outcome.seen[-600:]!r}")
    took.sort()
    print(f"{trials} trials, {finished} over before, {faulty} with faults; {dict(counts)}")
    half, most = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"seconds to the end: median {half:.3f}, 99% {most:.3f}, most {took[-1]:.3f}")
    return min(faulty, 1)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:3])))

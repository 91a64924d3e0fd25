"""Argument lists drawn at random; by hand: `python benchmarks/arguments.py [LISTS [SEED]]`.

All commands, in this process, without clocks. Tells each that ended otherwise than it may: in another code, without its
one line, with a traceback, with output before a usage error. A smaller one is part of the tests.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from argument_lists import attempt, lists, prepare


def main(count: int = 100_000, seed: int = 1) -> int:
    codes: Counter[object] = Counter()
    faulty = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        prepare(Path(folder), patch)
        for number, words in enumerate(lists(seed, count)):
            started = time.monotonic()
            outcome = attempt(words)
            took = time.monotonic() - started
            codes[outcome.code] += 1
            faults = [*outcome.faults(), *([f"{took:.1f} s"] if took > 60 else [])]
            if faults:
                faulty += 1
                shown = [word[:60] for word in words]
                print(f"{number}: {shown} {outcome.code} {faults}\n  {outcome.err[-300:]!r} {outcome.out[:100]!r}")
    print(f"{count:,} lists in {time.monotonic() - begun:.0f} s, codes {dict(codes)}, {faulty} with faults")
    return min(faulty, 1)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:3])))

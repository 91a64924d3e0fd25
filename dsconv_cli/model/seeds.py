"""The same random numbers at each run: for the weights that a factory draws, inputs, and what a forward pass draws."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

_T = TypeVar("_T")


def seeded(work: Callable[[], _T]) -> _T:
    """Do `work` from the same random numbers each time, without moving the caller's: torch's, Python's and numpy's."""
    with _elsewhere_random(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return work()


@contextmanager
def _elsewhere_random() -> Iterator[None]:
    """Python's random numbers, and numpy's where it is loaded, start anew and afterwards go on where they were."""
    numpy = sys.modules.get("numpy.random")
    before, before_numpy = random.getstate(), None if numpy is None else numpy.get_state()
    random.seed(0)
    if numpy is not None:
        numpy.seed(0)
    try:
        yield
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.set_state(before_numpy)

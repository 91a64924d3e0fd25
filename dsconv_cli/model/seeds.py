"""The same random numbers at each run: for the weights that a factory draws, inputs, and what a forward pass draws."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

_T = TypeVar("_T")


def seeded(work: Callable[[], _T]) -> _T:
    """Do `work` from the same random numbers each time, without moving the caller's: torch's, Python's and numpy's."""
    numpy = sys.modules.get("numpy.random")
    before, before_numpy = random.getstate(), None if numpy is None else numpy.get_state()
    random.seed(0)
    if numpy is not None:
        numpy.seed(0)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return work()
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.set_state(before_numpy)

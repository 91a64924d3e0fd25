"""Networks with bad manners: they speak out of turn, end the program, leave things changed. Targets for tests."""

# ruff: noqa: T201

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

from torch import nn


class Stop(BaseException):
    """No Exception."""


def _later():
    for _ in range(2000):
        # One write each: another thread may write between a text and its line end.
        print("a thread that goes on\n", end="")
        os.write(1, b"a thread that goes on, by the descriptor\n")
        time.sleep(0.002)


class Loud(nn.Module):
    """Speaks on every way to standard output that there is, also when it should be over."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        print("built")
        os.write(1, b"built, by the descriptor\n")
        atexit.register(os.write, 1, b"an exit handler, by the descriptor\n")
        atexit.register(print, "an exit handler\n", end="")
        threading.Thread(target=_later, daemon=True).start()

    def forward(self, x):
        sys.__stdout__.write("forward: ±\n")
        os.system("echo from a child")
        return self.conv(x)


class ClosesStreams(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1))
        sys.stdout.close()
        sys.__stdout__.close()


class StopsLater(nn.Sequential):
    """Only where it is called very often: in the processes that measure time."""

    calls = 0

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1))

    def forward(self, x):
        StopsLater.calls += 1
        if StopsLater.calls > 20:
            raise Stop("enough of it")
        return super().forward(x)


class FailsAtExit(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1))
        atexit.register(raises_own)


class ElsewhereAfterwards(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, padding=1))
        os.chdir("/")


def raises_own():
    raise Stop("enough")


def raises_generator_exit():
    raise GeneratorExit


def leaves():
    sys.exit(0)


def recurses():
    return recurses()


def interrupts():
    raise KeyboardInterrupt


def raises_what_cannot_be_told():
    class UntellableError(Exception):
        def __str__(self):
            raise ValueError("not even this")

    raise UntellableError


class StopsWhenCopied(nn.Sequential):
    def __deepcopy__(self, memo):
        raise Stop("no copies")


def stops_when_copied():
    return StopsWhenCopied(nn.Conv2d(3, 8, 3))


class StopsInForward(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3))

    def forward(self, x):
        raise Stop("not today")


class LeavesInForward(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3))

    def forward(self, x):
        sys.exit(0)


def __getattr__(name):
    if name == "moody":
        raise Stop("not in the mood")
    raise AttributeError(name)

"""What a worker of the tests loads first: it takes itself for a machine of its own, and measures nothing.

`MACHINE` is its host, or HOST/KIND. Its first layer is done at once; the others wait until there is a file called open.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from fakes import PEAKS, timing

from dsconv_cli.environment import machine
from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.sweep import machines
from dsconv_cli.timing.result import Times

_HOST, _, _KIND = os.environ["MACHINE"].partition("/")
_REAL = machine()


class _Timers:
    done = 0

    def limit(self, budget_s, share):
        assert 0 < budget_s <= 900
        assert 0 < share <= 1

    def time(self, spec):
        if spec.k == 13:
            raise CannotMeasureError("thirteen channels bring bad luck")
        while self.done and not Path("open").exists():
            time.sleep(0.02)
        self.done += 1
        slower = 2.0 if _HOST == "lame" else 1.0
        return Times({"torch": timing(peaks=replace(PEAKS, copy_bytes=PEAKS.copy_bytes / slower))}, {})


_TIMERS = _Timers()
machines.machine = lambda: replace(_REAL, host=_HOST, boot=_HOST, kind=_KIND or "usual")
machines._timers = lambda _, __: _TIMERS

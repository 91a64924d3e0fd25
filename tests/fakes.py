"""A laboratory and timings that need no torch and no time."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from dsconv_cli.timing.jobs import ListDevices, MeasurePeaks, PrepareLayer, Probe
from dsconv_cli.timing.processes import TimeoutExceededError
from dsconv_cli.timing.result import Fastest, Interval, Machine, Peaks, PerOperator, Regime, Timing
from dsconv_cli.timing.worker.answers import Found, Prepared, Sample
from dsconv_cli.timing.worker.sampling import Rounds

PEAKS = Peaks(matmul_flops=100e9, copy_bytes=20e9, conv_flops=120e9, conv_shape="128×128×3×3 on 1×128×28×28")
MACHINE = Machine("2.99.0", cores=4, all_cores=4, default_threads=4, clock="wall clock", free_bytes=8 * 2**30)
BACKENDS = PerOperator("Mkldnn", "Mkldnn", "Slow2d")
PREPARED = Prepared("2.99.0", BACKENDS, "float32", 0.01, PerOperator(3e-6, 2e-6, 1e-6))


class FakeLaboratory:
    """Answers jobs from a seeded generator and moves its own clock.

    `ratio` is the true ratio. What disturbs a process makes it slower, each form by a factor of its own: the
    logarithm is half a normal one, of standard deviation `spread`. `job_s` is how long a process takes; `ratios` has
    the truth for one kind of job, `fails` the error that it ends in; `sample` overrides fields of every `Sample`.
    """

    def __init__(
        self,
        *,
        ratio=2.0,
        spread=0.02,
        job_s=0.3,
        seed=7,
        machine=MACHINE,
        prepared=PREPARED,
        slow=(),
        ratios=None,
        fails=None,
        **sample,
    ):
        self.ratio, self.spread, self.job_s, self.machine, self.overrides = ratio, spread, job_s, machine, sample
        self.prepared = prepared
        self.ratios, self.fails = ratios or {}, fails or {}
        self.random = random.Random(seed)
        self.slow = list(slow)
        self.now = 0.0
        self.jobs = []
        self.closed = False

    def clock(self):
        return self.now

    def wait_until_ready(self):
        pass

    def close(self):
        self.closed = True

    def run(self, job, timeout_s):
        self.jobs.append(job)
        if isinstance(job, Probe):
            return self.machine
        if isinstance(job, ListDevices):
            return (Found("cpu", True, ""), Found("cuda", False, "torch finds no CUDA device"))
        if isinstance(job, MeasurePeaks):
            return PEAKS
        if type(job) in self.fails:
            raise self.fails[type(job)]
        if isinstance(job, PrepareLayer):
            return self.prepared
        if not hasattr(job, "schedule"):
            return {}
        takes = self.slow.pop(0) if self.slow else self.job_s
        if takes > timeout_s:
            self.now += timeout_s
            raise TimeoutExceededError
        self.now += takes
        return self.sample(job)

    def sample(self, job):
        slower, also = (math.exp(abs(self.random.gauss(0, self.spread))) for _ in range(2))
        truth = 1.0 if getattr(job, "itself", False) else self.ratios.get(type(job), self.ratio)
        undisturbed = {
            "ordinary": 1e-4 * truth * slower,
            "separable": 1e-4 * also,
            "depthwise": 6e-5,
            "pointwise": 4e-5,
        }
        blocks = [math.exp(abs(self.random.gauss(0, 0.05))) for _ in range(20)]
        per_call = {name: tuple(value * one for one in blocks) for name, value in undisturbed.items()}
        return sample(per_call, undisturbed, **self.overrides)


def sample(per_call, fastest=None, **more):
    """One process's sample: seconds per call by name and block; without `fastest` the fastest of them."""
    least = {name: min(values) for name, values in per_call.items()}
    base = Sample(
        Rounds({name: tuple(values) for name, values in per_call.items()}, fastest or least),
        stolen=0.0,
        others=0.0,
        pages=PerOperator(0, 0, 0),
        copy_bytes=50e9,
    )
    return replace(base, **more)


def timing(**more) -> Timing:
    """A timing of 64×32×3×3 on 32×32 whose figures are round; `more` replaces fields."""
    base = Timing(
        ordinary_s=4e-4,
        separable_s=1.5e-4,
        depthwise_s=8e-5,
        pointwise_s=6e-5,
        speedup=Interval(2.6, 2.5, 2.7, 0.95),
        verdict="faster",
        reliable=True,
        warnings=(),
        device="cpu",
        threads=1,
        layout="channels first",
        dtype="float32",
        processes=12,
        pairs=300,
        fastest=Fastest(3.8e-4, 1.43e-4, Interval(2.66, 2.62, 2.70, 0.95)),
        fixed_s=PerOperator(1e-6, 1e-6, 1e-6),
        pages=PerOperator(0, 0, 0),
        copy_bytes=50e9,
        peaks=PEAKS,
        regime=Regime("2.99.0", cores=4, default_threads=4, clock="wall clock", backends=BACKENDS),
        disturbed=0.01,
        stolen=0.0,
        seconds=5.0,
    )
    return replace(base, **more)

"""How a process must be while a clock runs, and what the system says of that while. The torch side of any timing.

The order matters and is the same everywhere: threads and denormals are set, the allocator is warmed, and only
then is anything built.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch

from dsconv_cli.timing.worker.answers import Conditions, Sample
from dsconv_cli.timing.worker.devices import DEVICES, Device, Work, parse_device, wall_stopwatch
from dsconv_cli.timing.worker.sampling import Runner, Schedule, Settled, sample, settle
from dsconv_cli.timing.worker.system import busy_seconds

#: glibc maps every block above its threshold afresh, and each page of it faults. Freeing one mapped block raises
#: the threshold to its size, up to 32 MiB; after that blocks are taken from memory that is already there, as in
#: a program that has run for a while. The block need not be written to. Without this the ratio of one layer read
#: 1.4 instead of 3.6.
_PRETOUCH_BYTES: Final = 31 * 2**20
#: A process that used this many times the processor time of the thread that was watched did the work elsewhere.
_ELSEWHERE: Final = 1.1
#: The two clocks are read one after the other.
_READING_S: Final = 5e-5


@contextmanager
def ready(conditions: Conditions) -> Iterator[Device]:
    """The process as it should be while a clock runs; put back at the end, for a process that lives on."""
    kind, index = parse_device(conditions.device)
    device = DEVICES[kind]
    device.select(torch, index)
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(conditions.threads)
    # Denormal numbers take 20 to 200 times as long. Set before any thread of torch's pool exists: each inherits it.
    torch.set_flush_denormal(True)
    gc.collect()
    gc.disable()
    raises_the_threshold = torch.empty(_PRETOUCH_BYTES, dtype=torch.uint8)
    del raises_the_threshold
    try:
        with torch.inference_mode():
            yield device
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
        if collecting:
            gc.enable()


def runner(device: Device, work: Work) -> Runner:
    """`work` as something that can be timed on `device`."""
    return lambda calls: device.stopwatch(torch, work, calls)


def first_calls(device: Device, works: Mapping[str, Work]) -> None:
    """Call each once on a device of its own, where that loads libraries and kernels: a part of building.

    CUDA's first convolution takes half a second. Who took it for a call's time had blocks of one call, and each then
    read up to twice as long as it is in a row of them.
    """
    if not device.on_cpu:
        for work in works.values():
            device.stopwatch(torch, work, 1)


def sample_watched(
    device: Device, works: Mapping[str, Work], conditions: Conditions, schedule: Schedule, built_s: float
) -> Sample:
    """Warm up, then sample what took `built_s` to build.

    A block of calls on a device of its own is one part: nothing takes them off it, and after each wait for the device
    the first ones come slower. On an H200 each of eight took 8 % longer than each of ninety.
    """
    if not device.on_cpu:
        schedule = schedule._replace(part_s=schedule.round_s)
    runners = {name: runner(device, work) for name, work in works.items()}
    settled = settle(runners, schedule, time.perf_counter)
    if device.on_cpu and conditions.threads == 1 and misses_work(runners, settled):
        patient = device._replace(stopwatch=wall_stopwatch)
        runners = {name: runner(patient, work) for name, work in works.items()}
    before = usage()
    rounds = sample(runners, settled, schedule, time.perf_counter)
    alone = device.on_cpu and conditions.threads == 1
    return Sample(rounds, *_surroundings(before, usage(), alone=alone), built_s=built_s)


def misses_work(runners: Mapping[str, Runner], settled: Settled) -> bool:
    """Whether the work is done in other threads, where the clock of this one does not see it.

    OpenVINO's asynchronous calls read 16 µs of 1164. Held against the processor time of the whole process, for by the
    wall clock it would look alike where other programs take the core.
    """
    before = time.thread_time(), time.process_time()
    for run in runners.values():
        run(settled.calls)
    own, whole = time.thread_time() - before[0], time.process_time() - before[1]
    return whole > _ELSEWHERE * own + _READING_S


class Usage(NamedTuple):
    """Seconds by the clock, by this process, and by the whole machine, and page faults of this process, so far."""

    wall: float
    own: float
    machine: float | None
    faults: int


def usage() -> Usage | None:
    """None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(time.perf_counter(), used.ru_utime + used.ru_stime, busy_seconds(), used.ru_minflt)


def _surroundings(before: Usage | None, after: Usage | None, *, alone: bool) -> tuple[float | None, float | None]:
    """What share of the time was stolen, and how many cores others used, between two moments."""
    if before is None or after is None:
        return None, None
    wall, own = after.wall - before.wall, after.own - before.own
    stolen = max(0.0, 1 - own / wall) if alone else None
    if before.machine is None or after.machine is None:
        return stolen, None
    return stolen, max(0.0, (after.machine - before.machine - own) / wall)

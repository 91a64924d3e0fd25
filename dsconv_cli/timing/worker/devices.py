"""What differs between devices, in one table: is it there, what can it run, how its time is read.

torch is a parameter of every function, so that a device this machine lacks can be tested with a stand-in.
Nothing here is called in a process that will fork: asking for CUDA devices can make a fork unusable.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.timing.worker.sampling import Reading
from dsconv_cli.timing.worker.system import free_memory

Work = Callable[[], object]
#: torch, a piece of work, a number of calls → the seconds they took.
Stopwatch = Callable[[Any, Work, int], Reading]


class PeakSizes(NamedTuple):
    """How large "large" is: side of the square matrices, bytes copied, and a (batch, channels, size) for 3×3."""

    matmul: int
    copy_bytes: int
    conv: tuple[int, int, int]


class Device(NamedTuple):
    """One kind of device. `absent` says why it cannot be used, or None; `clock` what tells the time.

    There may be several where it is `numbered`.
    """

    stopwatch: Stopwatch
    sizes: PeakSizes
    absent: Callable[[Any, int], str | None] = lambda _torch, _index: None
    name: Callable[[Any, int], str] = lambda _torch, _index: ""
    free_bytes: Callable[[Any, int], int | None] = lambda _torch, _index: free_memory()
    notes: Callable[[Any, str], tuple[str, ...]] = lambda _torch, _dtype: ()
    select: Callable[[Any, int], None] = lambda _torch, _index: None
    clock: str = "wall clock"
    on_cpu: bool = False
    numbered: bool = False


def thread_clock_is_fine() -> bool:
    """Whether the processor time of one thread can be read finely. On Windows it advances in steps of 16 ms."""
    return hasattr(time, "thread_time") and sys.platform != "win32"


def cpu_stopwatch(torch: Any, work: Work, calls: int) -> Reading:
    """The clocks before and after: a CPU call has returned when it is done.

    For one thread its own processor time is read too, which other programs that take the core are not counted in.
    Threads that wait for each other have no such time.
    """
    own = time.thread_time if torch.get_num_threads() == 1 and thread_clock_is_fine() else time.perf_counter
    wall_started, own_started = time.perf_counter(), own()
    for _ in range(calls):
        work()
    own_s = own() - own_started
    return Reading(time.perf_counter() - wall_started, own_s)


def wall_stopwatch(_: Any, work: Work, calls: int) -> Reading:
    """The wall clock alone, for calls that return when they are done but do the work in other threads."""
    started = time.perf_counter()
    for _call in range(calls):
        work()
    took = time.perf_counter() - started
    return Reading(took, took)


def cuda_stopwatch(torch: Any, work: Work, calls: int) -> Reading:
    """Two events on the stream, read once the second has happened."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        work()
    end.record()
    torch.cuda.synchronize()
    took = float(start.elapsed_time(end)) / 1e3
    return Reading(took, took)


def mps_stopwatch(torch: Any, work: Work, calls: int) -> Reading:
    """The clock around calls that are waited for."""
    torch.mps.synchronize()
    started = time.perf_counter()
    for _ in range(calls):
        work()
    torch.mps.synchronize()
    took = time.perf_counter() - started
    return Reading(took, took)


def _cuda_absent(torch: Any, index: int) -> str | None:
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device"
    count = torch.cuda.device_count()
    return None if index < count else f"there are {count} CUDA devices, numbered from 0"


def _mps_absent(torch: Any, index: int) -> str | None:
    backend = getattr(torch.backends, "mps", None)
    if backend is None or not backend.is_available():
        return f"torch {torch.__version__} finds no Metal (MPS) device"
    return None if index == 0 else "there is one MPS device, mps"


def _cuda_notes(torch: Any, dtype: str) -> tuple[str, ...]:
    """Settings of cuDNN that choose kernels, as they stand."""
    cudnn = torch.backends.cudnn
    notes = (f"cudnn.benchmark {'on' if cudnn.benchmark else 'off'}", f"cuDNN {cudnn.version()}")
    if dtype != "float32":
        return notes
    # NVIDIA's libraries heed the variable whatever torch says.
    overridden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    return (*notes, f"TF32 in convolutions {'on' if cudnn.allow_tf32 and not overridden else 'off'}")


#: A new device is one entry.
DEVICES: Final[Mapping[str, Device]] = MappingProxyType(
    {
        "cpu": Device(cpu_stopwatch, PeakSizes(1024, 2**26, (1, 128, 28)), on_cpu=True),
        "cuda": Device(
            absent=_cuda_absent,
            name=lambda torch, index: str(torch.cuda.get_device_name(index)),
            free_bytes=lambda torch, index: int(torch.cuda.mem_get_info(index)[0]),
            stopwatch=cuda_stopwatch,
            notes=_cuda_notes,
            sizes=PeakSizes(8192, 2**30, (32, 256, 56)),
            select=lambda torch, index: torch.cuda.set_device(index),
            clock="CUDA events",
            numbered=True,
        ),
        "mps": Device(
            absent=_mps_absent,
            name=lambda _torch, _index: "Apple GPU",
            stopwatch=mps_stopwatch,
            sizes=PeakSizes(4096, 2**28, (8, 256, 56)),
        ),
    }
)


def parse_device(text: str) -> tuple[str, int]:
    """`"cuda:1"` → `("cuda", 1)`.

    Raises:
        DsconvError: no such kind of device, or an index that is no number.
    """
    kind, colon, index = text.partition(":")
    if kind not in DEVICES or (colon and not (index.isascii() and index.isdigit() and len(index) < 4)):
        *most, last = (name for kind, one in DEVICES.items() for name in (kind, f"{kind}:INDEX")[: 1 + one.numbered])
        raise DsconvError(f"device must be {', '.join(most)} or {last}, not {quoted(text)}")
    return kind, int(index or 0)

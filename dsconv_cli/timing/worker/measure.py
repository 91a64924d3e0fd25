"""The torch side of a timing: runs in a fresh process and measures one thing.

The order matters and is the same everywhere: threads and denormals are set, the allocator is warmed, and only
then is anything built.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import torch
from torch import nn

from dsconv_cli.counting.modules import build_form, conv2d, torch_dtype
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.forms import ConvLayer, ordinary, separable
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.jobs import (
    Conditions,
    Devices,
    Found,
    LayerSample,
    ListDevices,
    Machine,
    MeasureLayer,
    MeasurePeaks,
    Probe,
)
from dsconv_cli.timing.result import Backends, Pages, Peaks, Seconds
from dsconv_cli.timing.worker.devices import DEVICES, Device, Work, available_cores, busy_seconds, parse_device
from dsconv_cli.timing.worker.sampling import Plan, Rounds, Workload, sample, settle, warm_up

#: glibc maps every block above its threshold afresh, and each page of it faults. Freeing one mapped block raises
#: the threshold to its size, up to 32 MiB; after that blocks are taken from memory that is already there, as in
#: a program that has run for a while. The block need not be written to. Without this the ratio of one layer read
#: 1.4 instead of 3.6.
_PRETOUCH_BYTES: Final = 31 * 2**20
#: The channels of the operator whose time is all call and hardly any arithmetic: one vector register.
_FIXED_CHANNELS: Final = 8
_FIXED_ROUNDS: Final = 15
_SMALL_SIDE: Final = 256
_LONGEST_PRODUCT_S: Final = 0.2
_COPY_BLOCK_S: Final = 0.5e-3


def probe(job: Probe) -> Machine:
    """The machine under `job.conditions`.

    Raises:
        DsconvError: the device is absent, or cannot run a convolution in this dtype.
    """
    conditions = job.conditions
    kind, index = parse_device(conditions.device)
    device = DEVICES[kind]
    default_threads = torch.get_num_threads()
    reason = device.absent(torch, index)
    if reason is not None:
        raise DsconvError(f"no device {conditions.device} here: {reason}; --device cpu always works")
    _check_dtype(conditions)
    return Machine(
        torch=str(torch.__version__),
        device_name=device.name(torch, index),
        cores=available_cores(),
        default_threads=default_threads,
        clock=device.clock(conditions.threads),
        free_bytes=device.free_bytes(torch, index),
        notes=device.notes(torch, conditions.dtype),
    )


def list_devices(_: ListDevices) -> Devices:
    """Every kind of device in the table, and every CUDA device by its number."""
    found = []
    for kind, device in DEVICES.items():
        reason = device.absent(torch, 0)
        count = torch.cuda.device_count() if kind == "cuda" and reason is None else 1
        for index in range(count):
            name = kind if count == 1 else f"{kind}:{index}"
            found.append(Found(name, reason is None, reason or device.name(torch, index)))
    return Devices(tuple(found))


def _check_dtype(conditions: Conditions) -> None:
    """Run the smallest convolution of each kind; torch's own words say what is missing."""
    try:
        for layer in (*ordinary(_tiny(1, 1)), *separable(_tiny(2, 2))):
            image = _image(layer, conditions, None)
            with torch.inference_mode():
                conv2d(layer, dtype=conditions.dtype, device=conditions.device)(image)
    except (RuntimeError, TypeError) as error:
        raise DsconvError(
            f"{conditions.device} cannot run convolutions in {conditions.dtype} here "
            f"({first_line(error)}); --dtype float32 always works"
        ) from error


def _tiny(k: int, c: int) -> ConvSpec:
    return ConvSpec(k=k, c=c, h=3, w=3)


def measure_peaks(job: MeasurePeaks) -> Peaks:
    """The best rate of each of three large operators, `job.seconds` shared among them."""
    with ready(job.conditions) as device:
        _, size, (batch, channels, pixels) = device.sizes
        left, right = _matrices(job.conditions, device)
        side = len(left)
        conv_spec = ConvSpec(channels, channels, h=pixels, w=pixels, batch=batch, dtype=job.conditions.dtype)
        (layer,) = ordinary(conv_spec)
        conv = _module(build_form(conv_spec, "ordinary", device=job.conditions.device), job.conditions)
        image = _image(layer, job.conditions, 0)

        def best(work: Work) -> float:
            return _best(lambda calls: device.stopwatch(torch, work, calls), job.seconds / 3)

        product_s, conv_s = best(partial(torch.matmul, left, right)), best(partial(conv, image))
        del left, right, conv, image
        # zeros would be one page of memory, mapped many times over
        source = torch.full((size,), 1, dtype=torch.uint8, device=job.conditions.device)
        target = torch.full_like(source, 2)
        copy_s = best(lambda: target.copy_(source))
    out_h, out_w = conv_spec.output_size
    return Peaks(
        matmul_flops=2 * side**3 / product_s,
        copy_bytes=2 * size / copy_s,
        conv_flops=2 * batch * channels * channels * 9 * out_h * out_w / conv_s,
        conv_shape=f"{channels}×{channels}×3×3 on {batch}×{channels}×{pixels}×{pixels}",
    )


def _matrices(conditions: Conditions, device: Device) -> tuple[torch.Tensor, torch.Tensor]:
    """Two square matrices, as large as the device's table says unless their product would take too long.

    A CPU without instructions for a dtype computes in it a hundred times more slowly than in float32.
    """
    where: dict[str, Any] = {"dtype": torch_dtype(conditions.dtype), "device": conditions.device}
    side = min(_SMALL_SIDE, device.sizes.matmul)
    while True:
        left, right = torch.randn(side, side, **where), torch.randn(side, side, **where)
        took = min(stopwatch(device, lambda left=left, right=right: left @ right)(1) for _ in range(2))  # type: ignore[misc]
        if side >= device.sizes.matmul or 8 * took > _LONGEST_PRODUCT_S:
            return left, right
        side *= 2


def _best(workload: Workload, seconds: float) -> float:
    end = time.perf_counter() + seconds
    workload(1)
    times = [workload(1)]
    while time.perf_counter() < end:
        times.append(workload(1))
    return min(times)


def measure_layer(job: MeasureLayer) -> LayerSample:
    """One process's measurement of a layer.

    Raises:
        CannotMeasureError: torch cannot run the layer.
    """
    try:
        with ready(job.conditions) as device:
            works = _works(job)
            stopwatches = {name: stopwatch(device, work) for name, work in works.items()}
            rounds, stolen, others = sample_watched(stopwatches, job.conditions, job.plan, on_cpu=device.on_cpu)
            pages = _pages(works) if device.on_cpu else None
            backends = Backends(*(_backend(layer, job.conditions) for layer in _layers(job.spec)))
            fixed = _fixed(job, device, backends)
            copy_bytes = _copy_rate(job, device)
    except (RuntimeError, MemoryError) as error:
        raise CannotMeasureError(
            f"torch could not run this layer on {job.conditions.device}: {first_line(error)}"
        ) from error
    return LayerSample(rounds, fixed, backends, stolen, others, pages, copy_bytes)


def sample_watched(
    stopwatches: Mapping[str, Workload], conditions: Conditions, plan: Plan, *, on_cpu: bool
) -> tuple[Rounds, float | None, float | None]:
    """Warm up, then sample; with what share of the time was stolen and how many cores others used meanwhile."""
    settled = settle(stopwatches, plan, time.perf_counter)
    before = _usage()
    rounds = sample(stopwatches, settled, plan, time.perf_counter)
    return (rounds, *_surroundings(before, _usage(), alone=on_cpu and conditions.threads == 1))


def _works(job: MeasureLayer) -> dict[str, Work]:
    """The calls to time, by name, each on memory of its own that is in use before the clock starts."""
    spec, conditions = job.spec, job.conditions
    whole = _module(build_form(spec, "ordinary", device=conditions.device), conditions)
    image = _image(ordinary(spec)[0], conditions, 0)
    if job.against_itself:
        again = _module(build_form(spec, "ordinary", device=conditions.device), conditions)
        return {"ordinary": lambda: whole(image), "separable": lambda: again(image)}
    pair = _module(build_form(spec, "separable", device=conditions.device), conditions)
    depthwise, pointwise = pair.depthwise, pair.pointwise
    middle = _image(separable(spec)[1], conditions, 1)
    return {
        "ordinary": lambda: whole(image),
        "separable": lambda: pair(image),
        "depthwise": lambda: depthwise(image),
        "pointwise": lambda: pointwise(middle),
    }


def _fixed(job: MeasureLayer, device: Device, backends: Backends) -> Seconds | None:
    """What a call of each operator costs when it has next to nothing to compute; None where that cannot be had."""
    if job.against_itself:
        return None
    found = []
    for layer, backend in zip(_layers(job.spec), backends, strict=True):
        small = _smallest(layer, job, backend)
        if small is None:
            return None
        module = _module(conv2d(small, dtype=job.spec.dtype, device=job.conditions.device), job.conditions)
        image = _image(small, job.conditions, 2)
        workload = stopwatch(device, lambda module=module, image=image: module(image))  # type: ignore[misc]
        warm_up(workload, Plan(warm_s=0.002), time.perf_counter)
        found.append(min(workload(5) / 5 for _ in range(_FIXED_ROUNDS)))
    return Seconds(*found)


def _smallest(layer: ConvLayer, job: MeasureLayer, backend: str | None) -> ConvLayer | None:
    """The same kind of operator with one output pixel and few channels, on the same backend; None if there is none.

    torch picks another backend for very small inputs, but not for more than one image. What a call of another
    backend costs says nothing about this one.
    """
    channels = min(_FIXED_CHANNELS, layer.in_channels)
    outputs = min(_FIXED_CHANNELS, layer.out_channels)
    size = tuple(d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    small = layer._replace(
        in_channels=channels,
        out_channels=channels if layer.groups > 1 else outputs,
        groups=channels if layer.groups > 1 else 1,
        padding=(0, 0),
        padding_end=(0, 0),
        batch=1,
        input_size=(size[0], size[1]),
        output_size=(1, 1),
    )
    candidates = (small, small._replace(batch=2))
    return next((one for one in candidates if _backend(one, job.conditions) == backend), None)


def _layers(spec: ConvSpec) -> tuple[ConvLayer, ...]:
    return (*ordinary(spec), *separable(spec))


def _backend(layer: ConvLayer, conditions: Conditions) -> str | None:
    """What torch calls the implementation it will pick, which a private function tells."""
    try:
        image = _image(layer, conditions, None)
        weight = conv2d(layer, dtype=conditions.dtype, device=conditions.device).weight
        chosen = torch._C._select_conv_backend(  # noqa: SLF001
            image, weight, None, layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
        )
    except (AttributeError, RuntimeError, TypeError):
        return None
    return str(chosen).rpartition(".")[2]


def _module(module: nn.Module, conditions: Conditions) -> Any:
    ready: Any = module.eval()
    return ready.to(memory_format=torch.channels_last) if conditions.channels_last else ready


def _image(layer: ConvLayer, conditions: Conditions, seed: int | None) -> torch.Tensor:
    """A random input of `layer`, the same for the same seed; with None uninitialised."""
    shape = (layer.batch, layer.in_channels, *layer.input_size)
    where: dict[str, Any] = {"dtype": torch_dtype(conditions.dtype), "device": conditions.device}
    if seed is None:
        image = torch.empty(shape, **where)
    else:
        torch.manual_seed(seed)
        image = torch.randn(shape, **where)
    return image.to(memory_format=torch.channels_last) if conditions.channels_last else image


def stopwatch(device: Device, work: Work) -> Workload:
    """`work` as something that can be timed on `device`."""
    return lambda calls: device.stopwatch(torch, work, calls)


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


def _copy_rate(job: MeasureLayer, device: Device) -> float | None:
    """Bytes per second of a copy that reads and writes, together, the bytes that the depthwise half moves."""
    if job.against_itself:
        return None
    size = max(1, cost(job.spec).traffic.depthwise // 2)
    source = torch.full((size,), 1, dtype=torch.uint8, device=job.conditions.device)
    target = torch.full_like(source, 2)
    workload = stopwatch(device, lambda: target.copy_(source))
    took = warm_up(workload, Plan(warm_s=0.001), time.perf_counter)
    calls = max(1, int(_COPY_BLOCK_S / max(took, 1e-9)))
    return 2 * size * calls / min(workload(calls) for _ in range(5))


class _Usage(NamedTuple):
    """Seconds by the clock, by this process, and by the whole machine, and page faults of this process, so far."""

    wall: float
    own: float
    machine: float | None
    faults: int


def _usage() -> _Usage | None:
    """None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return _Usage(time.perf_counter(), used.ru_utime + used.ru_stime, busy_seconds(), used.ru_minflt)


def _surroundings(before: _Usage | None, after: _Usage | None, *, alone: bool) -> tuple[float | None, float | None]:
    """What share of the time was stolen, and how many cores others used, between two moments."""
    if before is None or after is None:
        return None, None
    wall, own = after.wall - before.wall, after.own - before.own
    stolen = max(0.0, 1 - own / wall) if alone else None
    if before.machine is None or after.machine is None:
        return stolen, None
    return stolen, max(0.0, (after.machine - before.machine - own) / wall)


def _pages(works: Mapping[str, Work]) -> Pages | None:
    """Page faults of one call of each operator, once everything is warm."""
    found = []
    for name in Pages._fields:
        work = works.get(name)
        before = _usage()
        if work is None or before is None:
            return None
        work()
        after = _usage()
        assert after is not None
        found.append(float(after.faults - before.faults))
    return Pages(*found)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]

"""One process's measurement of a layer: both forms, the halves, and what explains their times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from dsconv_cli.counting.modules import build_form, conv2d, torch_dtype
from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.cost import cost
from dsconv_cli.layer.forms import ConvLayer, ordinary, separable
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import PerOperator
from dsconv_cli.timing.worker.answers import Conditions, Sample
from dsconv_cli.timing.worker.devices import Device, Work
from dsconv_cli.timing.worker.process import first_line, ready, runner, sample_watched, usage
from dsconv_cli.timing.worker.sampling import Schedule, warm_up

#: The channels of the operator whose time is all call and hardly any arithmetic: one vector register.
_FIXED_CHANNELS: Final = 8
_FIXED_ROUNDS: Final = 15
_COPY_BLOCK_S: Final = 0.5e-3


def measure_layer(conditions: Conditions, spec: ConvSpec, schedule: Schedule) -> Sample:
    """Both forms of `spec` and the halves of the pair, and what a call of each costs beside its arithmetic.

    Raises:
        CannotMeasureError: torch cannot run the layer.
    """
    try:
        with ready(conditions) as device:
            works = works_of(spec, conditions)
            watched = sample_watched(device, works, conditions, schedule)
            backends = PerOperator(*(_backend(layer, conditions) for layer in operators_of(spec)))
            return Sample(
                *watched,
                fixed_s=_fixed(spec, conditions, device, backends),
                backends=backends,
                pages=_pages(works) if device.on_cpu else None,
                copy_bytes=_copy_rate(cost(spec).traffic.depthwise, device, conditions),
            )
    except (RuntimeError, MemoryError) as error:
        raise _cannot_run(conditions, error) from error


def measure_itself(conditions: Conditions, spec: ConvSpec, schedule: Schedule) -> Sample:
    """Two ordinary convolutions, whose true ratio is 1, the second in the separable form's place. Raises alike."""
    try:
        with ready(conditions) as device:
            first, second = (module_for(spec, "ordinary", conditions) for _ in range(2))
            image = image_for(operators_of(spec)[0], conditions, 0)
            works = {"ordinary": lambda: first(image), "separable": lambda: second(image)}
            return Sample(*sample_watched(device, works, conditions, schedule))
    except (RuntimeError, MemoryError) as error:
        raise _cannot_run(conditions, error) from error


def _cannot_run(conditions: Conditions, error: BaseException) -> CannotMeasureError:
    return CannotMeasureError(f"torch could not run this layer on {conditions.device}: {first_line(error)}")


def works_of(spec: ConvSpec, conditions: Conditions) -> dict[str, Work]:
    """The calls to time, by name, each on memory of its own that is in use before the clock starts."""
    whole = module_for(spec, "ordinary", conditions)
    image = image_for(ordinary(spec)[0], conditions, 0)
    pair = module_for(spec, "separable", conditions)
    depthwise, pointwise = pair.depthwise, pair.pointwise
    middle = image_for(separable(spec)[1], conditions, 1)
    return {
        "ordinary": lambda: whole(image),
        "separable": lambda: pair(image),
        "depthwise": lambda: depthwise(image),
        "pointwise": lambda: pointwise(middle),
    }


def operators_of(spec: ConvSpec) -> tuple[ConvLayer, ...]:
    """The three convolutions: ordinary, depthwise, pointwise."""
    return (*ordinary(spec), *separable(spec))


def _fixed(
    spec: ConvSpec, conditions: Conditions, device: Device, backends: PerOperator[str | None]
) -> PerOperator[float] | None:
    """What a call of each operator costs when it has next to nothing to compute; None where that cannot be had."""
    found = []
    for layer, backend in zip(operators_of(spec), backends, strict=True):
        small = smallest(layer, conditions, backend)
        if small is None:
            return None
        module = _placed(conv2d(small, dtype=conditions.dtype, device=conditions.device), conditions)
        image = image_for(small, conditions, 2)
        run = runner(device, lambda module=module, image=image: module(image))  # type: ignore[misc]
        warm_up(run, Schedule(warm_s=0.002), time.perf_counter)
        found.append(min(run(5).own / 5 for _ in range(_FIXED_ROUNDS)))
    return PerOperator(*found)


def smallest(layer: ConvLayer, conditions: Conditions, backend: str | None) -> ConvLayer | None:
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
    return next((one for one in candidates if _backend(one, conditions) == backend), None)


def _backend(layer: ConvLayer, conditions: Conditions) -> str | None:
    """What torch calls the implementation it will pick, which a private function tells."""
    try:
        image = image_for(layer, conditions, None)
        weight = conv2d(layer, dtype=conditions.dtype, device=conditions.device).weight
        chosen = torch._C._select_conv_backend(  # noqa: SLF001
            image, weight, None, layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
        )
    except (AttributeError, RuntimeError, TypeError):
        return None
    return str(chosen).rpartition(".")[2]


def _copy_rate(moved: int, device: Device, conditions: Conditions) -> float:
    """Bytes per second of a copy that reads and writes `moved` bytes together."""
    size = max(1, moved // 2)
    source = torch.full((size,), 1, dtype=torch.uint8, device=conditions.device)
    target = torch.full_like(source, 2)
    run = runner(device, lambda: target.copy_(source))
    took = warm_up(run, Schedule(warm_s=0.001), time.perf_counter)
    calls = max(1, int(_COPY_BLOCK_S / max(took, 1e-9)))
    return 2 * size * calls / min(run(calls).own for _ in range(5))


def _pages(works: Mapping[str, Work]) -> PerOperator[float] | None:
    """Page faults of one call of each operator, once everything is warm."""
    found = []
    for name in PerOperator._fields:
        before = usage()
        works[name]()
        after = usage()
        if before is None or after is None:
            return None
        found.append(float(after.faults - before.faults))
    return PerOperator(*found)


def module_for(spec: ConvSpec, form: str, conditions: Conditions) -> Any:
    """One form of `spec`, as it is used and not trained: a form of one convolution is that convolution.

    A `Sequential` around it would cost a short one 2 % of its time.
    """
    built = build_form(spec, form, device=conditions.device)
    return _placed(built[0] if len(built) == 1 else built, conditions)


def _placed(module: nn.Module, conditions: Conditions) -> Any:
    ready_to_run: Any = module.eval()
    return ready_to_run.to(memory_format=torch.channels_last) if conditions.channels_last else ready_to_run


def image_for(layer: ConvLayer, conditions: Conditions, seed: int | None) -> torch.Tensor:
    """A random input of `layer`, N×C×H×W, the same for the same seed; with None uninitialised."""
    shape = (layer.batch, layer.in_channels, *layer.input_size)
    where: dict[str, Any] = {"dtype": torch_dtype(conditions.dtype), "device": conditions.device}
    if seed is None:
        image = torch.empty(shape, **where)
    else:
        torch.manual_seed(seed)
        image = torch.randn(shape, **where)
    return image.to(memory_format=torch.channels_last) if conditions.channels_last else image

"""What the machine reaches on large operators."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, Final

import torch

from dsconv_cli.counting.modules import torch_dtype
from dsconv_cli.layer.cost import FLOPS_PER_MAC, cost
from dsconv_cli.layer.forms import ordinary
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Peaks
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import Device, Work
from dsconv_cli.timing.worker.layer import row_of
from dsconv_cli.timing.worker.process import ready, runner
from dsconv_cli.timing.worker.sampling import Runner

_SMALL_SIDE: Final = 256
_LONGEST_PRODUCT_S: Final = 0.2
#: A product of matrices where torch has none of the dtype: on a runtime it is a convolution of 1×1.
_PRODUCT: Final = ConvSpec(1024, 1024, 1, 1, h=32, w=32)


def measure_peaks(conditions: Conditions, seconds: float) -> Peaks:
    """The best rate of each of three large operators, `seconds` shared among them: the convolution is the runtime's."""
    conditions = replace(conditions, chain=1)
    with ready(conditions) as device:
        _, size, (batch, channels, pixels) = device.sizes

        def best(work: Work) -> float:
            return _best(runner(device, work), seconds / 3)

        def of_layer(spec: ConvSpec) -> float:
            flops = FLOPS_PER_MAC * cost(spec).macs.ordinary
            return flops / best(row_of(ordinary(spec), conditions).build(conditions).call)

        if conditions.quantised:
            product = of_layer(_PRODUCT)
        else:
            left, right = _matrices(conditions, device)
            product = FLOPS_PER_MAC * len(left) ** 3 / best(partial(torch.matmul, left, right))
            del left, right
        conv = of_layer(ConvSpec(channels, channels, h=pixels, w=pixels, batch=batch))
        # zeros would be one page of memory, mapped many times over
        source = torch.full((size,), 1, dtype=torch.uint8, device=conditions.device)
        target = torch.full_like(source, 2)
        copy_s = best(lambda: target.copy_(source))
    return Peaks(
        matmul_flops=product,
        copy_bytes=2 * size / copy_s,
        conv_flops=conv,
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
        took = min(runner(device, lambda left=left, right=right: left @ right)(1).own for _ in range(2))  # type: ignore[misc]
        if side >= device.sizes.matmul or 8 * took > _LONGEST_PRODUCT_S:
            return left, right
        side *= 2


def _best(run: Runner, seconds: float) -> float:
    end = time.perf_counter() + seconds
    run(1)
    times = [run(1).own]
    while time.perf_counter() < end:
        times.append(run(1).own)
    return min(times)

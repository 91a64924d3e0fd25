"""What the machine reaches on large operators."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Final

import torch

from dsconv_cli.counting.modules import torch_dtype
from dsconv_cli.layer.forms import ordinary
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Peaks
from dsconv_cli.timing.worker.answers import Conditions
from dsconv_cli.timing.worker.devices import Device, Work
from dsconv_cli.timing.worker.layer import image_for, module_for
from dsconv_cli.timing.worker.process import ready, runner
from dsconv_cli.timing.worker.sampling import Runner

_SMALL_SIDE: Final = 256
_LONGEST_PRODUCT_S: Final = 0.2


def measure_peaks(conditions: Conditions, seconds: float) -> Peaks:
    """The best rate of each of three large operators, `seconds` shared among them."""
    with ready(conditions) as device:
        _, size, (batch, channels, pixels) = device.sizes
        left, right = _matrices(conditions, device)
        side = len(left)
        conv_spec = ConvSpec(channels, channels, h=pixels, w=pixels, batch=batch, dtype=conditions.dtype)
        (layer,) = ordinary(conv_spec)
        conv = module_for(conv_spec, "ordinary", conditions)
        image = image_for(layer, conditions, 0)

        def best(work: Work) -> float:
            return _best(runner(device, work), seconds / 3)

        product_s, conv_s = best(partial(torch.matmul, left, right)), best(partial(conv, image))
        del left, right, conv, image
        # zeros would be one page of memory, mapped many times over
        source = torch.full((size,), 1, dtype=torch.uint8, device=conditions.device)
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

"""What torch's own counter counts on the modules that were built, on the meta device, where nothing is computed."""

from __future__ import annotations

import torch

from dsconv_cli.counting.modules import build_form, torch_dtype
from dsconv_cli.counting.profilers import FormCount
from dsconv_cli.layer.spec import ConvSpec


def count(spec: ConvSpec, form: str) -> FormCount:
    """`torch.utils.flop_counter.FlopCounterMode`: FLOPs = 2·MACs, exact integers."""
    from torch.utils.flop_counter import FlopCounterMode

    module = build_form(spec, form, device="meta")
    image = torch.empty(spec.input_shape, dtype=torch_dtype(spec.dtype), device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module(image)
    params = sum(parameter.numel() for parameter in module.parameters())
    return FormCount(params, counter.get_total_flops() // 2, tuple(output.shape))

"""What thop counts on the modules that were built. The only place that knows thop.

thop runs a module's `forward` and multiplies shapes in hooks. The forward is given an input of batch 0, for which torch
works out the output shape in its own code and computes nothing, whatever the size of the layer; the hook then hands
thop's own rule the same shapes with the true batch. (On the meta device the first convolution of a process alone costs
0.3 s, so that it serves only for weights too large to allocate even untouched.)
"""

from __future__ import annotations

import importlib
from typing import Final

import torch
from torch import nn

from dsconv_cli.counting.modules import build_form, torch_dtype
from dsconv_cli.counting.profilers import FormCount
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.layer.metrics import weights
from dsconv_cli.layer.spec import ConvSpec

#: Untouched weights up to this size are allocated on the CPU (they take address space only); larger ones on meta.
_CPU_WEIGHT_BYTES: Final = 2**30


def count(spec: ConvSpec, form: str) -> FormCount:
    """`thop.profile` on a fresh, wrapped module.

    Whatever default device the caller has set, thop's totals are kept on the CPU; only the kernel-sized tensor that
    its rule makes, to ask for its size, is made on the meta device, where it takes no memory.
    """
    import thop

    # In the package `thop`, the name `thop.profile` is a function that hides the module of that name.
    rule = importlib.import_module("thop.vision.basic_hooks").count_convNd
    weight_bytes = max(map(weights, FORMS[form].operators(spec))) * spec.element_bytes
    device = "cpu" if weight_bytes <= _CPU_WEIGHT_BYTES else "meta"
    module = build_form(spec, form, device=device)
    shapes: list[tuple[int, ...]] = []
    one = torch.empty(1, device="cpu")

    def with_true_batch(conv: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        shapes.append((spec.batch, *output.shape[1:]))
        whole_input = one.expand(spec.batch, *inputs[0].shape[1:])
        with torch.device("meta"):
            rule(conv, (whole_input,), one.expand(shapes[-1]))

    nothing = torch.empty((0, *spec.input_shape[1:]), dtype=torch_dtype(spec.dtype), device=device)
    with torch.device("cpu"):
        macs, params = thop.profile(module, (nothing,), custom_ops={nn.Conv2d: with_true_batch}, verbose=False)
    return FormCount(int(params), int(macs), shapes[-1])

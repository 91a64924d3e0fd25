"""What independent programs count on the modules that were built. The only place that knows thop.

Counting computes nothing, whatever the size of the layer:

- *thop* runs a module's `forward` and multiplies shapes in hooks. The forward is given an input of batch 0, for
  which torch works out the output shape in its own code and computes nothing; the hook then hands thop's own
  rule the same shapes with the true batch. (On the meta device the first convolution of a process alone costs
  0.3 s, so that it serves only for weights too large to allocate even untouched.)
- *torch* is `torch.utils.flop_counter`, on the meta device, with the true batch.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import nn

from dsconv_cli.counting.modules import build_form, torch_dtype
from dsconv_cli.counting.result import INSTEAD, FormCounts, Measured
from dsconv_cli.environment import distribution_of, thop_distribution
from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.layer.forms import VARIANTS

if TYPE_CHECKING:
    from dsconv_cli.layer.cost import Cost
    from dsconv_cli.layer.spec import ConvSpec

#: Integers above this are not all doubles, and thop counts in doubles.
EXACT_DOUBLE: Final = 2**53
#: thop rounds each convolution's count once and their sum once: a few half-ulps of 2^-53.
_THOP_PRECISION: Final = 4 * 2.0**-53
#: Untouched weights up to this size are allocated on the CPU (they take address space only); larger ones on meta.
_CPU_WEIGHT_BYTES: Final = 2**30


class Counted(NamedTuple):
    """One program's counts on one form."""

    params: int
    macs: int
    output_shape: tuple[int, ...]


def count_with_thop(spec: ConvSpec, form: str) -> Counted:
    """`thop.profile` on a fresh, wrapped module.

    Whatever default device the caller has set, thop's totals are kept on the CPU; only the kernel-sized tensor that
    its rule makes, to ask for its size, is made on the meta device, where it takes no memory.
    """
    import thop

    # In the package `thop`, the name `thop.profile` is a function that hides the module of that name.
    rule = importlib.import_module("thop.vision.basic_hooks").count_convNd
    weight_bytes = max(_weights(spec, form)) * spec.element_bytes
    device = "cpu" if weight_bytes <= _CPU_WEIGHT_BYTES else "meta"
    module = build_form(spec, form, device=device, initialise=False)
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
    return Counted(int(params), int(macs), shapes[-1])


def count_with_torch(spec: ConvSpec, form: str) -> Counted:
    """`torch.utils.flop_counter.FlopCounterMode`: FLOPs = 2·MACs, exact integers."""
    from torch.utils.flop_counter import FlopCounterMode

    module = build_form(spec, form, device="meta", initialise=False)
    image = torch.empty(spec.input_shape, dtype=torch_dtype(spec.dtype), device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = module(image)
    params = sum(parameter.numel() for parameter in module.parameters())
    return Counted(params, counter.get_total_flops() // 2, tuple(output.shape))


class Profiler(NamedTuple):
    """A program that counts, how exactly it does, and which distribution answered."""

    run: Callable[[ConvSpec, str], Counted]
    precision: float
    distribution: Callable[[], str]


#: A new profiler is one entry here and one word in `comparison.PROFILER_CHOICES`.
PROFILERS: Final[Mapping[str, Profiler]] = MappingProxyType(
    {
        "thop": Profiler(count_with_thop, _THOP_PRECISION, thop_distribution),
        "torch": Profiler(count_with_torch, 0.0, lambda: distribution_of("torch")),
    }
)


def measure(spec: ConvSpec, closed: Cost, choice: str) -> Measured:
    """Count both forms with `choice` ("thop", "torch" or "both") and hold the counts against the closed forms.

    Raises:
        CannotMeasureError: a program cannot hold the layer, or its count or shape is not the computed one.
    """
    names = tuple(PROFILERS) if choice == "both" else (choice,)
    for name in names:
        counted = {form: _count(name, spec, form) for form in VARIANTS}
        _check_shapes(name, spec, counted)
        for form, one in counted.items():
            _check_count(name, "parameters", form, one.params, getattr(closed.params, form))
            _check_count(name, "MACs", form, one.macs, getattr(closed.macs, form))
    # The last one asked is the exact one wherever more than one was asked.
    whole, pair = counted["ordinary"], counted["separable"]
    return Measured(
        profiler=choice,
        params=FormCounts(whole.params, pair.params),
        macs=FormCounts(whole.macs, pair.macs),
        agrees=True,
        exact=all(PROFILERS[one].precision == 0 for one in names) or _largest(closed) <= EXACT_DOUBLE,
        counters=tuple(PROFILERS[name].distribution() for name in names),
    )


def _count(name: str, spec: ConvSpec, form: str) -> Counted:
    try:
        with warnings.catch_warnings():
            # torch warns that `same` with an even kernel may copy its input, thop that it uses distutils: both are
            # true, and no news to someone who counts.
            warnings.simplefilter("ignore")
            return PROFILERS[name].run(spec, form)
    except ImportError as error:
        raise CannotMeasureError(f"{name} cannot be imported ({error}); pip install {name}; {INSTEAD}") from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotMeasureError(f"{name} could not count the {form} form ({reason}); {INSTEAD}") from error


def _check_shapes(name: str, spec: ConvSpec, counted: Mapping[str, Counted]) -> None:
    for form, one in counted.items():
        if one.output_shape != spec.output_shape:
            raise CannotMeasureError(
                f"shapes disagree: torch gave {_times(one.output_shape)} for the {form} form under {name}, "
                f"computed was {_times(spec.output_shape)}"
            )


def _check_count(name: str, metric: str, form: str, counted: int, expected: int) -> None:
    if abs(counted - expected) > PROFILERS[name].precision * expected or (
        expected <= EXACT_DOUBLE and counted != expected
    ):
        raise CannotMeasureError(
            f"counters disagree: {name} counts {counted:,} {metric} for the {form} form, "
            f"the closed form is {expected:,}"
        )


def _weights(spec: ConvSpec, form: str) -> list[int]:
    return [
        layer.out_channels * (layer.in_channels // layer.groups) * layer.kernel_size[0] * layer.kernel_size[1]
        for layer in VARIANTS[form](spec)
    ]


def _largest(closed: Cost) -> int:
    return max(max(metric.ordinary, metric.separable) for metric in (closed.params, closed.macs))


def _times(shape: tuple[Any, ...]) -> str:
    return "x".join(str(size) for size in shape)

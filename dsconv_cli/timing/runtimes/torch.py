"""Eager torch: `torch.nn` modules, called one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.timing.runtimes.protocol import Built, Ran, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

    from dsconv_cli.timing.runtimes.chain import Array, Chain, Operator
    from dsconv_cli.timing.worker.answers import Conditions


def module_of(chain: Chain, conditions: Conditions) -> nn.Module:
    """The convolutions as modules; a single one stands alone, for a `Sequential` costs 2 % of a short call."""
    from torch import nn

    modules = [_conv2d(one, conditions) for one in chain.operators]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def image_of(chain: Chain, conditions: Conditions) -> torch.Tensor:
    """The image, N×C×H×W, where and how the conditions want it."""
    import torch

    return _placed(torch.from_numpy(chain.image), conditions)  # type: ignore[no-any-return]


def built(run: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, ran: Callable[[], Ran]) -> Built[Array]:
    """What calls `run` on `image`."""

    def output() -> Array:
        import numpy as np

        return np.asarray(run(image).float().cpu().contiguous().numpy())

    return Built(lambda: run(image), output, ran)


def _conv2d(one: Operator, conditions: Conditions) -> nn.Module:
    import torch

    from dsconv_cli.counting.modules import Uninitialised, conv2d

    with Uninitialised():
        module = conv2d(one.layer, dtype="float32")
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(one.weight))
        if module.bias is not None:
            module.bias.copy_(torch.from_numpy(one.bias))
    return _placed(module.eval(), conditions)  # type: ignore[no-any-return]


def _placed(what: Any, conditions: Conditions) -> Any:
    import torch

    from dsconv_cli.counting.modules import torch_dtype

    placed = what.to(device=conditions.device, dtype=torch_dtype(conditions.dtype))
    return placed.to(memory_format=torch.channels_last) if conditions.channels_last else placed


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    return built(module_of(chain, conditions), image_of(chain, conditions), lambda: _ran(chain, conditions))


def _ran(chain: Chain, conditions: Conditions) -> Ran:
    backends = tuple(filter(None, (_backend(one, conditions) for one in chain.operators)))
    return Ran(backends, conditions.dtype, " ".join(dict.fromkeys(backends)))


def _backend(one: Operator, conditions: Conditions) -> str:
    """What torch calls the implementation that it will pick, which a private function tells."""
    import torch

    layer = one.layer
    try:
        image = _placed(torch.empty(layer.batch, layer.in_channels, *layer.input_size), conditions)
        weight = _placed(torch.from_numpy(one.weight), conditions)
        chosen = torch._C._select_conv_backend(  # noqa: SLF001
            image, weight, None, layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
        )
    except (AttributeError, RuntimeError, TypeError):
        return ""
    return str(chosen).rpartition(".")[2]


TORCH: Final = Runtime(
    name="torch",
    title="PyTorch",
    packages=("torch",),
    distribution="torch",
    dtypes=FLOATS,
    build=_build,
    devices=(),
    layout="",
    module=lambda network: network,
)

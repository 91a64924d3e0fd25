"""torch.compile: the modules of eager torch as inductor compiles them, their weights frozen into the code."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from dsconv_cli.layer.fields import FLOATS
from dsconv_cli.timing.runtimes.protocol import Built, Ran, Runtime
from dsconv_cli.timing.runtimes.torch import built, image_of, module_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from dsconv_cli.timing.runtimes.chain import Array, Chain
    from dsconv_cli.timing.worker.answers import Conditions

#: What inductor looks for where CXX does not say.
_COMPILERS: Final = ("g++", "clang++", "c++", "cl")


def _lacks() -> str | None:
    import os
    import shutil

    wanted = os.environ.get("CXX")
    if any(shutil.which(one) for one in ([wanted] if wanted else _COMPILERS)):
        return None
    looked_for = wanted or " or ".join(_COMPILERS[:2])
    return f"torch.compile needs a C++ compiler and finds no {looked_for}: apt install g++, or what the system has"


@cache
def load() -> None:
    """Compile something tiny: what takes seconds the first time is then there in every process that is forked.

    Of one layer 2.1 of 3.1 s of the processor. It runs in one thread, so that there are none that a fork would lose.
    """
    import torch
    from torch import nn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with _without_gpu(), torch.inference_mode():
        _compiled(nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1)).eval())(torch.zeros(1, 4, 4, 4))
    torch.set_num_threads(threads)


@contextmanager
def _without_gpu() -> Iterator[None]:
    """Let nobody find a GPU: to look for one is enough that a process forked from this one cannot look for itself.

    Only these two names are put back: what torch sets meanwhile stays.
    """
    import os

    hidden = {"CUDA_VISIBLE_DEVICES": "", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    before = {name: os.environ.get(name) for name in hidden}
    os.environ.update(hidden)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _compiled(network: nn.Module) -> Callable[..., object]:
    """The network as something to call, which compiles when it first is."""
    import torch
    import torch._inductor.config as inductor

    # By default each process would start a pool of compiling processes, which nothing of this size is worth.
    inductor.compile_threads = 1
    # Without it the weights are inputs of the code and are put in another order at every call: 1024×1024×3×3 on 7×7
    # was 37 instead of 8 times faster as a pair. Whoever deploys a compiled network freezes it.
    inductor.freezing = True

    def run(*args: Any, **kwargs: Any) -> Any:
        return network(*args, **kwargs)

    # What is compiled belongs to a code object. Modules of one kind share theirs: they would be looked through at each
    # call, and after eight of them dynamo gives up.
    own = FunctionType(run.__code__.replace(), run.__globals__, run.__name__, None, run.__closure__)
    return torch.compile(own, dynamic=False)


def _build(chain: Chain, conditions: Conditions) -> Built[Array]:
    image = image_of(chain, conditions)
    compiled: Any = _compiled(module_of(chain, conditions))
    compiled(image)
    return built(compiled, image, lambda: Ran(precision=conditions.dtype))


TORCH_COMPILE: Final = Runtime(
    name="torch-compile",
    title="torch.compile",
    packages=("torch",),
    distribution="torch",
    dtypes=FLOATS,
    build=_build,
    load=load,
    lacks=_lacks,
    # For a GPU each process would compile for itself, since nothing may look for one before a fork: 15 s each.
    devices=("cpu",),
    layout="",
    module=_compiled,
)

"""One forward pass, watched: which module called which convolution or matrix product, and what torch counts for it.

The counts are `torch.utils.flop_counter`'s: it stands below this watcher in the dispatcher, and each operator is
credited with what torch's total grew by. Nothing is hooked into the module; the hooks are torch's global ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

FLOPS_PER_MAC: Final = 2

_CONVOLUTIONS: Final = frozenset(
    {
        "aten::convolution",
        "aten::_convolution",
        "aten::cudnn_convolution",
        "aten::mkldnn_convolution",
        "aten::convolution_overrideable",
        "aten::conv1d",
        "aten::conv2d",
        "aten::conv3d",
        "aten::conv_transpose1d",
        "aten::conv_transpose2d",
        "aten::conv_transpose3d",
    }
)


@dataclass(slots=True)
class Seen:
    """What one module did during the pass."""

    calls: int = 0
    input_shapes: list[tuple[int, ...]] = field(default_factory=list)
    output_shapes: list[tuple[int, ...]] = field(default_factory=list)
    macs: int = 0
    convolutions: int = 0
    products: int = 0
    weights: set[int] = field(default_factory=set)
    weight_shape: tuple[int, ...] | None = None
    operand_shape: tuple[int, ...] | None = None
    result_shape: tuple[int, ...] | None = None

    @property
    def counted(self) -> bool:
        """Whether it computed anything that is counted."""
        return self.convolutions + self.products > 0


@dataclass(frozen=True, slots=True)
class Walk:
    """The whole pass: what each module did (by id), torch's total, and the shapes that came out."""

    seen: Mapping[int, Seen]
    total_macs: int
    outputs: tuple[tuple[int, ...], ...]
    output_type: str


Inputs = tuple[tuple[Any, ...], Mapping[str, Any]]


def walk(module: nn.Module, inputs: Inputs, *, shapes_only: bool) -> Walk:
    """Run `module` once, without gradients, and report who computed what.

    Args:
        module: in the mode (training or not) it is to be counted in.
        inputs: positional and keyword arguments.
        shapes_only: tensors that the forward pass makes for itself are meta tensors too.
    """
    counter = FlopCounterMode(display=False)
    watcher = _Watcher(counter)
    args, kwargs = inputs
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_no_fast_path())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.device("meta") if shapes_only else nullcontext())
        stack.enter_context(_calls_reported_to(watcher))
        stack.enter_context(counter)
        stack.enter_context(watcher)
        output = module(*args, **kwargs)
    return Walk(
        watcher.seen,
        counter.get_total_flops() // FLOPS_PER_MAC,
        tuple(tuple(one.shape) for one in tensors_in(output)),
        type(output).__name__,
    )


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors of whatever a network takes or returns, in a fixed order."""
    leaves = []
    for leaf in tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            leaves.append(leaf)
        elif hasattr(leaf, "__dataclass_fields__"):
            leaves += tensors_in([getattr(leaf, name) for name in leaf.__dataclass_fields__])
    return leaves


@contextmanager
def _no_fast_path() -> Iterator[None]:
    """Attention layers have a fused form for inference, of whose matrix products no counter knows.

    The same holds for the fused kernels of scaled dot product attention on the CPU.
    """
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@contextmanager
def _calls_reported_to(watcher: _Watcher) -> Iterator[None]:
    """Global hooks: none is left on any module, whatever happens."""
    before = register_module_forward_pre_hook(watcher.enter_module)
    after = register_module_forward_hook(watcher.leave_module, always_call=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()


class _Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Credits every operator to the module that is being called."""

    supports_higher_order_operators = True

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: dict[int, Seen] = {}
        self._counter = counter
        self._stack: list[nn.Module] = []
        # An id means something only while its module lives, and a forward pass may make modules and drop them.
        self._alive: list[nn.Module] = []

    def enter_module(self, module: nn.Module, args: Any) -> None:
        self._stack.append(module)
        one = self._of(module)
        one.calls += 1
        operands = tensors_in(args)
        if operands:
            one.input_shapes.append(tuple(operands[0].shape))

    def leave_module(self, module: nn.Module, _: Any, output: Any) -> None:
        while self._stack and self._stack.pop() is not module:
            pass
        results = tensors_in(output)
        if results:
            self._of(module).output_shapes.append(tuple(results[0].shape))

    def _of(self, module: nn.Module) -> Seen:
        if id(module) not in self.seen:
            self._alive.append(module)
            self.seen[id(module)] = Seen()
        return self.seen[id(module)]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = self._counter.get_total_flops()
        output = func(*args, **(kwargs or {}))
        flops = self._counter.get_total_flops() - before
        if self._stack and (flops or _name(func) in _CONVOLUTIONS):
            self._record(_name(func), flops, args, output)
        return output

    def _record(self, name: str, flops: int, args: Sequence[Any], output: Any) -> None:
        one = self._of(self._stack[-1])
        one.macs += flops // FLOPS_PER_MAC
        operands = tensors_in(args)
        results = tensors_in(output)
        if name in _CONVOLUTIONS:
            one.convolutions += 1
            one.weights.add(id(operands[1]))
            one.weight_shape = one.weight_shape or tuple(operands[1].shape)
        else:
            one.products += 1
        one.operand_shape = one.operand_shape or tuple(operands[0].shape)
        one.result_shape = one.result_shape or tuple(results[0].shape)


def _name(func: Any) -> str:
    schema = getattr(func, "_schema", None)
    return schema.name if schema is not None else ""

"""One forward pass, watched: which module called which convolution or matrix product, and what torch counts for it.

The counts are `torch.utils.flop_counter`'s: it stands below this watcher in the dispatcher, and each operator is
credited with what torch's total grew by, or, where torch has no formula, with what `operators` knows. Nothing is hooked
into the module; the hooks are torch's global ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as module_hooks
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from dsconv_cli.layer.cost import FLOPS_PER_MAC
from dsconv_cli.model import operators
from dsconv_cli.model.constants import Constant, Constants
from dsconv_cli.model.network import bytes_of
from dsconv_cli.model.operators import Arguments

Shape = tuple[int, ...]

#: Positional and keyword arguments of a forward pass.
Call = tuple[tuple[Any, ...], Mapping[str, Any]]


@dataclass(slots=True)
class Seen:
    """What one module did during the pass: shapes of its first input and output at each call, MACs, operators.

    `operators` are those that were counted; of the first of them, `weight_shape`, `operand_shape` and `result_shape`.
    `activation_bytes` is the most that the data that goes into one of them and comes out takes together.
    """

    calls: int = 0
    input_shapes: list[Shape] = field(default_factory=list)
    output_shapes: list[Shape] = field(default_factory=list)
    macs: int = 0
    activation_bytes: int = 0
    operators: set[str] = field(default_factory=set)
    weight_shape: Shape | None = None
    operand_shape: Shape | None = None
    result_shape: Shape | None = None

    @property
    def convolves(self) -> bool:
        """Whether one of its operators is a convolution."""
        return any(map(operators.convolves, self.operators))


@dataclass(frozen=True, slots=True)
class Walk:
    """The whole pass: what each module did (by id), the total of MACs, and the shapes that came out.

    `read` are the modules (by id) whose weights others computed with. `uncounted` are the operators that computed with
    a weight and have no formula, with the modules (by id) that called them. `looks` are the operators that let the
    program look at values: "surely" where it decides by them, "maybe" where it may have printed them.
    """

    seen: Mapping[int, Seen]
    total_macs: int
    outputs: tuple[Shape, ...]
    output_type: str
    read: frozenset[int]
    uncounted: tuple[tuple[str, int], ...]
    looks: Mapping[str, str]


def walk(module: nn.Module, call: Call, *, shapes_only: bool) -> Walk:
    """Run `module` once, in the mode it is in and without gradients, and report who computed what.

    With `shapes_only`, tensors that the forward pass makes for itself are meta tensors too.
    """
    counter = FlopCounterMode(display=False)
    # torch's own record of which module is running wants gradients of whatever a module is given. Ours does not.
    counter.mod_tracker = _Nowhere()  # type: ignore[assignment]
    watcher = _Watcher(counter, module)
    args, kwargs = call
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_no_fast_path())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.device("meta") if shapes_only else nullcontext())
        # Global hooks, which are taken away again: none is left on any module, whatever happens.
        stack.enter_context(register_module_forward_pre_hook(watcher.enter_module))
        stack.enter_context(_after_each_module(watcher.leave_module))
        stack.enter_context(counter)
        stack.enter_context(watcher)
        output = module(*args, **kwargs)
    return Walk(
        watcher.seen,
        counter.get_total_flops() // FLOPS_PER_MAC + watcher.macs_of_ours,
        tuple(tuple(one.shape) for one in tensors_in(output)),
        type(output).__name__,
        frozenset(watcher.read),
        tuple(dict.fromkeys(watcher.uncounted)),
        watcher.looks,
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
def _after_each_module(hook: Callable[..., None]) -> Iterator[None]:
    """`hook` is called after every module, with the keyword arguments too, and also where the module fails."""
    handle = register_module_forward_hook(hook, with_kwargs=True, always_call=True)
    try:
        yield
    finally:
        handle.remove()
        # The handle forgets that the hook took keyword arguments, and torch.compile then warns of it for ever.
        module_hooks._global_forward_hooks_with_kwargs.pop(handle.id, None)  # noqa: SLF001


class _Nowhere(nullcontext[None]):
    """Stands for torch's record of modules, in none of which anything happens."""

    parents: Final = frozenset({"Global"})


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


class _Watcher(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Credits every operator to the module that is being called."""

    supports_higher_order_operators = True

    def __init__(self, counter: FlopCounterMode, root: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: dict[int, Seen] = {}
        self.macs_of_ours = 0
        self.read: set[int] = set()
        self.uncounted: list[tuple[str, int]] = []
        self.looks: dict[str, str] = {}
        self._counter = counter
        self._stack: list[nn.Module] = [root]
        self._constants = Constants()
        # An id means something only while its module lives, and a forward pass may make modules and drop them.
        self._alive: list[nn.Module] = []
        for module in root.modules():
            self._constants.learn(module, vars(module).values())

    def enter_module(self, module: nn.Module, _: Any) -> None:
        self._stack.append(module)
        self._of(module).calls += 1

    def leave_module(self, module: nn.Module, *call: Any) -> None:
        """`call` is what it was called with and gave; torch leaves out the keywords where it raised."""
        *given, output = call
        while len(self._stack) > 1 and self._stack.pop() is not module:
            pass
        one = self._of(module)
        for shapes, tensors in ((one.input_shapes, tensors_in(given)), (one.output_shapes, tensors_in(output))):
            if tensors:
                shapes.append(tuple(tensors[0].shape))
        # Lazy modules have weights only now.
        self._constants.learn(module)

    def _of(self, module: nn.Module) -> Seen:
        if id(module) not in self.seen:
            self._alive.append(module)
            self.seen[id(module)] = Seen()
        return self.seen[id(module)]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        before = self._counter.get_total_flops()
        output = func(*args, **kwargs)
        macs = (self._counter.get_total_flops() - before) // FLOPS_PER_MAC
        if hasattr(func, "_schema"):
            self._watch(func, args, kwargs, output, macs)
        elif macs:
            tensors = tensors_in(args)
            self._credit("", {}, tensors, tensors, output, macs)
        return output

    def _watch(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, macs: int) -> None:
        name = operators.name_of(func)
        given = operators.arguments_of(func, args, kwargs)
        if not macs:
            macs = operators.macs_of(name, given, output) or 0
            self.macs_of_ours += macs
        tensors = tensors_in((args, kwargs))
        constants = [self._constants.get(tensor) for tensor in tensors]
        if macs or operators.convolves(name):
            data = [tensor for tensor, one in zip(tensors, constants, strict=True) if one is None]
            self._credit(name, given, tensors, data, output, macs)
        if None in constants:
            look = operators.looks_at_values(func, args)
            if look is not None and self.looks.get(name) != "surely":
                self.looks[name] = look
        if not operators.shows_only(func):
            self._watch_weights(func, given, tensors, constants, counted=macs > 0)
        self._constants.made(tensors_in(output), constants)

    def _credit(
        self,
        name: str,
        given: Arguments,
        tensors: list[torch.Tensor],
        data: list[torch.Tensor],
        output: Any,
        macs: int,
    ) -> None:
        one = self._of(self._stack[-1])
        one.macs += macs
        one.operators.add(name)
        weight = operators.weight_of(given) if operators.convolves(name) else None
        if weight is not None:
            one.weight_shape = one.weight_shape or tuple(weight.shape)
        one.operand_shape = one.operand_shape or tuple(tensors[0].shape)
        results = tensors_in(output)
        alive = {id(tensor): tensor for tensor in (*data, *results)}
        one.activation_bytes = max(one.activation_bytes, bytes_of(alive.values()))
        if results:
            one.result_shape = one.result_shape or tuple(results[0].shape)

    def _watch_weights(
        self,
        func: Any,
        given: Arguments,
        tensors: list[torch.Tensor],
        constants: list[Constant | None],
        *,
        counted: bool,
    ) -> None:
        """Who computes with whose weights, and whether that was counted."""
        caller = id(self._stack[-1])
        for one in constants:
            if one is not None and caller not in one.owners:
                self.read |= one.owners
        packed = any(isinstance(leaf, torch.ScriptObject) for leaf in tree_leaves(given))
        weights = packed or any(one is not None and one.weight for one in constants)
        data = any(one is None and _holds_numbers(tensor) for tensor, one in zip(tensors, constants, strict=True))
        if weights and data and not counted and operators.may_multiply(func):
            self.uncounted.append((operators.name_of(func), caller))


def _holds_numbers(tensor: torch.Tensor) -> bool:
    """Whether it is what layers compute with, rather than indices or a mask."""
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.is_quantized

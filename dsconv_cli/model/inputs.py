"""What a network is called with: tensors, shapes for which tensors are made, or what a function gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch
from torch import nn
from torch.utils._pytree import tree_map, tree_structure

from dsconv_cli.errors import DsconvError
from dsconv_cli.model.copying import copy_value
from dsconv_cli.model.foreign import blaming
from dsconv_cli.model.result import InputShape
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source, first_dtype
from dsconv_cli.model.walk import Call, tensors_in

META: Final = "meta"
CPU: Final = "cpu"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of a forward pass, or `given`: something that is arranged once the network is known.

    An `InputShape` stands for a tensor of that shape; with an empty dtype, of the network's own floating type.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    given: Callable[[], Any] | None = None

    def arranged_for(self, module: nn.Module) -> Inputs:
        """With what was `given` in its places: a tuple by position, a dict by name where `module` takes those names.

        Anything else, and a dict whose names `module` does not take, is its one argument.
        """
        if self.given is None:
            return self
        value = self.given()
        if type(value) is tuple:
            return Inputs(value)
        if isinstance(value, Mapping) and _takes(module, value):
            return Inputs(kwargs=value)
        return Inputs((value,))

    def on(self, device: str, dtype: torch.dtype, convert: torch.dtype | None = None) -> Call:
        """Tensors on `device`. The user's own are never handed over: a forward pass may write to its inputs.

        `dtype` is for shapes without one. Floating tensors are converted to `convert`, unless it is None.
        """

        def place(value: Any) -> Any:
            if isinstance(value, InputShape):
                return _tensor(value, device, dtype)
            copied = copy_value(value, device)
            floating = isinstance(copied, torch.Tensor) and copied.is_floating_point()
            return copied.to(convert) if floating and convert is not None else copied

        args, kwargs = tree_map(
            place, (self.args, dict(self.kwargs or {})), is_leaf=lambda value: isinstance(value, InputShape)
        )
        return args, kwargs


def inputs_from(shapes: Sequence[InputShape]) -> Inputs:
    """Shapes as they are given on a command line: those with a name go by it, the others by their order."""
    return Inputs(
        tuple(one for one in shapes if one.name is None), {one.name: one for one in shapes if one.name is not None}
    )


def once(function: Callable[[], Any], what: str) -> Callable[[], Any]:
    """`function` called at most once, from the same random numbers each time; what fails is blamed on `what`."""

    @cache
    def given() -> Any:
        with blaming(what):
            return seeded(function)

    return given


def call_of(source: Source, inputs: Inputs, module: nn.Module, device: str) -> Call:
    """The arguments for `module`, made of `inputs` or, where there are none, of those that the source brings along.

    Raises:
        DsconvError: there are none.
        CannotMeasureError: the function that gives them failed.
    """
    if inputs.args or inputs.kwargs or inputs.given:
        inputs = inputs.arranged_for(module)
    elif source.example is None:
        raise DsconvError(f"{source.name} needs `inputs`, such as (1, 3, 224, 224)")
    else:
        inputs = Inputs(*source.example)
    return seeded(lambda: inputs.on(device, first_dtype(module), source.dtype))


def inputs_of(given: Any) -> Inputs:
    """Whatever a caller of the library gives, as `Inputs`; see `dsconv_cli.analyse`.

    Raises:
        DsconvError: it is nothing of the kind.
    """
    if given is None or isinstance(given, Inputs):
        return given or Inputs()
    if isinstance(given, Mapping):
        return Inputs(given=lambda: {name: _input(one) for name, one in given.items()})
    if isinstance(given, torch.Tensor | InputShape) or _is_shape(given):
        return Inputs((_input(given),))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return Inputs(tuple(_input(one) for one in given))
    if callable(given):
        return Inputs(given=once(given, "the function that gives the inputs"))
    raise DsconvError(
        "inputs must be tensors or shapes, such as (1, 3, 224, 224), or a function that gives them, not "
        f"{type(given).__name__}"
    )


def shapes_of(call: Call) -> tuple[InputShape, ...]:
    """The tensors of a call, as shapes."""
    args, kwargs = call
    named = [(None, value) for value in args] + list(kwargs.items())
    return tuple(
        InputShape(name, tuple(one.shape), str(one.dtype).removeprefix("torch."))
        for name, value in named
        for one in tensors_in(value)
    )


def _takes(module: nn.Module, given: Mapping[Any, Any]) -> bool:
    """Whether the forward pass takes these names as its arguments."""
    if hasattr(module, "module_call_graph"):
        # An exported program: its function takes whatever it is given, and its record says what it can do with.
        expected: Any = module.module_call_graph
        return bool(tree_structure(((), dict(given))) == expected[0].signature.in_spec)
    try:
        inspect.signature(module.forward).bind(**given)
    except (TypeError, ValueError):
        return False
    return True


def _tensor(shape: InputShape, device: str, dtype: torch.dtype) -> torch.Tensor:
    wanted = getattr(torch, shape.dtype) if shape.dtype else dtype
    if device == META:
        return torch.empty(shape.shape, dtype=wanted, device=META)
    # Zeros for whole numbers, which may be indices: 0 is always a valid one.
    if wanted.is_floating_point or wanted.is_complex:
        return torch.randn(shape.shape, device=device).to(wanted)
    return torch.zeros(shape.shape, dtype=wanted, device=device)


def _input(value: Any) -> Any:
    return InputShape(None, tuple(value), "") if _is_shape(value) else value


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(type(size) is int for size in value)

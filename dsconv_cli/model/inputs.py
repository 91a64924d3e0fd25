"""What a network is called with: tensors, or shapes for which tensors are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import torch
from torch.utils._pytree import tree_map

from dsconv_cli.errors import DsconvError
from dsconv_cli.model.result import InputShape
from dsconv_cli.model.walk import tensors_in

META: Final = "meta"
CPU: Final = "cpu"

Call = tuple[tuple[Any, ...], dict[str, Any]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the network is called with: tensors, or shapes for which tensors are made.

    An `InputShape` with an empty dtype stands for the network's own floating type.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def on(self, device: str, dtype: torch.dtype) -> Call:
        """Tensors on `device`. The user's own are never handed over: a forward pass may write to its inputs."""

        def place(value: Any) -> Any:
            if isinstance(value, InputShape):
                return _tensor(value, device, dtype)
            if not isinstance(value, torch.Tensor):
                return value
            return torch.empty_like(value, device=META) if device == META else value.detach().to(device, copy=True)

        def leaf(value: Any) -> Any:
            return place(value) if isinstance(value, InputShape) else tree_map(place, value)

        return tuple(map(leaf, self.args)), {name: leaf(value) for name, value in (self.kwargs or {}).items()}


def inputs_from(shapes: Sequence[InputShape]) -> Inputs:
    """Shapes as they are given on a command line: those with a name go by it, the others by their order."""
    return Inputs(
        tuple(one for one in shapes if one.name is None), {one.name: one for one in shapes if one.name is not None}
    )


def inputs_of(given: Any) -> Inputs:
    """Tensors or shapes, one, several (a list or tuple), or by name (a dict), as `Inputs`.

    Raises:
        DsconvError: something else.
    """
    if isinstance(given, Inputs):
        return given
    if isinstance(given, Mapping):
        return Inputs(kwargs={name: _input(one) for name, one in given.items()})
    if isinstance(given, torch.Tensor | InputShape) or _is_shape(given):
        return Inputs((_input(given),))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return Inputs(tuple(_input(one) for one in given))
    raise DsconvError(f"inputs must be tensors or shapes, such as (1, 3, 224, 224), not {type(given).__name__}")


def shapes_of(call: Call) -> tuple[InputShape, ...]:
    """The tensors of a call, as shapes."""
    args, kwargs = call
    named = [(None, value) for value in args] + list(kwargs.items())
    return tuple(
        InputShape(name, tuple(one.shape), str(one.dtype).removeprefix("torch."))
        for name, value in named
        for one in tensors_in(value)
    )


def seeded(work: Callable[[], _T]) -> _T:
    """Do `work` without moving the caller's random numbers, from the same ones each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return work()


def _tensor(shape: InputShape, device: str, dtype: torch.dtype) -> torch.Tensor:
    wanted = getattr(torch, shape.dtype) if shape.dtype else dtype
    if device == META:
        return torch.empty(shape.shape, dtype=wanted, device=META)
    # Zeros for whole numbers, which may be indices: 0 is always a valid one.
    if wanted.is_floating_point or wanted.is_complex:
        return torch.randn(shape.shape, device=device).to(wanted)
    return torch.zeros(shape.shape, dtype=wanted, device=device)


def _input(value: Any) -> Any:
    if _is_shape(value):
        return InputShape(None, tuple(value), "")
    return value


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and not isinstance(value, InputShape)
        and len(value) > 0
        and all(type(size) is int for size in value)
    )

"""Copies of a module on another device, with some of its parts exchanged. The original is never touched."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode


def copy_module(module: nn.Module, device: str | None, swap: Mapping[nn.Module, nn.Module] | None = None) -> nn.Module:
    """A copy of `module` on `device` (None: each tensor where it is), in which `swap` replaces modules by others.

    Whatever refers to a swapped module, be it a second name, a list or a bound method, refers to its replacement in
    the copy. On the meta device no value is copied and no memory used. Modules that cannot be deep-copied because an
    attribute cannot (a lock, an open file) share that attribute with their copy.
    """
    memo: dict[int, Any] = {id(old): new for old, new in (swap or {}).items()}
    for tensor in (*module.parameters(), *module.buffers()):
        memo[id(tensor)] = _moved(tensor, device)
    with _MoveCopiedTensors(device):
        try:
            copied = copy.deepcopy(module, dict(memo))
        except Exception:  # noqa: BLE001  # anything may be said by an attribute that cannot be copied
            return _part_by_part(module, memo)
    if set(copied.modules()).isdisjoint(module.modules()):
        return copied
    # A class that gives out itself as its copy.
    return _part_by_part(module, memo)


def _part_by_part(root: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Each module anew, each attribute deep-copied where it can be and shared where it cannot."""
    originals = [module for module in root.modules() if id(module) not in memo]
    for module in originals:
        memo[id(module)] = type(module).__new__(type(module))
    for module in originals:
        clone = memo[id(module)]
        for name, value in module.__dict__.items():
            clone.__dict__[name] = _copied_or_shared(value, memo)
    clone = memo[id(root)]
    assert isinstance(clone, nn.Module)
    return clone


def _copied_or_shared(value: Any, memo: dict[int, Any]) -> Any:
    attempt = dict(memo)
    try:
        copied = copy.deepcopy(value, attempt)
    except Exception:  # noqa: BLE001  # whatever forbids the copy, the attribute is shared
        return value
    memo.update(attempt)
    return copied


def _moved(tensor: torch.Tensor, device: str | None) -> torch.Tensor:
    """A copy of a parameter or buffer."""
    if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
        unmade: Any = type(tensor)
        return unmade(tensor.requires_grad, device or tensor.device, tensor.dtype)  # type: ignore[no-any-return]
    values = _values(tensor, device)
    return nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values


def _values(tensor: torch.Tensor, device: str | None) -> torch.Tensor:
    source, place = tensor.detach(), torch.device(device or tensor.device)
    if place.type == "meta":
        return torch.empty_like(source, device=place)
    if source.is_meta:
        return torch.zeros_like(source, device=place)
    return source.to(place, copy=True)


def copy_value(value: Any, device: str) -> Any:
    """A copy of `value` with the tensors in it on `device`; `value` itself where it cannot be copied."""
    if isinstance(value, torch.Tensor):
        return _moved(value, device)
    with _MoveCopiedTensors(device):
        try:
            return copy.deepcopy(value)
        except Exception:  # noqa: BLE001  # whatever forbids the copy
            return value


class _MoveCopiedTensors(TorchFunctionMode):
    """Tensors that are neither parameters nor buffers move when they are deep-copied, leaves or not."""

    def __init__(self, device: str | None) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = _values(tensor, self._device)
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


@contextmanager
def left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Put back whatever happens to `module` meanwhile: attributes, mode, hooks, registered parts, buffers.

    Only copies are run, but a closure in a copy (a hook, a patched forward) may still refer to the original.
    """
    attributes = [(one, dict(one.__dict__)) for one in module.modules()]
    tables = [(table, dict(table)) for _, saved in attributes for table in saved.values() if isinstance(table, dict)]
    buffers = [
        (buffer, buffer.detach().clone())
        for buffer in module.buffers()
        if not buffer.is_meta and not isinstance(buffer, UninitializedBuffer)
    ]
    versions = [_version(buffer) for buffer, _ in buffers]
    try:
        yield
    finally:
        for table, content in [*((one.__dict__, saved) for one, saved in attributes), *tables]:
            if len(table) != len(content) or any(table.get(name, table) is not one for name, one in content.items()):
                table.clear()
                table.update(content)
        for (buffer, values), version in zip(buffers, versions, strict=True):
            if version is None or _version(buffer) != version:
                with torch.no_grad():
                    buffer.copy_(values)


def _version(tensor: torch.Tensor) -> int | None:
    """How often it was written to; None for an inference tensor, which does not count."""
    return None if tensor.is_inference() else tensor._version  # noqa: SLF001

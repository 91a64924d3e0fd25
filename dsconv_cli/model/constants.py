"""Which tensors of a forward pass do not depend on its input, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy


@dataclass(slots=True)
class Constant:
    """A tensor that does not depend on the input: the modules (by id) that own it, and whether it is a weight."""

    owners: set[int]
    weight: bool


class Constants:
    """Parameters, buffers, whatever is made from them or from nothing, and views of all that."""

    def __init__(self) -> None:
        self._known: dict[StorageWeakRef, Constant] = {}

    def learn(self, module: nn.Module, more: Iterable[object] = ()) -> None:
        """Parameters and buffers of `module` itself, and what else it keeps. Those that are matrices are weights."""
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False), *more):
            if isinstance(tensor, torch.Tensor) and not is_lazy(tensor):
                storage = _storage(tensor)
                if storage is not None:
                    one = self._known.setdefault(storage, Constant(set(), weight=False))
                    one.owners.add(id(module))
                    one.weight |= tensor.dim() > 1

    def get(self, tensor: torch.Tensor) -> Constant | None:
        """None for what depends on the input."""
        storage = _storage(tensor)
        return None if storage is None else self._known.get(storage)

    def made(self, tensors: list[torch.Tensor], constants: list[Constant | None]) -> None:
        """That an operator made `tensors`, or wrote to them, from arguments some of which are `constants`."""
        for storage in filter(None, map(_storage, tensors)):
            if None in constants:
                self._known.pop(storage, None)
            elif storage not in self._known:
                self._known[storage] = Constant(set(), weight=any(one.weight for one in constants if one is not None))


def _storage(tensor: torch.Tensor) -> StorageWeakRef | None:
    """What views have in common. Unlike an address it is not used again while it is known here."""
    try:
        return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
    except (NotImplementedError, RuntimeError):
        # Sparse tensors have none.
        return None

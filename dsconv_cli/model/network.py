"""A module with its names: who owns which parameter, and which modules it keeps where torch does not see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True, slots=True)
class Network:
    """A module, its parts by name, the names that own each parameter (by id), and its strangers.

    A stranger is a module that a part keeps in a plain list or the like, which torch does not register; `strangers`
    tells by its id the name of that part and the kind of the container.
    """

    module: nn.Module
    names: Mapping[str, nn.Module]
    owners: Mapping[int, list[str]]
    strangers: Mapping[int, tuple[str, str]]

    @classmethod
    def of(cls, module: nn.Module) -> Network:
        """Look at `module`."""
        names = dict(module.named_modules())
        owners: dict[int, list[str]] = {}
        for name, one in names.items():
            for parameter in own_parameters(one):
                owners.setdefault(id(parameter), []).append(name)
        registered = {id(one) for one in names.values()}
        strangers = {key: found for key, found in _kept_aside(names) if key not in registered}
        return cls(module, names, owners, strangers)

    def why_unseen(self, name: str) -> str:
        """Why modules whose work the part `name` is credited with are not among the network's."""
        kind = next((kind for keeper, kind in self.strangers.values() if keeper == name), None)
        if kind is None:
            return "modules that torch does not register"
        return f"modules in a plain {kind}, which torch does not register"


def _kept_aside(names: Mapping[str, nn.Module]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Modules in the containers that are attributes of modules: each with the name of that module and the container."""
    for name, module in names.items():
        for attribute, kept in vars(module).items():
            if attribute == "_modules" or not isinstance(kept, list | tuple | dict | set):
                continue
            for leaf in tree_leaves(list(kept) if isinstance(kept, set) else kept):
                for one in leaf.modules() if isinstance(leaf, nn.Module) else ():
                    yield id(one), (name, type(kept).__name__)


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of the module itself, and what a parametrisation made of them."""
    own = list(module.parameters(recurse=False))
    if parametrize.is_parametrized(module):
        own += list(cast("nn.Module", module.parametrizations).parameters())
    return own


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """What the elements of tensors take, whether or not there is memory behind them."""
    return sum(one.numel() * one.element_size() for one in tensors)


def type_of(module: nn.Module) -> str:
    """The class as its user knows it: that of an exported, scripted or parametrised module is what it was made from."""
    exported = getattr(module, "type_name", None)
    if callable(exported) and hasattr(module, "graph"):
        return str(exported() or type(module).__name__).rpartition(".")[2]
    if parametrize.is_parametrized(module):
        return type(module).__mro__[1].__name__
    return str(getattr(module, "original_name", None) or type(module).__name__)

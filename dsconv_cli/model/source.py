"""Where a network comes from, and the copies of it that are run instead of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils._pytree import tree_structure

from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.model.copying import copy_module, left_as_it_was
from dsconv_cli.model.foreign import blaming, describe, foreign
from dsconv_cli.model.seeds import seeded
from dsconv_cli.numbers import many


@dataclass(slots=True, eq=False)
class Source:
    """A network that can be had on a device, as a copy that may be run and altered.

    `module` is a module that belongs to someone else, `build` a function that makes one; one of the two is given.
    `example` are inputs that it brings along. The floating numbers of copies are converted to `dtype`, unless it is
    None. `not_built_on_meta` says why not, once that was tried.
    """

    name: str
    _: KW_ONLY
    module: nn.Module | None = None
    build: Callable[[], object] | None = None
    example: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None
    dtype: torch.dtype | None = None
    not_built_on_meta: str | None = None
    _built: dict[str, nn.Module | DsconvError] = field(default_factory=dict, init=False)

    def original(self, device: str) -> nn.Module:
        """What is copied: the module itself, wherever it is, or one built on `device`, once: it may take a while."""
        if self.module is not None:
            return self.module
        if device not in self._built:
            try:
                self._built[device] = self._made_on_meta() if device == "meta" else self._make(device)
            except DsconvError as error:
                self._built[device] = error
        made = self._built[device]
        if isinstance(made, DsconvError):
            raise made
        return made

    def copy(self, device: str, swap: Mapping[str, nn.Module] | None = None) -> nn.Module:
        """A copy on `device`, in evaluation mode, with the modules named in `swap` replaced."""
        base = self.original(device)
        by_module = {base.get_submodule(name): new for name, new in (swap or {}).items()}
        with foreign(self.name):
            copied = copy_module(base, device, by_module)
            if self.dtype is not None:
                copied.to(self.dtype)
            if not hasattr(copied, "type_name"):
                # An exported program has no modes: it is what it was when it was exported.
                copied.eval()
        return copied

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """The module that belongs to someone else is afterwards as it was before."""
        if self.module is None:
            yield
            return
        with left_as_it_was(self.module):
            yield

    def _made_on_meta(self) -> nn.Module:
        """Built on the meta device, or, where the factory looks at values that are not there, on the CPU."""
        try:
            return self._make("meta")
        except CannotMeasureError as error:
            made = self.original("cpu")
            self.not_built_on_meta = describe(error.__cause__ or error)
            return made

    def _make(self, device: str) -> nn.Module:
        assert self.build is not None
        with blaming(self.name), torch.device(device):
            made = seeded(self.build)
        if isinstance(made, ExportedProgram):
            return from_exported(made, self.name).original(device)
        if not isinstance(made, nn.Module):
            raise DsconvError(f"{self.name} gave {a(type(made).__name__)}, not a torch.nn.Module")
        return unwrapped(made)


def source_of(model: object, name: str = "") -> Source:
    """The source for an object that exists already.

    Raises:
        DsconvError: it is neither a module nor an exported program.
    """
    if isinstance(model, ExportedProgram):
        return from_exported(model, name or "the exported program")
    if isinstance(model, nn.Module):
        return Source(name or type(unwrapped(model)).__name__, module=unwrapped(model))
    kind = f"the class {model.__name__}" if isinstance(model, type) else a(type(model).__name__)
    raise DsconvError(f"{name or 'the model'} is {kind}, not a torch.nn.Module")


def unwrapped(module: nn.Module) -> nn.Module:
    """What `torch.compile` was given, for a compiled module hides its operators from the dispatcher."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def from_exported(program: ExportedProgram, name: str) -> Source:
    """An exported program with its modules told apart again.

    Raises:
        CannotMeasureError: torch cannot do that.
    """
    with blaming(name, " could not be taken apart into modules: "):
        module = torch.export.unflatten(program)
    return Source(name, module=module, example=program.example_inputs)


def check_call(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Find out whether `forward` takes that many inputs, before it runs.

    Raises:
        DsconvError: it does not; the message says what it takes.
    """
    if hasattr(module, "module_call_graph"):
        _check_exported_call(module, args, kwargs)
        return
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        given = many(len(args) + len(kwargs), "input")
        raise DsconvError(f"the network takes {signature} and was given {given}: {error}") from None


def _check_exported_call(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """An exported program takes the inputs it was exported with, and torch would print pages if given others."""
    expected = module.module_call_graph[0].signature.in_spec
    if tree_structure((args, dict(kwargs))) != expected:
        raise DsconvError(
            f"the program was exported with {many(expected.num_leaves, 'input')}, not with these "
            f"{len(args) + len(kwargs)}; without `inputs` it is run on inputs like those"
        )


def first_dtype(module: nn.Module) -> torch.dtype:
    """The floating type that the network computes in: that of its first parameter."""
    return next((one.dtype for one in module.parameters() if one.dtype.is_floating_point), torch.float32)


def a(noun: str) -> str:
    """`noun` with its article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"

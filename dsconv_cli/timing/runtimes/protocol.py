"""What a runtime is to whoever times layers: is it there, which dtypes has it, and a chain as something to call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from dsconv_cli.errors import installed

if TYPE_CHECKING:
    from torch import nn

    from dsconv_cli.timing.runtimes.chain import Array, Chain
    from dsconv_cli.timing.worker.answers import Conditions, Graph
    from dsconv_cli.timing.worker.devices import Work

Output = TypeVar("Output")

#: The memory layouts, in words, as results show them.
CHANNELS_FIRST: Final = "channels first"
CHANNELS_LAST: Final = "channels last"


class Ran(NamedTuple):
    """What a runtime says of what it runs, in its own words: kernels in their order, and the precision of the work.

    `family` is what the cost of a call depends on: two calls of different families say nothing about each other.
    """

    kernels: tuple[str, ...] = ()
    precision: str = ""
    family: str = ""


class Built(NamedTuple, Generic[Output]):
    """A chain, or a whole network, as one runtime runs it.

    `call` is what is timed: inputs and outputs are where they belong, as in a program that was written for speed.
    After a call `output` is what it computed: of a chain (N, K, H', W') in float32, of a network all of its outputs.
    `ran` may take long and is asked once, of chains.
    """

    call: Work
    output: Callable[[], Output]
    ran: Callable[[], Ran] = Ran


@dataclass(frozen=True, slots=True)
class Runtime:
    """One program that executes layers. Nothing of it is imported before `build` is called.

    Attributes:
        name: as `--runtime` takes it.
        title: as its makers call it.
        packages: as they are imported, all that `build` needs.
        distribution: as pip calls what gives it its version.
        dtypes: what it can compute in.
        build: makes a chain ready to run, once torch's threads and the allocator are as they should be.
        extra: the optional extra that installs it; "" where the package's own dependencies do.
        load: imports what may be imported before a process forks, where that takes long.
        lacks: what else stands in its way on this machine, or None.
        devices: kinds of device that it can run on; none: on all that are known.
        layout: of the images that go in and come out; "" where it is as one asks for.
        module: makes a whole network of torch's ready to run, where it takes one.
        graph: the same of one that is an ONNX file.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    distribution: str
    dtypes: tuple[str, ...]
    build: Callable[[Chain, Conditions], Built[Array]]
    extra: str = ""
    load: Callable[[], None] = lambda: None
    lacks: Callable[[], str | None] = lambda: None
    devices: tuple[str, ...] = ("cpu",)
    layout: str = CHANNELS_FIRST
    module: Callable[[nn.Module], Callable[..., object]] | None = None
    graph: Callable[[Graph, Conditions], Built[tuple[Array, ...]]] | None = None

    def absent(self) -> str | None:
        """Why it cannot be used here and what would help, or None. Imports nothing."""
        missing = self.missing()
        if not missing:
            return self.lacks()
        where = sys.executable or "this Python"
        return (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed for {where}: {self.install}"
        )

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if not installed(package)]

    @property
    def install(self) -> str:
        """The command that installs what it needs."""
        return "pip install " + (f"'dsconv-cli[{self.extra}]'" if self.extra else self.distribution)

    def version(self) -> str:
        """As pip has it."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return "unknown"

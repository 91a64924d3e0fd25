"""A layer compared with its replacement: by the closed forms, and on request counted and timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dsconv_cli.counting.profilers import Counted, count
from dsconv_cli.environment import Environment, Machine, environment
from dsconv_cli.keys import NOTHING, Value
from dsconv_cli.layer.cost import Approximation, Cost, cost
from dsconv_cli.layer.reading import layer_name
from dsconv_cli.layer.spec import ConvSpec

if TYPE_CHECKING:
    from dsconv_cli.timing.result import Times, Timing


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything known about a layer and its replacement. `name` is what a file of layers calls it, or "".

    Where runtimes were asked for by name, `times` has the time on each of them, and `time` is that of the first.
    `machine` is that of several which found it out, and `error` why it could not, or "". Of a comparison that was read
    back from a file, `recorded` has the values at those keys that are not this process's to find out.
    """

    spec: ConvSpec
    cost: Cost
    counted: Counted | None = None
    time: Timing | None = None
    device: str = "cpu"
    name: str = ""
    times: Times | None = None
    machine: Machine | None = None
    error: str = ""
    recorded: Mapping[str, Value] | None = field(default=None, repr=False, compare=False)

    @property
    def runtimes(self) -> Mapping[str, Timing | None]:
        """The time on each runtime that was asked for by name; None where it failed."""
        return NOTHING if self.times is None else self.times.timings

    @property
    def failures(self) -> Mapping[str, str]:
        """Why runtimes failed."""
        return NOTHING if self.times is None else self.times.failures

    @property
    def label(self) -> str:
        """What a message calls the layer: its name where it has one, and its numbers."""
        numbers = layer_name(self.spec)
        return f"{self.name} ({numbers})" if self.name else numbers

    @property
    def approximation(self) -> Approximation:
        """R×S, how far off it is for this layer, and whether its assumptions hold."""
        return Approximation(self.spec, self.cost)

    @property
    def environment(self) -> Environment:
        """The machine and the versions in use."""
        counters = () if self.counted is None else self.counted.counters
        if self.time is None:
            return environment(counters=counters, device=self.device)
        return environment(counters=counters, device=self.time.device, torch_version=self.time.regime.torch)

    def with_times(self, times: Times) -> Comparison:
        """The same with what was measured on runtimes side by side."""
        return replace(self, time=next(iter(times.timings.values())), times=times)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, schema version 1."""
        from dsconv_cli.comparison.keys import keys_of

        return keys_of(tuple(self.runtimes)).document(self)

    def get(self, key: str) -> Value:
        """The value at a dotted key, such as `macs.ratio`.

        Raises:
            DsconvError: there is no such key; the message proposes the nearest.
        """
        from dsconv_cli.comparison.keys import keys_of

        keys = keys_of(tuple(self.runtimes))
        return keys.read(self, keys.find(key))


def closed_forms(spec: ConvSpec, name: str = "") -> Comparison:
    """The comparison by arithmetic alone."""
    return Comparison(spec, cost(spec), name=name)


def profile(comparison: Comparison, profiler: str) -> Comparison:
    """`comparison` with what `profiler` counts; unchanged for "none"."""
    return replace(comparison, counted=count(comparison.spec, comparison.cost, profiler))

"""The keys of a comparison: of its JSON document, the columns of its CSV, and what options may name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from dsconv_cli import environment, keys
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.counting.profilers import Counted, choices
from dsconv_cli.keys import (
    POSITIVE,
    RATIO,
    SCHEMA_VERSION,
    SIGNED,
    TEXT,
    TRUTH,
    Key,
    Keys,
    Null,
    Section,
    constant,
    lifted,
)
from dsconv_cli.layer import keys as layer
from dsconv_cli.layer.cost import APPROXIMATED, Counts
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.timing import keys as timing
from dsconv_cli.timing import runtimes as runtime_names
from dsconv_cli.timing.keys import TimedLayer


def _error(metric: str) -> Key[Comparison]:
    """`cost.Approximation`'s error as the nearest double, from R·S ÷ (ordinary ÷ separable) - 1 in integers."""

    def error(one: Comparison) -> float:
        counts = one.cost[metric]
        return (one.spec.r * one.spec.s * counts.separable - counts.ordinary) / counts.ordinary

    return Key(f"approximation.{metric}_error", SIGNED, error, says="(R x S - exact ratio) / exact ratio.")


def _counts(one: Counted, metric: str) -> Counts:
    return one.params if metric == "params" else one.macs


_COUNTED: Final[tuple[Key[Counted], ...]] = (
    Key("profiler", keys.one_of(*(name for name in choices() if name != "none")), "profiler"),
    *(key for metric in ("params", "macs") for key in layer.figures(metric, _counts, FORMS)),
    Key("agrees", TRUTH, lambda _: True),
    Key(
        "exact",
        TRUTH,
        "exact",
        says="False where the profiler counts in doubles and a count is above 2^53: it then agrees within that "
        "precision.",
    ),
)


def _timed_on(name: str = "") -> Callable[[Comparison], TimedLayer]:
    """The time on a runtime, or that of the first, beside what it is explained by."""

    def timed_on(one: Comparison) -> TimedLayer:
        timing = one.runtimes[name] if name else one.time
        assert timing is not None
        return TimedLayer(one.spec, one.cost, timing)

    return timed_on


#: The names and the sections of the times on each runtime, in a run that asks for it.
RUNTIMES: Final = "runtimes"


def _runtime_sections(names: tuple[str, ...]) -> Iterator[Section[Comparison]]:
    if names:
        yield Section(RUNTIMES, "The same on each runtime that was asked for; null where it failed.")
    for name in names:
        yield Section(f"{RUNTIMES}.{name}", "As `time`.", _is_timed_on(name), f"--runtime {name}")
        yield from (one.of(f"{RUNTIMES}.{name}.") for one in timing.SECTIONS)


def _is_timed_on(name: str) -> Callable[[Comparison], bool]:
    return lambda one: one.runtimes.get(name) is not None


#: What a row has as well where several machines share a sweep.
SHARED: Final[tuple[Key[Comparison], ...]] = (
    *lifted(environment.MACHINE_KEYS, "machine", "environment.machine."),
    Key("error", TEXT, lambda one: one.error or None, says="Why nothing was measured.", nullable=True),
)
_MACHINE: Final[Section[Comparison]] = Section(
    "environment.machine",
    "Which of several it was.",
    lambda one: one.machine is not None,
    "--cluster with --time or a profiler",
)


@cache
def keys_of(runtimes: tuple[str, ...] = (), *, named: bool = False, shared: bool = False) -> Keys[Comparison]:
    """Every key of schema version 1, in its order, of a run that times these runtimes. A new one is one more entry.

    With `named` a file gives layers their names, which then come first. Where a sweep is `shared` by several machines,
    each row says which one it was.
    """
    name: Key[Comparison] = Key("name", TEXT, lambda one: one.name, says="What the file of layers calls it.")
    return Keys(
        (
            *([name] if named else []),
            Key("schema_version", constant(SCHEMA_VERSION), lambda _: SCHEMA_VERSION),
            Key("command", constant("compare"), lambda _: "compare"),
            *lifted(layer.SPEC, "spec", "spec."),
            *lifted(layer.SHAPES, "spec", "shapes."),
            *lifted(layer.COUNTS, "cost"),
            Key("approximation.ratio", POSITIVE, lambda one: one.spec.r * one.spec.s, says="R x S."),
            *(_error(metric) for metric in APPROXIMATED),
            Key(
                "approximation.holds",
                TRUTH,
                lambda one: one.approximation.holds,
                says="10 R S <= min(K, C), 10 <= min(K, C), and depth multiplier 1.",
            ),
            *lifted(_COUNTED, "counted", "measured."),
            *lifted(timing.KEYS, _timed_on(), "time."),
            *(key for name in runtimes for key in lifted(timing.KEYS, _timed_on(name), f"{RUNTIMES}.{name}.")),
            *(() if runtimes else (Null(RUNTIMES),)),
            *lifted(environment.KEYS, "environment", "environment."),
            *(SHARED if shared else ()),
        ),
        (
            *layer.SECTIONS,
            Section("approximation", "R x S beside the exact ratios."),
            Section(
                "measured",
                "What the profiler counted on the modules that were built.",
                lambda one: one.counted is not None,
                "--profiler thop, torch or both",
            ),
            Section("time", "Measured.", lambda one: one.time is not None, "--time"),
            *(one.of("time.") for one in timing.SECTIONS),
            *_runtime_sections(runtimes),
            Section("environment", "The machine and the versions in use."),
            *(one.of("environment.") for one in environment.SECTIONS),
            *([_MACHINE] if shared else []),
        ),
        "What dsconv compare prints, and each line of dsconv sweep.",
        recorded=lambda one: one.recorded,
        others={
            f"{RUNTIMES}.{name}.{key.name}": f"--runtime {name}"
            for name in runtime_names.RUNTIMES
            if name not in runtimes
            for key in timing.KEYS
        },
        within="spec",
    )


#: Where no runtimes stand side by side.
KEYS: Final = keys_of()

#: The keys that are a ratio, ordinary ÷ separable, in their order.
RATIOS: Final = (*(name for name, key in KEYS.items() if key.type is RATIO), "time.speedup.value")

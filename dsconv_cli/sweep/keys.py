"""The keys of a comparison as a sweep's options name them: `macs.ratio`, and `k` for `spec.k`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal

from dsconv_cli.comparison import KEYS, NO_NUMBERS, OPTIONAL_SECTIONS, Comparison, closed_forms, find_key, read
from dsconv_cli.counting.result import FormCounts, Measured
from dsconv_cli.errors import DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Interval, Timing

Kind = Literal["number", "text", "truth"]

_ASKED_BY: Final = {"measured": "--profiler thop, torch or both", "time": "--time"}


def resolve(name: str, option: str = "") -> str:
    """The key that `name` means: itself, its `.value`, or the layer's `spec.` key.

    Raises:
        DsconvError: there is none; the message lists them, the nearest first. `option` is named in it.
    """
    if f"spec.{name}" in KEYS:
        return f"spec.{name}"
    try:
        return find_key(name)
    except DsconvError as error:
        raise DsconvError(f"{option}: {error}" if option else str(error)) from None


def resolve_many(text: str, option: str) -> tuple[str, ...]:
    """Keys between commas. A section, such as `macs`, stands for all of its keys.

    Raises:
        DsconvError: an unknown key, or one that is there twice.
    """
    keys: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        section = [key for key in KEYS if key.startswith(f"{name}.")] if f"spec.{name}" not in KEYS else []
        keys.extend(section or [resolve(name, option)])
    for key in keys:
        if keys.count(key) > 1:
            raise DsconvError(f"{option} has {key} twice")
    return tuple(keys)


def check_present(key: str, absent: tuple[str, ...], option: str) -> None:
    """Refuse a key of a section that this run does not measure.

    Raises:
        DsconvError: it is one.
    """
    section = key.partition(".")[0]
    if section in absent:
        raise DsconvError(f"{option}: {key} is not measured in this run; it needs {_ASKED_BY[section]}")


def is_measured(key: str) -> bool:
    """Whether the value is there only after something was measured."""
    return key.partition(".")[0] in {*OPTIONAL_SECTIONS, "environment"}


def _kind(sample: Comparison, key: str) -> Kind:
    value = read(sample, key)
    if isinstance(value, bool):
        return "truth"
    # A pair such as the stride is the number where both parts are equal.
    wordy = isinstance(value, str) or key in NO_NUMBERS or key.startswith("environment.") or key.endswith(".backend")
    return "text" if wordy else "number"


def _sample() -> Comparison:
    closed = closed_forms(ConvSpec(k=1, c=1))
    counts = FormCounts(1, 1)
    measured = Measured("thop", counts, counts, agrees=True, exact=True, counters=())
    time = Timing(1, 1, 1, 1, Interval(1, 1, 1, 1), "faster", True, (), "", 1, "", "", 1, 1)
    return Comparison(closed.spec, closed.cost, measured, time)


#: What the values at each key are, told by an example.
KINDS: Final = MappingProxyType({key: _kind(_sample(), key) for key in KEYS})

#: The keys that are a ratio, ordinary ÷ separable, in the order of the schema.
RATIOS: Final = (
    *(key for key in KEYS if key.endswith(".ratio") and key != "approximation.ratio"),
    "time.speedup.value",
)

"""One result beside its baseline: what changed, in which layers, and which limits that exceeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from dsconv_cli.baseline.change import Change, Figure, Limit, exactly, is_cost
from dsconv_cli.baseline.file import Document, documents, is_number
from dsconv_cli.baseline.layers import LayerChange, causes, layer_changes
from dsconv_cli.baseline.same import check_layer, check_network, other_conditions, selection_differences
from dsconv_cli.data import at
from dsconv_cli.errors import DsconvError
from dsconv_cli.gates import Verdict
from dsconv_cli.keys import Keys
from dsconv_cli.layer.metrics import METRICS
from dsconv_cli.text import some

#: Layers that one message names; more are counted.
_NAMED: Final = 3

#: What reads the value at a key.
Read = Callable[[str], Any]

#: Parts of keys in words; "" for what goes without saying.
_WORDS: Final[Mapping[str, str]] = {
    **{metric.name: metric.label for metric in METRICS.values()},
    "totals": "",
    "before": "",
    "median_s": "",
    "value": "",
    "runtimes": "time",
    "speedup": "speed-up",
}


def label(key: str) -> str:
    """A key in words: `MACs`, `MACs, after`, `time, separable`."""
    return ", ".join(word for part in key.split(".") if (word := _WORDS.get(part, part.replace("_", " "))))


@dataclass(frozen=True, slots=True)
class Beside:
    """A result beside its baseline. `doubts` say why times are not compared, where they are not."""

    file: str
    changes: tuple[Change, ...]
    layers: tuple[LayerChange, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier result, and how much may have grown since. `check` refuses it where it is of something else."""

    path: Path
    document: Document
    limits: tuple[Limit, ...]
    check: Callable[[Path, Document, Document], None]

    def without(self, lost: tuple[str, ...]) -> Baseline:
        """The same with no limit on keys that begin so: they could not be measured."""
        return replace(self, limits=tuple(one for one in self.limits if not one.key.startswith(lost)))

    def beside(self, keys: Keys[Any], result: Any) -> Beside:
        """What changed in `result`.

        Raises:
            DsconvError: it is of something else; or what a limit is on cannot be compared.
        """
        document = keys.document(result)
        self.check(self.path, self.document, document)
        was, now = partial(at, self.document), partial(at, document)
        why = doubts(keys, was, now)
        layers = layer_changes(self.document, document)
        found = {key: change(keys, key, figure(keys, key, was), figure(keys, key, now)) for key in self._watched(keys)}
        verdicts = tuple(
            judged(limit, found.get(limit.key), why, str(self.path), causes(layers, limit.key)) for limit in self.limits
        )
        apart = tuple(f"{section}." for section in why)
        changes = tuple(one for one in found.values() if one is not None and not one.key.startswith(apart))
        return Beside(str(self.path), changes, layers, verdicts, tuple(dict.fromkeys(why.values())))

    def _watched(self, keys: Keys[Any]) -> list[str]:
        """The keys that are compared."""
        limited = {limit.key for limit in self.limits}
        return [key for key in keys if key in limited or is_cost(key) or is_gain(key)]


def judged(
    limit: Limit, found: Change | None, why: Mapping[str, str], where: str, causes: tuple[str, ...] = ()
) -> Verdict:
    """A limit against what changed, and where it is exceeded the layers that are the `causes`.

    Raises:
        DsconvError: it cannot be compared, for it is not there on one side, or times hold for other conditions.
    """
    for section, reason in why.items():
        if limit.key.startswith(f"{section}."):
            raise DsconvError(f"{limit.option}: times under other conditions say nothing; in {where} {reason}")
    if found is None:
        raise DsconvError(f"{limit.option}: {limit.key} is not a number both in {where} and in this run")
    passed = not found.exceeds(limit.tolerance)
    where_it_grew = f": {some(causes, _NAMED)}" if causes and not passed else ""
    return Verdict(limit.key, limit.option, passed, lambda: f"{found.text}{where_it_grew} ({limit.option})")


def is_gain(key: str) -> bool:
    """Whether a key is a typical speed-up."""
    return key.endswith(".speedup.value") and ".fastest." not in key


def timed_sections(keys: Keys[Any]) -> Iterator[str]:
    """The sections that hold measured times."""
    return (section.name for section in keys.optional if f"{section.name}.speedup.value" in keys)


def doubts(keys: Keys[Any], was: Read, now: Read) -> dict[str, str]:
    """The sections whose times cannot be compared, and why."""
    reasons = {section: other_conditions(section, was, now) for section in timed_sections(keys)}
    return {section: reason for section, reason in reasons.items() if reason}


def change(keys: Keys[Any], key: str, was: Figure | None, now: Figure | None) -> Change | None:
    """One key then and now; None where one of the results has no number there."""
    return None if was is None or now is None else Change(key, label(key), keys[key].unit or _unit(key), was, now)


def _unit(key: str) -> str:
    """The unit of a total, which is that of its metric."""
    return next((METRICS[part].unit for part in key.split(".") if part in METRICS), "")


def figure(keys: Keys[Any], key: str, read: Read) -> Figure | None:
    """The value at a key of a result that `read` reads, with its interval where it was measured."""
    value = read(key)
    if not is_number(value):
        return None
    section = keys.section_of(key)
    if section is None or f"{section.name}.speedup.value" not in keys:
        return exactly(value)
    stem = key.removesuffix(".value")
    if f"{stem}.low" not in keys:
        return _timed(section.name, value, read)
    low, high = read(f"{stem}.low"), read(f"{stem}.high")
    return Figure(value, low, high) if is_number(low) and is_number(high) else exactly(value)


def _timed(section: str, value: float, read: Read) -> Figure:
    """A median with an interval as wide as that of its section's speed-up.

    It has none of its own in the document. What disturbs it disturbs the ratio too, which says how far two
    measurements on one machine lie apart.
    """
    middle, high = (read(f"{section}.speedup.{side}") for side in ("value", "high"))
    if not (is_number(middle) and is_number(high) and 0 < middle <= high) or value <= 0:
        return exactly(value)
    return Figure(value, value * middle / high, value * high / middle)


def layer_baseline(path: Path, limits: Iterable[Limit], keys: Keys[Any], spec: Mapping[str, Any]) -> Baseline:
    """The baseline of one layer, from a result of `compare` or, among several, of `sweep`.

    Raises:
        DsconvError: as `documents` does, or none of them is of the layer whose section `spec` is given.
    """
    found = list(documents(path, "compare"))
    same = [one for one in found if one.get("spec") == spec]
    if not same and len(found) > 1:
        raise DsconvError(
            f"none of the {len(found)} layers in the baseline {path} is this one; add it with dsconv sweep"
        )
    one = same[0] if same else found[0]
    check_layer(path, one, {"spec": spec})
    return _checked(Baseline(path, one, tuple(limits), check_layer), keys)


def network_baseline(path: Path, limits: Iterable[Limit], keys: Keys[Any], selection: Mapping[str, Any]) -> Baseline:
    """The baseline of a network, of which it is known so far which layers are chosen to be replaced.

    Raises:
        DsconvError: as `documents` does, or others were chosen, or there are several results.
    """
    found = list(documents(path, "model"))
    if len(found) > 1:
        raise DsconvError(f"the baseline {path} holds {len(found)} results; it must be of one network")
    differing = next(selection_differences(found[0], selection), None)
    if differing is not None:
        raise DsconvError(f"the baseline {path}: {differing}; or write a new baseline with --output {path.name}")
    return _checked(Baseline(path, found[0], tuple(limits), check_network), keys)


def _checked(one: Baseline, keys: Keys[Any]) -> Baseline:
    """The baseline, of which every limit has something to be held against."""
    for limit in one.limits:
        if not is_number(at(one.document, limit.key)):
            section = keys.section_of(limit.key)
            more = f"; write it anew with {section.asked_by}" if section is not None and section.asked_by else ""
            raise DsconvError(f"{limit.option}: the baseline {one.path} has no {limit.key}{more}")
    return one

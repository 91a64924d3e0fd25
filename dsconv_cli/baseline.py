"""An earlier result beside today's: read from a file, held to be of the same thing, compared key by key.

A count has grown where it is larger. A time has grown only where the intervals of both runs leave no doubt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.keys import SCHEMA_VERSION, Keys
from dsconv_cli.numbers import percent, scaled, seconds, times

Document = Mapping[str, Any]

#: A share such as 1%, 0.5% or 0.01.
_TOLERANCE: Final = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(%?)", re.ASCII)
#: Names of changed layers in one message; more are counted.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One figure then and now. `unsure` is by what fraction the two may differ by chance alone."""

    key: str
    before: int | float
    now: int | float
    unsure: float = 0.0

    @property
    def growth(self) -> Fraction:
        """Now ÷ before - 1; 0 where both are 0."""
        if self.before == 0:
            return Fraction(0) if self.now == 0 else Fraction(10**9)
        return Fraction(self.now) / Fraction(self.before) - 1

    @property
    def is_sure(self) -> bool:
        """Whether they differ by more than chance."""
        return abs(self.growth) > self.unsure

    @property
    def text(self) -> str:
        """`grew 6.3%, 86.9 M → 92.4 M`."""
        growth = self.growth
        way = "grew" if growth > 0 else "fell"
        by = f" {percent(abs(growth))}" if self.before else ""
        return f"{way}{by}, {shown(self.key, self.before)} → {shown(self.key, self.now)}"


@dataclass(frozen=True, slots=True)
class Limit:
    """`--fail-if-grows`: fail when the value at `key` has grown by more than `tolerance`, a fraction."""

    key: str
    tolerance: Fraction
    text: str

    @property
    def option(self) -> str:
        """The gate as it stood on the command line."""
        return f"--fail-if-grows {self.text}"

    def exceeded_by(self, change: Change) -> bool:
        """Whether a change goes beyond it, also if chance is given its due."""
        return change.growth > self.tolerance + Fraction(change.unsure)


@dataclass(frozen=True, slots=True)
class Grown:
    """A limit that was exceeded, by what, and the layers that did it."""

    limit: Limit
    change: Change
    causes: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """One line: the key, how much it grew, and why."""
        named = ", ".join(self.causes[:_NAMED])
        more = f" and {len(self.causes) - _NAMED} more" if len(self.causes) > _NAMED else ""
        why = f": {named}{more}" if named else ""
        return f"{self.change.key} {self.change.text}{why} ({self.limit.option})"


def parse_limit(text: str, resolve: Callable[[str], str]) -> Limit:
    """`macs=1%` → a limit. `resolve` turns what the user wrote into a known key.

    Raises:
        DsconvError: not KEY or KEY=TOLERANCE, or an unknown key.
    """
    key, equals, share = text.partition("=")
    match = _TOLERANCE.fullmatch(share.strip())
    if not key.strip() or (equals and match is None):
        raise DsconvError(
            f"--fail-if-grows takes KEY or KEY=TOLERANCE, such as totals.macs.after=1%, not {quoted(text)}"
        )
    tolerance = Fraction(0) if match is None else Fraction(match[1]) / (100 if match[2] else 1)
    return Limit(resolve(key.strip()), tolerance, text)


def read(path: Path, command: str) -> tuple[Document, ...]:
    """The documents of a file that `command` wrote: one, or one a line.

    Raises:
        DsconvError: it cannot be read, or holds no result of this command in this schema version.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DsconvError(f"cannot read the baseline {path}: {reason.lower()}") from None
    try:
        documents = _parsed(text)
    except (ValueError, RecursionError):
        raise DsconvError(f"the baseline {path} is no JSON; write one with --output {path.stem}.json") from None
    for one in documents:
        _check_written_by(one, command, path)
    if not documents:
        raise DsconvError(f"the baseline {path} is empty; write one with --output {path.stem}.json")
    return documents


def _parsed(text: str) -> tuple[Any, ...]:
    try:
        return (json.loads(text),)
    except ValueError:
        return tuple(json.loads(line) for line in text.splitlines() if line.strip())


def _check_written_by(one: Any, command: str, path: Path) -> None:
    version = one.get("schema_version") if isinstance(one, dict) else None
    if version is None:
        raise DsconvError(f"the baseline {path} is no result of dsconv; write one with --output {path.stem}.json")
    if version != SCHEMA_VERSION:
        raise DsconvError(f"the baseline {path} has schema version {version}, this program {SCHEMA_VERSION}")
    if one.get("command") != command:
        raise DsconvError(f"the baseline {path} was written by dsconv {one.get('command')}, not by dsconv {command}")


def check_same(path: Path, before: Document, now: Document, keys: Iterable[str], what: str) -> None:
    """Refuse a baseline of something else.

    Raises:
        DsconvError: the documents differ at one of `keys`; the message says at which. `what` they are of, in a word.
    """
    for key in keys:
        then, today = at(before, key), at(now, key)
        if then != today:
            told = f"its {key} is {_told(then)}, here {_told(today)}"
            raise DsconvError(f"the baseline {path} is of another {what}: {told}")


def _told(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else quoted(json.dumps(value)).strip("'")


def changes(keys: Keys[Any], before: Document, now: Document, watched: Iterable[str]) -> tuple[Change, ...]:
    """What `watched` keys were and are, where both documents have a number."""
    return tuple(one for key in watched if (one := change(keys, before, now, key)) is not None)


def change(keys: Keys[Any], before: Document, now: Document, key: str) -> Change | None:
    """One key then and now; None where one of the documents has no number there."""
    then, today = at(before, key), at(now, key)
    if not (_is_number(then) and _is_number(today)):
        return None
    return Change(key, then, today, _unsure(keys, before, key) + _unsure(keys, now, key))


def _unsure(keys: Keys[Any], document: Document, key: str) -> float:
    """The fraction by which a measured value may be off: half of its interval, or of its section's speed-up."""
    section = keys.section_of(key)
    if section is None or not (section.name == "time" or section.name.endswith(".time")):
        return 0.0
    stem = key.removesuffix(".value") if key.endswith(".value") else f"{section.name}.speedup"
    value, high = at(document, f"{stem}.value"), at(document, f"{stem}.high")
    return high / value - 1 if _is_number(value) and _is_number(high) and value > 0 else 0.0


def grown(
    keys: Keys[Any], limits: Iterable[Limit], before: Document, now: Document, causes: Callable[[str], Sequence[str]]
) -> tuple[Grown, ...]:
    """The limits that are exceeded. `causes` names the layers in which a key changed.

    Raises:
        DsconvError: a limit is on a key that one of the documents does not have as a number.
    """
    found = []
    for limit in limits:
        one = change(keys, before, now, limit.key)
        if one is None:
            raise DsconvError(f"{limit.option}: {limit.key} is no number in the baseline and in this run")
        if limit.exceeded_by(one):
            found.append(Grown(limit, one, tuple(causes(limit.key))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer of a network then and now; None where it is not there."""

    name: str
    before: Mapping[str, int] | None
    now: Mapping[str, int] | None

    def of(self, metric: str) -> tuple[int, int]:
        """The figure then and now; 0 where there is no such layer."""
        return tuple(0 if one is None else one.get(metric, 0) for one in (self.before, self.now))  # type: ignore[return-value]


def layer_changes(before: Document, now: Document) -> tuple[LayerChange, ...]:
    """The layers whose counts changed, that are new, or that are gone, the largest change of MACs first."""
    then, today = (_layers(document) for document in (before, now))
    found = [
        LayerChange(name, then.get(name), today.get(name))
        for name in {**then, **today}
        if then.get(name) != today.get(name)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.of("macs")[1] - one.of("macs")[0])))


def _layers(document: Document) -> dict[str, dict[str, int]]:
    return {
        str(layer["name"]): {metric: layer["counted"][metric] for metric in ("params", "macs")}
        for layer in document.get("layers", ())
        if isinstance(layer, dict) and isinstance(layer.get("counted"), dict) and "name" in layer
    }


def grown_layers(found: Iterable[LayerChange], metric: str) -> Iterator[str]:
    """The names of those in which a metric grew, in their order."""
    for one in found:
        then, today = one.of(metric)
        if today > then:
            yield one.name or "the network itself"


def at(document: Document, key: str) -> Any:
    """The value at a dotted key; None where a section on the way is not there."""
    value: Any = document
    for part in key.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def shown(key: str, value: float) -> str:
    """A value as people read it, by what its key says of it."""
    last = key.rpartition(".")[2]
    if last.endswith("_s"):
        return seconds(value)
    if isinstance(value, float):
        return times(value)
    return scaled(value, "B" if key.startswith("traffic.") else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

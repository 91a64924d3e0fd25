"""What a sweep says as a whole: each ratio's spread, and where the separable form loses."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import geometric_mean, median
from typing import Any, Final

from dsconv_cli.comparison.keys import RATIOS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import PAIR_FROM_ZERO, RATIO, SCHEMA_VERSION, TEXT, TEXTS, WHOLE, Value, plain
from dsconv_cli.layer.fields import FIELDS, VALUED
from dsconv_cli.layer.reading import as_text
from dsconv_cli.numbers import percent
from dsconv_cli.sweep.keys import KEYS, RUNTIME_RATIOS

#: What can set losing layers apart, as `spec.` keys without the prefix.
_TRAITS: Final = tuple(name for name in VALUED if not FIELDS[name].words)
#: So many values of a trait are listed; more are shown as a range.
_LISTED: Final = 4
#: Of so many values of a trait it is known how many layers have them.
_COUNTED: Final = 1000


def is_time(key: str) -> bool:
    """Whether a ratio is one of times, which have an interval."""
    return key.startswith(("time.", "runtimes."))


@dataclass(slots=True)
class Extent:
    """The values that one trait takes: how many layers have each, while they are few; the least and the greatest."""

    low: Any = None
    high: Any = None
    layers: Counter[Any] = field(default_factory=Counter)

    def add(self, value: Value) -> None:
        """Take one more value in."""
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value
        if value in self.layers or len(self.layers) < _COUNTED:
            self.layers[value] += 1

    def __str__(self) -> str:
        if len(self.layers) <= _LISTED:
            return ", ".join(map(as_text, sorted(self.layers)))
        return f"{as_text(self.low)}–{as_text(self.high)}"


@dataclass(slots=True)
class Spread:
    """One ratio over all layers, or over those of one `kind` of machine (numbered from 1; 0 where there are no kinds).

    The values are kept as doubles, eight bytes a layer, for the exact median.
    """

    key: str
    kind: int = 0
    values: array[float] = field(default_factory=lambda: array("d"))
    losing: int = 0
    losing_surely: int = 0
    where: dict[str, Extent] = field(default_factory=lambda: {trait: Extent() for trait in _TRAITS})

    def add(self, value: float, one: Comparison) -> None:
        """Take one more layer in."""
        self.values.append(value)
        if value >= 1:
            return
        self.losing += 1
        if is_time(self.key) and KEYS.read(one, self.key.replace("value", "high")) < 1:  # type: ignore[operator]
            self.losing_surely += 1
        for trait, extent in self.where.items():
            extent.add(getattr(one.spec, trait))


class Summary:
    """Collects layers one by one."""

    def __init__(self) -> None:
        self.layers = 0
        self._spreads = {key: Spread(key) for key in (*RATIOS, *RUNTIME_RATIOS)}
        self._all: dict[str, Extent] = {trait: Extent() for trait in _TRAITS}
        self._kinds: dict[str, dict[str, Spread]] = {}
        self._hosts: dict[str, dict[str, None]] = {}

    def add(self, one: Comparison) -> None:
        """Take one more layer in."""
        self.layers += 1
        for key in self._spreads:
            value = KEYS.read(one, key)
            if isinstance(value, float):
                self._spread(key, one).add(value, one)
        for trait, extent in self._all.items():
            extent.add(getattr(one.spec, trait))

    def _spread(self, key: str, one: Comparison) -> Spread:
        """Where a value belongs: times of machines of different kinds are kept apart."""
        if one.machine is None or not is_time(key):
            return self._spreads[key]
        kind = one.machine.kind
        self._hosts.setdefault(kind, {})[one.machine.host] = None
        known = self._kinds.setdefault(kind, {})
        if key not in known:
            known[key] = Spread(key, 1 + list(self._kinds).index(kind))
        return known[key]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of machine that timed, in the order of their numbers, each with its machines; () for only one."""
        if len(self._kinds) < 2:
            return ()
        return tuple(f"{', '.join(self._hosts[kind])}: {kind}" for kind in self._kinds)

    @property
    def spreads(self) -> Iterator[Spread]:
        """The ratios that have values."""
        yield from (spread for spread in self._spreads.values() if spread.values)
        for spreads in self._kinds.values():
            yield from spreads.values()

    def varying(self) -> tuple[str, ...]:
        """The traits in which the layers differ."""
        return tuple(trait for trait, extent in self._all.items() if extent.low != extent.high)

    def to_dict(self) -> dict[str, Any]:
        """The document that `--summary --format json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "command": "sweep",
            "layers": self.layers,
            "summary": {spread.key: self._numbers(spread) for spread in self.spreads if not self.is_apart(spread)},
            **({"kinds": self._apart()} if self.kinds else {}),
        }

    def is_apart(self, spread: Spread) -> bool:
        """Whether it is of machines of one kind among several."""
        return bool(self.kinds and spread.kind)

    def _apart(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "machines": list(self._hosts[kind]),
                "summary": {key: self._numbers(spread) for key, spread in spreads.items()},
            }
            for kind, spreads in self._kinds.items()
        ]

    def _numbers(self, spread: Spread) -> dict[str, Any]:
        where = {trait: [plain(spread.where[trait].low), plain(spread.where[trait].high)] for trait in self.varying()}
        return {
            "min": min(spread.values),
            "median": median(spread.values),
            "geometric_mean": geometric_mean(spread.values),
            "max": max(spread.values),
            "losing": spread.losing,
            **({"losing_surely": spread.losing_surely} if is_time(spread.key) else {}),
            "losing_where": where if spread.losing else None,
        }

    def layers_of(self, spread: Spread) -> int:
        """How many layers it is about: all, or those that machines of its kind have timed."""
        return len(spread.values) if self.is_apart(spread) else self.layers

    def losing(self, spread: Spread) -> tuple[str, tuple[str, ...]]:
        """`120 of 400 layers (30.0%)`, and what they have: `k 16–64 (…)`, one text a trait."""
        if not spread.losing:
            return "nowhere", ()
        layers = self.layers_of(spread)
        share = percent(spread.losing / layers)
        sure = f", {spread.losing_surely:,} of them beyond doubt" if is_time(spread.key) else ""
        where = tuple(self._told(trait, spread.where[trait]) for trait in self.varying())
        return f"{spread.losing:,} of {layers:,} layers ({share}{sure})", where

    def _told(self, trait: str, losing: Extent) -> str:
        """`k 8–1024 (100% at 8, 48.0% at 1024)`: which values lose, and how often at either end of all values."""
        every = self._all[trait]
        if len(every.layers) >= _COUNTED:
            return f"{trait} {losing}"
        ends = ", ".join(
            f"{percent(losing.layers[value] / every.layers[value])} at {as_text(value)}"
            for value in (every.low, every.high)
        )
        return f"{trait} {losing} ({ends})"


def _spread_schema() -> dict[str, Any]:
    """Of what is told of one ratio. Only times are surely lost, for only they have an interval."""
    traits = {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": {"anyOf": [WHOLE.schema, PAIR_FROM_ZERO.schema]},
    }
    ranges = {
        "type": ["object", "null"],
        "description": "Least and greatest value, among them, of what differs between layers; null where none loses.",
        "additionalProperties": traits,
    }
    properties = {
        **dict.fromkeys(("min", "median", "geometric_mean", "max"), RATIO.schema),
        "losing": {**WHOLE.schema, "description": "Layers whose ratio is below 1."},
        "losing_surely": {**WHOLE.schema, "description": "Those of them whose whole interval is below 1."},
        "losing_where": ranges,
    }
    required = [name for name in properties if name != "losing_surely"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def schema() -> dict[str, Any]:
    """The JSON Schema of `Summary.to_dict`."""
    properties = {
        "schema_version": {"const": SCHEMA_VERSION},
        "command": {"const": "sweep"},
        "layers": WHOLE.schema,
        "summary": {
            "type": "object",
            "description": "By the key of the ratio, such as macs.ratio.",
            "additionalProperties": _spread_schema(),
        },
    }
    required = list(properties)
    each = {"kind": TEXT.schema, "machines": TEXTS.schema, "summary": properties["summary"]}
    kinds = {"type": "object", "properties": each, "required": list(each), "additionalProperties": False}
    says = "Where machines of several kinds timed: their times, kept apart."
    properties["kinds"] = {"type": "array", "description": says, "items": kinds}
    return {
        "type": "object",
        "description": "What dsconv sweep --summary prints.",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }

"""Keys: the dotted names by which scripts reach the figures of a result, each with its type and its unit.

A command's result has one table of them. JSON nests it at the dots, CSV has its names as columns; the JSON Schema,
`--get`, the gates, `--where`, `--sort`, `--columns` and completion read the same table. Knows no result, only how to
look one up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from operator import attrgetter, call
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.text import listed

SCHEMA_VERSION: Final = 1

#: No words by no keys.
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

#: What a key can hold. A tuple is one value of several parts, such as a shape.
Value = None | bool | int | float | str | tuple[int, ...] | tuple[str, ...] | tuple[tuple[int, ...], ...]

#: What a condition may do with a value: compare it by size, compare it as text, or take it for an answer.
Kind = Literal["number", "text", "truth"]

#: Characters of a user's key that are compared with ours.
_LONGEST: Final = 200

Result = TypeVar("Result")
Whole = TypeVar("Whole")
Part = TypeVar("Part")

#: Applies a getter's function to a result.
Apply = Callable[[Callable[[Any], Any], Any], Any]

#: How a value is had from what it is a value of: the path of an attribute, such as "spec.k", or a function.
Getter = str | Callable[[Result], Any]

#: The plain `Apply`.
applied: Final[Apply] = call


@dataclass(frozen=True, slots=True)
class Type:
    """What values a key has: its JSON Schema, and how a condition reads it."""

    schema: Mapping[str, Any]
    kind: Kind = "text"

    @property
    def is_number(self) -> bool:
        """Whether it is one number, which can be held against a limit."""
        return self.schema.get("type") in ("integer", "number")


def one_of(*words: str) -> Type:
    """One of a few words."""
    return Type({"enum": list(words)})


def constant(value: int | str) -> Type:
    """Always the same."""
    return Type({"const": value}, "text" if isinstance(value, str) else "number")


def _list(items: Mapping[str, Any], count: int | None = None, kind: Kind = "text") -> Type:
    limits = {} if count is None else {"minItems": count, "maxItems": count}
    return Type({"type": "array", "items": items, **limits}, kind)


_FROM_ONE: Final = {"type": "integer", "minimum": 1}
_FROM_ZERO: Final = {"type": "integer", "minimum": 0}

#: At least 1, exact at any size.
POSITIVE: Final = Type(_FROM_ONE, "number")
#: At least 0, exact at any size.
WHOLE: Final = Type(_FROM_ZERO, "number")
#: Above 0: the nearest double.
ABOVE_ZERO: Final = Type({"type": "number", "exclusiveMinimum": 0}, "number")
FROM_ZERO: Final = Type({"type": "number", "minimum": 0}, "number")
#: A part of a whole, 0 to 1.
SHARE: Final = Type({"type": "number", "minimum": 0, "maximum": 1}, "number")
SIGNED: Final = Type({"type": "number"}, "number")
#: Ordinary ÷ separable, or before ÷ after: above 1 the separable form, or what is replaced, is the cheaper one.
RATIO: Final = Type({"type": "number", "exclusiveMinimum": 0}, "number")
TRUTH: Final = Type({"type": "boolean"}, "truth")
TEXT: Final = Type({"type": "string"})
TEXTS: Final = _list({"type": "string"})
#: Height, width. As a number it is both where they are equal.
PAIR_FROM_ONE: Final = _list(_FROM_ONE, 2, "number")
PAIR_FROM_ZERO: Final = _list(_FROM_ZERO, 2, "number")
#: N, C, H, W.
SHAPE: Final = _list(_FROM_ONE, 4, "number")
ANY_SHAPE: Final = _list(_FROM_ZERO, kind="number")
SHAPES: Final = _list({"type": "array", "items": _FROM_ZERO})


@dataclass(frozen=True, slots=True)
class Key(Generic[Result]):
    """One figure of a result. `unit` is in words; `nullable` where a result may lack it.

    `only_with` are sections: a result in which all of them are missing lacks it for sure.
    """

    name: str
    type: Type
    get: Getter[Result]
    unit: str = ""
    says: str = ""
    nullable: bool = False
    only_with: tuple[str, ...] = ()

    @property
    def getter(self) -> Callable[[Result], Value]:
        """What reads its value."""
        return _function(self.get)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its value."""
        shape = dict(self.type.schema)
        if self.nullable:
            shape = (
                {**shape, "type": [shape["type"], "null"]} if "type" in shape else {"oneOf": [{"type": "null"}, shape]}
            )
        told = "; ".join(text for text in (self.says, self.unit) if text)
        return {**shape, "description": told} if told else shape


@dataclass(frozen=True, slots=True)
class Each(Generic[Result, Part]):
    """A list in the document, of parts that have keys of their own. Nothing else reaches into it."""

    name: str
    keys: Keys[Part]
    get: Callable[[Result], Iterable[Part]]


#: Keys that an error proposes, at most, and how near one must be.
_PROPOSED: Final = 3
_NEAR: Final = 0.6
#: What stands for a number that has a value and an interval, and for figures that have a ratio.
_SHORTENED: Final = ("", ".value", ".ratio", ".ratio.value")


@dataclass(frozen=True, slots=True)
class Null:
    """A part of the document that other runs fill: null in this one's, and no column."""

    name: str


@dataclass(frozen=True, slots=True)
class Section(Generic[Result]):
    """Keys that share the beginning of their names.

    Where `there` is given, the section is null as a whole in a result for which it is false, and `asked_by` are
    the words for what must be asked for to have it.
    """

    name: str
    says: str = ""
    there: Callable[[Result], bool] | None = None
    asked_by: str = ""

    def of(self, prefix: str) -> Section[Any]:
        """The same section, which is always there, of something that this result is a part of."""
        assert self.there is None
        return Section(prefix + self.name, self.says)


class Keys(Mapping[str, Key[Result]]):
    """The keys of one kind of result, in the order of its document.

    `recorded` gives the values that stand in a result that was read back from a file, for it is not this process's to
    find them out. `others` are keys that only other runs have, and what must be asked for to have one. `within` is the
    section whose keys may be named without it.
    """

    def __init__(
        self,
        entries: Iterable[Key[Result] | Each[Result, Any] | Null],
        sections: Iterable[Section[Result]] = (),
        says: str = "",
        recorded: Callable[[Result], Mapping[str, Value] | None] = lambda _: None,
        others: Mapping[str, str] = NOTHING,
        within: str = "",
    ) -> None:
        self.others = others
        self._within = within
        self._recorded = recorded
        self.entries = tuple(entries)
        self.sections = {section.name: section for section in sections}
        self.says = says
        self._keys = {entry.name: entry for entry in self.entries if isinstance(entry, Key)}
        self._getters = cache(self._find_getters)
        self._layout = cache(self._find_layout)

    def __getitem__(self, name: str) -> Key[Result]:
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @cached_property
    def optional(self) -> tuple[Section[Result], ...]:
        """The sections that a result may lack as a whole."""
        return tuple(section for section in self.sections.values() if section.there is not None)

    def section_of(self, name: str) -> Section[Result] | None:
        """The optional section that a key stands in."""
        return next((one for one in self.optional if name.startswith(f"{one.name}.")), None)

    def under(self, *names: str) -> tuple[Key[Result], ...]:
        """The keys of some sections."""
        return tuple(key for key in self.values() if key.name.partition(".")[0] in names)

    def find(self, name: str) -> str:
        """The key that a user's `name` means: itself, its `.value` or `.ratio`, or the one of that name in `within`.

        Where there is none, the error proposes the nearest, or says what must be asked for to have it.
        """
        inner = f"{self._within}.{name}"
        found = next((one + end for one in (inner, name) for end in _SHORTENED if one + end in self._keys), None)
        if found is not None:
            return found
        needed = next((self.others[name + end] for end in _SHORTENED if name + end in self.others), None)
        if needed is not None:
            raise DsconvError(f"{name} is not measured in this run; it needs {needed}")
        near = self._nearest(name)
        proposed = f"; did you mean {listed(near)}?" if near else ";"
        raise DsconvError(f"unknown key {quoted(name)}{proposed} --keys lists all")

    def _nearest(self, name: str) -> list[str]:
        """A few keys that are much like `name`, or have a part that is."""
        from difflib import SequenceMatcher

        # Comparing takes as long as the two texts times each other; what is so long is similar to nothing.
        name = name[:_LONGEST].lower()

        def likeness(known: str) -> float:
            parts = known.split(".")
            tails = (".".join(parts[start:]) for start in range(len(parts)))
            return max(SequenceMatcher(None, name, tail).ratio() - 0.01 * depth for depth, tail in enumerate(tails))

        # As they may be shortened: `find` knows what is meant.
        short = dict.fromkeys(known.removesuffix(".value") for known in self)
        ranked = sorted(((-likeness(known), known) for known in short), key=lambda one: one[0])
        return [known for rank, known in ranked[:_PROPOSED] if -rank >= _NEAR]

    def check_asked(self, name: str, absent: Iterable[str]) -> None:
        """Refuse a key in one of the sections that this run does not have, and say what must be asked for."""
        section = self.section_of(name)
        if section is not None and section.name in absent:
            raise DsconvError(f"{name} is not measured in this run; it needs {section.asked_by}")

    def columns(self, absent: Iterable[str]) -> tuple[str, ...]:
        """The keys that can have values where the sections `absent` are missing: what a table without gaps has."""
        lost = set(absent)
        return tuple(name for name, key in self.items() if not self._is_lost(name, key, lost))

    def _is_lost(self, name: str, key: Key[Result], absent: Collection[str]) -> bool:
        section = self.section_of(name)
        alone = bool(key.only_with) and all(one in absent for one in key.only_with)
        return alone or (section is not None and section.name in absent)

    def missing(self, result: Result) -> tuple[str, ...]:
        """The sections that a result lacks."""
        return tuple(section.name for section in self.optional if not _is_there(section, result))

    def read(self, result: Result, name: str) -> Value:
        """The value at a key; None where its section is not there."""
        recorded = self._recorded(result)
        if recorded is not None and name in recorded:
            return recorded[name]
        section = self.section_of(name)
        return None if section is not None and not _is_there(section, result) else self._keys[name].getter(result)

    def read_all(self, result: Result, names: Sequence[str], apply: Apply = applied) -> list[Value]:
        """The values at keys. For many results, where `read` would look each key up anew."""
        if self._recorded(result) is not None:
            return [self.read(result, name) for name in names]
        getters = self._getters(tuple(names), self.missing(result))
        return [None if getter is None else apply(getter, result) for getter in getters]

    def _find_getters(
        self, names: tuple[str, ...], missing: tuple[str, ...]
    ) -> tuple[Callable[..., Value] | None, ...]:
        lost = tuple(f"{name}." for name in missing)
        return tuple(None if name.startswith(lost) else self._keys[name].getter for name in names)

    def document(self, result: Result, apply: Apply = applied) -> dict[str, Any]:
        """The keys nested at their dots, ready for JSON."""
        recorded = self._recorded(result) or {}
        nested: dict[str, Any] = {}
        for name, outer, last, get in self._layout(self.missing(result)):
            inner = nested
            for part in outer:
                inner = inner.setdefault(part, {})
            inner[last] = plain(recorded[name] if name in recorded else apply(get, result))
        return nested

    def _find_layout(self, missing: tuple[str, ...]) -> tuple[tuple[str, list[str], str, Callable[[Result], Any]], ...]:
        """Where each value of a document stands, and how it is read, if the sections `missing` are null."""
        places: dict[str, Callable[[Result], Any]] = {}
        for entry in self.entries:
            absent = next((name for name in missing if entry.name.startswith(f"{name}.")), None)
            if absent is not None or isinstance(entry, Null):
                places[absent or entry.name] = lambda _: None
            else:
                places[entry.name] = _documents(entry) if isinstance(entry, Each) else entry.getter
        split = {name: name.split(".") for name in places}
        return tuple((name, split[name][:-1], split[name][-1], get) for name, get in places.items())

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of the document."""
        root = _object(self.says)
        for entry in self.entries:
            *outer, last = entry.name.split(".")
            inner, path = root, ""
            for part in outer:
                path = f"{path}.{part}" if path else part
                says = self.sections[path].says if path in self.sections else ""
                inner = inner["properties"].setdefault(part, _object(says))
            inner["properties"][last] = _schema_of(entry)
        return _sealed(root, {section.name for section in self.optional})


def _schema_of(entry: Key[Any] | Each[Any, Any] | Null) -> dict[str, Any]:
    if isinstance(entry, Null):
        return {"type": "null"}
    return {"type": "array", "items": entry.keys.schema()} if isinstance(entry, Each) else entry.schema()


def _function(get: Getter[Result]) -> Callable[[Result], Any]:
    return attrgetter(get) if isinstance(get, str) else get


def _after(part: Getter[Whole], get: Getter[Result]) -> Getter[Whole]:
    """`get` of `part`. Two paths are one path, which is read without any of Python's own steps."""
    if isinstance(part, str) and isinstance(get, str):
        return f"{part}.{get}"
    first, then = _function(part), _function(get)
    return lambda whole: then(first(whole))


def lifted(keys: Iterable[Key[Result]], part: Getter[Whole], prefix: str = "") -> tuple[Key[Whole], ...]:
    """The keys of something that the result is a part of."""
    return tuple(
        Key(prefix + key.name, key.type, _after(part, key.get), key.unit, key.says, key.nullable, key.only_with)
        for key in keys
    )


def optional(keys: Iterable[Key[Result]]) -> tuple[Key[Result], ...]:
    """The same keys, of which each may lack its value."""
    return tuple(replace(key, nullable=True) for key in keys)


def _documents(each: Each[Result, Part]) -> Callable[[Result], list[dict[str, Any]]]:
    return lambda result: [each.keys.document(part) for part in each.get(result)]


def plain(value: Any) -> Any:
    """A value as it stands in JSON: one of several parts is a list."""
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def _is_there(section: Section[Result], result: Result) -> bool:
    return section.there is None or section.there(result)


def _object(says: str) -> dict[str, Any]:
    return {"type": "object", **({"description": says} if says else {}), "properties": {}}


def _sealed(node: dict[str, Any], nullable: set[str], path: str = "") -> dict[str, Any]:
    """Every property is required and no other allowed; a section that may be missing is null or whole."""
    if node.get("type") != "object":
        return node
    properties = {}
    for name, inner in node["properties"].items():
        place = f"{path}.{name}" if path else name
        sealed = _sealed(inner, nullable, place)
        properties[name] = {"oneOf": [{"type": "null"}, sealed]} if place in nullable else sealed
    return {**node, "properties": properties, "required": list(properties), "additionalProperties": False}

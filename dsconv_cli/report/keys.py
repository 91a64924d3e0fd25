"""The keys of a command's result as a page: what `--keys` lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from typing import Any, Final

from dsconv_cli.errors import DsconvError
from dsconv_cli.keys import Keys
from dsconv_cli.report.page import Cell, Item, Items, Line, Page

#: JSON Schema's words for what a value is, and ours.
_WORDS: Final[Mapping[str, str]] = {
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
}
#: Names of which some stand for a key in each command.
_SHORT: Final = ("k", "macs", "params", "time.speedup", "totals.time.speedup", "noise")


def page(keys: Keys[Any], command: str) -> Page:
    """A section for each of the document, a line for each key, and how keys may be shortened."""
    short = Line(f"Keys may be shortened: {', '.join(_shortened(keys))}.")
    others = Line("runtimes.NAME.… are the keys under time, of one runtime; they need --runtime NAME.")
    return Page(
        (
            *(_section(keys, name, tuple(group)) for name, group in groupby(keys, key=_head)),
            (short, *([others] if keys.others else [])),
        ),
        f"dsconv {command} --keys",
    )


def _shortened(keys: Keys[Any]) -> Iterator[str]:
    """What the shortest of names stand for."""
    for name in _SHORT:
        with suppress(DsconvError):
            meant = keys.find(name)
            if meant != name:
                yield f"{name} is {meant}"


def _head(name: str) -> str:
    """The section that a key stands in; "" for one that stands alone."""
    return name.rpartition(".")[0].partition(".")[0]


def _section(keys: Keys[Any], head: str, names: tuple[str, ...]) -> tuple[Line | Items, ...]:
    section = keys.sections.get(head)
    said = section.says if section is not None else ""
    asked_by = section.asked_by if section is not None else ""
    needs = f"Needs {asked_by}." if asked_by else ""
    told = " ".join(text for text in (f"{head}:" if said or needs else head, said, needs) if text)
    items = tuple(Item("; ".join(_said(keys, name, asked_by)), Cell(name)) for name in names)
    return (*([Line(told, "lead")] if told else []), Items(items))


def _said(keys: Keys[Any], name: str, asked_by: str) -> Iterator[str]:
    """What a value is, its unit, what it means, and what must be asked for unless its section has said so."""
    key = keys[name]
    yield from (text.rstrip(".") for text in (_kind(key.type.schema), key.unit, key.says) if text)
    section = keys.section_of(name)
    if section is not None and section.asked_by != asked_by:
        yield f"needs {section.asked_by}"


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "oneOf" in schema:
        return " or ".join(map(_kind, schema["oneOf"]))
    return _WORDS[schema["type"]]

"""A baseline is of the same layer or network as today's result, or it is refused: one line says what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from dsconv_cli.baseline.file import Document
from dsconv_cli.data import at
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS
from dsconv_cli.layer.reading import as_text
from dsconv_cli.numbers import by
from dsconv_cli.text import some

#: Differences that a message names, at most.
_NAMED: Final = 3
#: What times depend on beside the layer: keys of a section of times.
_CONDITIONS: Final = ("device", "threads", "layout", "dtype", "runtime.name", "runtime.chain")


def check_layer(path: Path, was: Document, now: Document) -> None:
    """Refuse a baseline of another layer.

    Raises:
        DsconvError: a field of `spec` differs; the message names it, and the options that make it the same.
    """
    then, today = was.get("spec"), now["spec"]
    differing = _differing(then, today)
    if not differing:
        return
    named = some([f"{name} {_as_option(then, name)} (here {_as_option(today, name)})" for name in differing], _NAMED)
    raise DsconvError(
        f"the baseline {path} is of another layer, with {named}; compare that one, or write a new baseline with "
        f"--output {path.name}"
    )


def _differing(was: Any, now: Mapping[str, Any]) -> list[str]:
    return [name for name, value in now.items() if not isinstance(was, dict) or was.get(name) != value]


def _as_option(spec: Any, name: str) -> str:
    """A field as its option takes it, where that is simple; as JSON where it is not."""
    value = spec.get(name) if isinstance(spec, dict) else None
    if isinstance(value, list) and name in FIELDS and all(isinstance(part, int) for part in value) and value:
        return as_text(tuple(value), ",")
    return _told(value)


def check_network(path: Path, was: Document, now: Document) -> None:
    """Refuse a baseline of another network, of other inputs, or with other layers chosen to be replaced.

    Raises:
        DsconvError: one of these differs; the message says which, and what would be right.
    """
    differing = next(_differences(was, now), None)
    if differing is not None:
        raise DsconvError(
            f"the baseline {path} is of another network: {differing}; or write a new baseline with --output {path.name}"
        )


def _differences(was: Document, now: Document) -> Iterator[str]:
    """What differs, in words, and what would be right."""
    then, today = (at(one, "model.target") for one in (was, now))
    if _place(then) != _place(today):
        yield f"its model.target is {_told(then)}, here {_told(today)}; name that one"
    yield from selection_differences(was, at(now, "model.selection"))
    then, today = (_inputs(one.get("input")) for one in (was, now))
    if then != today:
        yield f"its input is {then}, here {today}; give the same --input"


def selection_differences(was: Document, now: Mapping[str, Any]) -> Iterator[str]:
    """Which layers are replaced, and with what."""
    for name, value in now.items():
        then = at(was, f"model.selection.{name}")
        if then != value:
            option = f"--{name.replace('_', '-')}"
            yield f"its model.selection.{name} is {_told(then)}, here {_told(value)}; give the same {option}"


def _place(target: Any) -> tuple[str, str]:
    """What a target means wherever one stands: the name of its file, and what in it; or a module's, and what in it."""
    path, _, name = str(target).rpartition(":")
    if not path:
        return PurePath(name).name, ""
    return (PurePath(path).name if path.endswith(".py") else path), name


def _inputs(given: Any) -> str:
    """`1×3×224×224 float32`."""
    try:
        each = [f"{one['name'] + '=' if one['name'] else ''}{by(*one['shape'])} {one['dtype']}" for one in given]
    except (KeyError, TypeError):
        return _told(given)
    return ", ".join(each) or "nothing"


def conditions(section: str) -> tuple[str, ...]:
    """The keys of what the times in a section hold for."""
    return (*(f"{section}.{name}" for name in _CONDITIONS), "environment.cpu")


def other_conditions(section: str, was: Callable[[str], Any], now: Callable[[str], Any]) -> str:
    """Why the times in `section` cannot be compared: what they hold for differs. Empty where nothing does."""
    for key in conditions(section):
        then, today = was(key), now(key)
        if then is not None and today is not None and then != today:
            return f"{key} was {_told(then)} and is {_told(today)}"
    return ""


def _told(value: Any) -> str:
    """A value as an error repeats it."""
    return quoted(value) if isinstance(value, str) else quoted(json.dumps(value)).strip("'")

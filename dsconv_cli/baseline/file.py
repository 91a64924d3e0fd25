"""The file of a baseline: what dsconv wrote as JSON, or line by line as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from dsconv_cli.errors import DsconvError
from dsconv_cli.files import reason
from dsconv_cli.keys import SCHEMA_VERSION

Document = Mapping[str, Any]

#: Beyond what doubles hold, with room for quotients.
_LARGEST: Final = 10**200


def documents(path: Path, command: str) -> Iterator[Document]:
    """The documents of `path`, which `command` wrote: one, or one a line.

    Raises:
        DsconvError: it cannot be read, or holds anything but results of this command in this schema version.
    """
    anew = f"write one with --output {path.stem or 'baseline'}.json"
    with _named(path, anew), path.open(encoding="utf-8-sig") as stream:
        number = 0
        for number, one in enumerate(_parsed(stream), 1):
            _check_written_by(one, command, f"the baseline {path}{f' line {number}' if number > 1 else ''}", anew)
            yield one
        if not number:
            raise DsconvError(f"the baseline {path} is empty; {anew}")


@contextmanager
def _named(path: Path, anew: str) -> Iterator[None]:
    """What goes wrong, as errors that name the file."""
    try:
        yield
    except FileNotFoundError:
        raise DsconvError(f"there is no baseline {path}; {anew}") from None
    except OSError as error:
        raise DsconvError(f"cannot read the baseline {path}: {reason(error)}") from None
    except (ValueError, RecursionError):
        raise DsconvError(f"the baseline {path} is no JSON; {anew}") from None


def _parsed(stream: IO[str]) -> Iterator[Any]:
    """One value a line, where the first line is one; and else one value over all lines."""
    first = next((line for line in stream if line.strip()), "")
    if not first:
        return
    try:
        yield _json(first)
    except ValueError:
        yield _json(first + stream.read())
        return
    for line in stream:
        if line.strip():
            yield _json(line)


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _check_written_by(one: Any, command: str, what: str, anew: str) -> None:
    version = one.get("schema_version") if isinstance(one, dict) else None
    if version is None:
        raise DsconvError(f"{what} is not a result of dsconv {command}; {anew}")
    if version != SCHEMA_VERSION:
        raise DsconvError(f"{what} has schema_version {version}, and this dsconv reads {SCHEMA_VERSION}; {anew}")
    if one.get("command") != command:
        raise DsconvError(f"{what} is a result of dsconv {one.get('command')}, not of dsconv {command}; {anew}")


def is_number(value: object) -> bool:
    """Whether a value of a document can be compared by size. In a file it may be larger than anything that is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST

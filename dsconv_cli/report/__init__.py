"""Results → text. One small module a format; nothing here opens a file or writes to a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from types import MappingProxyType
from typing import Final, NamedTuple

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.gates import Failure


@dataclass(frozen=True, slots=True)
class View:
    """How a result is to be shown.

    `width` is the number of columns there are, or None where nothing limits it. `pending` names a profiler
    that is still counting, `progress` says how far a measurement is that is still going on.
    """

    width: int | None = None
    unicode: bool = True
    color: bool = False
    explain: bool = False
    pending: str = ""
    progress: str = ""
    failures: tuple[Failure, ...] = ()


class Format(NamedTuple):
    """A format: the module whose `render(comparison, view)` makes it, the endings that mean it, where it may go.

    `section` is the optional section of a comparison that it shows and cannot do without. `requires` names a
    package that comes with the extra `plot`.
    """

    module: str
    extensions: tuple[str, ...]
    on_stdout: bool = True
    explains: bool = False
    section: str | None = None
    requires: str | None = None


#: A new format is one entry here and one module.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "table": Format("table", (".txt",), explains=True),
        "json": Format("json_", (".json",)),
        "jsonl": Format("jsonl", (".jsonl",), on_stdout=False),
        "csv": Format("csv_", (".csv",)),
        "markdown": Format("markdown", (".md",), explains=True),
        "github": Format("github", ()),
        "svg": Format("svg", (".svg",), on_stdout=False, explains=True),
        "roofline": Format("roofline", (), on_stdout=False, section="time", requires="matplotlib"),
        "png": Format("roofline_png", (".png",), on_stdout=False, section="time", requires="matplotlib"),
    }
)


#: The roofline's formats, by ending.
ROOFLINES: Final[Mapping[str, str]] = MappingProxyType({".svg": "roofline", ".png": "png"})


def format_of(path: str, prefix: str | None = None) -> str | None:
    """The format of a file, by its prefix or its name; None if neither tells.

    A picture of the roofline is `roofline:PATH`, or any file called roofline with the ending of a picture: `.svg`
    alone means the table as a picture.
    """
    name, ending = PurePath(path).name.lower(), PurePath(path).suffix.lower()
    pictures = ROOFLINES.get(ending)
    if pictures is not None and (prefix == "roofline" or (prefix is None and name.startswith("roofline"))):
        return pictures
    if prefix is not None:
        return prefix
    return next((name for name, one in FORMATS.items() if ending in one.extensions), None)


def render(name: str, comparison: Comparison, view: View) -> str:
    """`comparison` in the text format `name`, ending in a newline unless it is empty."""
    text = render_file(name, comparison, view)
    assert isinstance(text, str)
    return text


def render_file(name: str, comparison: Comparison, view: View) -> str | bytes:
    """`comparison` in the format `name`; bytes where it is no text."""
    function: Callable[[Comparison, View], str | bytes] = import_module(
        f"dsconv_cli.report.{FORMATS[name].module}"
    ).render
    return function(comparison, view)

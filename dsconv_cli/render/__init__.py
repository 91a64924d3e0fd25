"""Results → text. One small module a format; nothing here opens a file or writes to a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final, NamedTuple

from dsconv_cli.comparison import Comparison
from dsconv_cli.gates import Failure


@dataclass(frozen=True, slots=True)
class View:
    """How a result is to be shown.

    `width` is the number of columns there are, or None where nothing limits it. `pending` names a profiler
    that is still counting.
    """

    width: int | None = None
    unicode: bool = True
    color: bool = False
    explain: bool = False
    pending: str = ""
    failures: tuple[Failure, ...] = ()


class Format(NamedTuple):
    """A format: the module whose `render(comparison, view)` makes it, the endings that mean it, where it may go."""

    module: str
    extensions: tuple[str, ...]
    on_stdout: bool = True
    explains: bool = False


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
    }
)


def render(name: str, comparison: Comparison, view: View) -> str:
    """`comparison` in the format `name`, ending in a newline unless it is empty."""
    function: Callable[[Comparison, View], str] = import_module(f"dsconv_cli.render.{FORMATS[name].module}").render
    return function(comparison, view)

"""A network's result → text, one small module a format. Nothing here opens a file or writes to a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final

from dsconv_cli.model.result import ModelResult
from dsconv_cli.report import Format, View


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of the network is shown: the tree down to `depth` (None: a screenful), or the `top` largest layers."""

    view: View
    depth: int | None = None
    top: int | None = None


#: The format that is a picture, made by `dsconv_cli.report.model.plot` and not from text.
PLOT: Final = "plot"

#: The same names and endings as for a single layer, and the plot.
FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "table": Format("table", (".txt",)),
        "json": Format("json_", (".json",)),
        "jsonl": Format("jsonl", (".jsonl",), on_stdout=False),
        "csv": Format("csv_", (".csv",)),
        "markdown": Format("markdown", (".md",)),
        "github": Format("github", ()),
        "svg": Format("svg", (".svg",), on_stdout=False),
        PLOT: Format("", (".png", ".pdf"), on_stdout=False, requires="matplotlib"),
    }
)


def render(name: str, result: ModelResult, shown: Shown) -> str:
    """`result` in the format `name`, ending in a newline unless it is empty."""
    module = import_module(f"dsconv_cli.report.model.{FORMATS[name].module}")
    function: Callable[[ModelResult, Shown], str] = module.render
    return function(result, shown)

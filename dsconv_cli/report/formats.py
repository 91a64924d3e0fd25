"""The one table of formats: what each is called, which commands have it, which files mean it, who makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from typing import Any, Final, Literal, NamedTuple

from dsconv_cli.data import csv_text, json_line
from dsconv_cli.report.page import PLAIN, Page, Report, View

Command = Literal["compare", "sweep", "model", "doctor"]

_EVERYWHERE: Final[tuple[Command, ...]] = ("compare", "sweep", "model", "doctor")
_SVG_PNG: Final = (".svg", ".png")


class Format(NamedTuple):
    """A format of some commands: the `part` of a report that it shows, and the function from that part to text.

    "report" is the whole of it: the page and what its gates came to. The text comes whole or in pieces.

    `endings` are those of files that mean it, if their names begin with `stem`. A picture is drawn as one of `kinds`,
    the usual one first. `section` is what a result must have to be shown in it. A file of a format that `adds` can be
    continued. `package` is what writes it, which the extra of the same name as the format brings.
    """

    name: str
    part: Literal["page", "document", "rows", "report", "picture", "bars"]
    text: Callable[[Any, View], str | Iterator[str]] | None
    endings: tuple[str, ...] = ()
    commands: tuple[Command, ...] = _EVERYWHERE
    on_stdout: bool = False
    in_files: bool = True
    kinds: tuple[str, ...] = ()
    stem: str = ""
    section: str = ""
    package: str = ""
    adds: bool = False

    @property
    def for_people(self) -> bool:
        """Whether it shows the page."""
        return self.part in ("page", "report")

    def is_meant_by(self, path: PurePath) -> bool:
        """Whether the name of a file says so."""
        return path.suffix.lower() in self.endings and path.name.lower().startswith(self.stem)

    def content(self, report: Report, view: View = PLAIN, kind: str = "") -> str | bytes:
        """What stdout or a file gets; a picture as `kind`."""
        if self.text is None:
            return getattr(report, self.part)(kind)  # type: ignore[no-any-return]
        return "".join(self.texts(report, view))

    def texts(self, report: Report, view: View = PLAIN) -> Iterator[str]:
        """The text of that part of a report, piece by piece, for it may be larger than the memory."""
        assert self.text is not None
        made = self.text(report if self.part == "report" else getattr(report, self.part)(), view)
        return iter((made,)) if isinstance(made, str) else made


def _table(page: Page, view: View) -> Iterator[str]:
    from dsconv_cli.report.table import lines_of

    return lines_of(page, view)


def _markdown(report: Report, _: View) -> Iterator[str]:
    from dsconv_cli.report.gates import judged_page
    from dsconv_cli.report.markdown import lines_of

    return lines_of(judged_page(report))


def _svg(page: Page, _: View, *, light: bool = False) -> str:
    from dsconv_cli.report.svg import render

    return render(page, light=light)


def _json(document: Any, _: View) -> str:
    import json

    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _github(report: Report, view: View) -> Iterator[str]:
    from dsconv_cli.report.github import lines_of

    return lines_of(report, view)


_ONE: Final[tuple[Command, ...]] = ("compare", "model", "doctor")

#: A new format is one entry here. Where two are meant by the name of a file, it is the first.
FORMATS: Final = (
    Format("table", "page", _table, (".txt",), on_stdout=True, adds=True),
    Format("json", "document", _json, (".json",), _ONE, on_stdout=True),
    # A sweep has one document a layer.
    Format("json", "document", lambda document, _: json_line(document), (".json",), ("sweep",), on_stdout=True),
    Format("jsonl", "document", lambda document, _: json_line(document), (".jsonl",), adds=True),
    Format("csv", "rows", lambda rows, _: csv_text(rows), (".csv",), on_stdout=True),
    Format("parquet", "rows", None, (".parquet",), ("sweep",), package="pyarrow"),
    Format("markdown", "report", _markdown, (".md",), on_stdout=True, adds=True),
    Format("github", "report", _github, (), ("compare", "model"), on_stdout=True, adds=True),
    Format("github", "report", _github, (), ("sweep",), on_stdout=True, in_files=False),
    Format("roofline", "picture", None, (".svg",), ("compare",), kinds=_SVG_PNG, stem="roofline", section="time"),
    Format("runtimes", "bars", None, _SVG_PNG, ("compare",), kinds=_SVG_PNG, stem="runtimes", section="runtimes"),
    Format("svg", "page", _svg, (".svg",), ("compare", "model")),
    # For pages that are light; a page can name both and let the reader's own setting choose.
    Format("svg-light", "page", partial(_svg, light=True), (), ("compare", "model")),
    Format("png", "picture", None, (".png",), ("compare",), kinds=(".png",), section="time"),
    Format("plot", "picture", None, (".png", ".pdf"), ("model",), kinds=(*_SVG_PNG, ".pdf")),
    Format("svg", "picture", None, (".svg",), ("sweep",), kinds=(".svg",)),
    Format("png", "picture", None, (".png",), ("sweep",), kinds=(".png",)),
)


def formats_of(command: Command) -> dict[str, Format]:
    """The formats that a command has, by name."""
    return {one.name: one for one in FORMATS if command in one.commands}

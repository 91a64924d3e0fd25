"""A report in the log of a GitHub workflow: its page, its gates, and an annotation for each gate that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dsconv_cli.gates import Verdict
from dsconv_cli.report.gates import headline
from dsconv_cli.report.page import Place, Report, View
from dsconv_cli.report.table import lines_of as table
from dsconv_cli.text import printable

#: What the runner takes for a command, wherever in the log a line begins with it.
_COMMAND: Final = re.compile(r"^(\s*)(?:::|##\[)", re.MULTILINE)


def lines_of(report: Report, view: View) -> Iterator[str]:
    """The page as a table, then what the gates came to. Each failure is one line: the runner shows it as an error."""
    for text in table(report.page(), view):
        yield _COMMAND.sub(lambda match: f"{match[1]}: ", text)
    if report.verdicts:
        yield f"\n{headline(report.verdicts)}\n"
    for one in report.verdicts:
        yield annotation(one, report.place) if not one.passed else f"passed: {printable(one.message)}\n"


def annotation(verdict: Verdict, place: Place | None = None) -> str:
    """A failed gate as a workflow command, at the file that it is about where there is one."""
    known = {"title": f"dsconv: {verdict.key}"}
    if place is not None:
        known = {"file": place.file, **({"line": str(place.line)} if place.line else {}), **known}
    properties = ",".join(f"{name}={_escape(value, ',:')}" for name, value in known.items())
    return f"::error {properties}::{_escape(printable(verdict.message))}\n"


def _escape(text: str, also: str = "") -> str:
    """What the runner's parser takes for its own is written as %XX."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for character in also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text

"""Gates that passed or failed, as a section of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsconv_cli.gates import Verdict
from dsconv_cli.numbers import many
from dsconv_cli.report.page import Block, Cell, Item, Items, Line, Page, Report


def judged_page(report: Report) -> Page:
    """The page of a report, which begins with its gates where it has any."""
    page = report.page()
    return page._replace(sections=(tuple(section(report.verdicts)), *page.sections)) if report.verdicts else page


def section(verdicts: Sequence[Verdict]) -> Iterator[Block]:
    """How many failed, and each with its value and its limit, those that failed first."""
    yield Line(headline(verdicts), "strong")
    items = [Item(one.message, Cell("passed", "good") if one.passed else Cell("failed", "bad")) for one in verdicts]
    yield Items(tuple(sorted(items, key=lambda item: item.mark.text)))


def headline(verdicts: Sequence[Verdict]) -> str:
    """`2 gates passed`, `1 gate of 3 failed`."""
    failed = sum(not one.passed for one in verdicts)
    if not failed:
        return f"{many(len(verdicts), 'gate')} passed"
    return f"{many(failed, 'gate')} failed" + (f", {len(verdicts) - failed} passed" if failed < len(verdicts) else "")

"""Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.report import View, content
from dsconv_cli.report.timed_content import explanation, time_lines


def render(comparison: Comparison, view: View) -> str:
    """A heading, a table, and what R×S is worth here."""
    return "\n".join(_lines(comparison, view)) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table with the first column to the left and the others to the right."""
    yield _row(header)
    yield _row([":---", *("---:" for _ in header[1:])])
    for row in rows:
        yield _row(row)


def _lines(comparison: Comparison, view: View) -> Iterator[str]:
    yield f"**{content.title(comparison.spec)}**  "
    yield f"{content.shapes(comparison.spec)}  "
    yield content.counted_by(comparison)
    yield ""
    header = ("", *content.OPERATORS, "ratio", "R×S")
    rows = content.rows(comparison)
    yield from table(header, [(row.label, *row.exact, content.ratio_text(row), row.approximation) for row in rows])
    yield ""
    yield from _time(comparison)
    yield content.approximation_line(comparison)
    yield ""
    yield from (f"- {'yes' if holds else 'no'}: {line}" for holds, line in content.assumption_lines(comparison))
    yield ""
    yield content.UNITS_NOTE
    if view.explain:
        from dsconv_cli.layer.derivation import explain

        for heading, lines in explain(comparison.spec, comparison.cost):
            yield ""
            yield f"**{heading}**"
            yield ""
            yield from (f"- {line}" for line in lines)


def _time(comparison: Comparison) -> Iterator[str]:
    """What the timing says, and why; nothing if time was not measured."""
    for _, line in time_lines(comparison):
        yield f"{line}  "
    why = explanation(comparison)
    if why:
        yield ""
        yield "Time beside MACs:"
        yield ""
        yield from (f"- {sentence}" for sentence in why)
        yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

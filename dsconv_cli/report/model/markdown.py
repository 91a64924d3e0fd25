"""Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator

from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.markdown import table
from dsconv_cli.report.model import Shown, content
from dsconv_cli.report.model.content import Cells


def render(result: ModelResult, shown: Shown) -> str:
    """A heading, the totals, the layers that are to be shown."""
    return "\n".join(_lines(result, shown)) + "\n"


def _lines(result: ModelResult, shown: Shown) -> Iterator[str]:
    yield f"**{content.title(result)}**  "
    yield f"{content.shapes(result)}  "
    yield content.counted_by(result)
    yield ""
    yield from table(("total", "before", "after", "ratio"), content.total_rows(result))
    yield ""
    lines = content.lines(result, shown)
    header = ("layer", "type", "weight", "parameters", "MACs", "share", "after", "ratio", "replaced")
    yield from table(header, [_row(content.cells(result, line)) for line in lines])
    yield ""
    hidden = content.hidden_note(result, lines, shown)
    said = [*content.summary(result), *([hidden] if hidden else []), *content.time_lines(result), content.UNITS_NOTE]
    yield from (f"{line}  " for line in said[:-1])
    yield said[-1]


def _row(one: Cells) -> tuple[str, ...]:
    name = "&nbsp;&nbsp;" * one.level + f"`{one.label}`"
    return (name, one.type, one.weight, one.params, one.macs, one.share, one.after, one.ratio, one.note)

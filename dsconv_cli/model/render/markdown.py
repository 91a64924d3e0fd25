"""Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator

from dsconv_cli.model.render import Shown, content
from dsconv_cli.model.result import ModelResult
from dsconv_cli.render.markdown import table


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
    rows = [content.cells(result, line) for line in lines]
    header = ("layer", "type", "weight", "parameters", "MACs", "share", "after", "ratio", "replaced")
    yield from table(
        header,
        [
            (
                "&nbsp;&nbsp;" * row.level + f"`{row.label}`",
                row.type,
                row.weight,
                row.params,
                row.macs,
                row.share,
                row.after,
                row.ratio,
                row.note,
            )  # fmt: skip
            for row in rows
        ],
    )
    yield ""
    hidden = content.hidden_note(result, lines, shown)
    said = [*content.summary(result), *([hidden] if hidden else []), *content.time_lines(result), content.UNITS_NOTE]
    yield from (f"{line}  " for line in said[:-1])
    yield said[-1]

"""The eligible layers of a network as a file that `sweep --from` reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from dsconv_cli.keys import Value
from dsconv_cli.layer import reading
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.csv_ import cell


def layers_file(result: ModelResult, ending: str) -> str:
    """The eligible layers in the form that `sweep --from` reads: CSV, or JSON Lines where `ending` is .jsonl."""
    rows = [{"name": layer.name, **reading.columns(layer.spec)} for layer in result.eligible if layer.spec is not None]
    if ending == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows)
    return csv_table(("name", *reading.COLUMNS), [row.values() for row in rows])


def csv_table(header: Iterable[str], rows: Iterable[Iterable[Value]]) -> str:
    """CSV with a header; missing values are empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()

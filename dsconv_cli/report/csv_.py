"""CSV: the keys of the JSON document, flattened with dots. Missing values are empty cells."""

from __future__ import annotations

import csv
import io

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.keys import Value
from dsconv_cli.report import View


def render(comparison: Comparison, _: View) -> str:
    """A header and one row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerow(cell(value) for _, value in KEYS.flat(comparison))
    return out.getvalue()


def cell(value: Value) -> str:
    """One value as bare text at full precision, as the options read it: `1.5`, `true`, `2,1`; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        # Sentences have commas of their own.
        return ("; " if any(isinstance(part, str) for part in value) else ",").join(str(part) for part in value)
    return str(value)

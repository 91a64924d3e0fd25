"""CSV: a row for every layer, its keys flattened with dots. Missing values are empty cells."""

from __future__ import annotations

from dsconv_cli.model.document import LAYER_COLUMNS, SPEC_COLUMNS, csv_table, layer_cells
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.model import Shown


def render(result: ModelResult, _: Shown) -> str:
    """A header and the layers."""
    rows = [[value for _, value in layer_cells(result, layer)] for layer in result.layers]
    return csv_table((*LAYER_COLUMNS, *SPEC_COLUMNS), rows)

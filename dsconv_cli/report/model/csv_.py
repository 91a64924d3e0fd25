"""CSV: a row for every layer, its keys flattened with dots. Missing values are empty cells."""

from __future__ import annotations

from dsconv_cli.model.keys import LAYER_KEYS, layers_of
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.layers_file import csv_table
from dsconv_cli.report.model import Shown


def render(result: ModelResult, _: Shown) -> str:
    """A header and the layers."""
    return csv_table(LAYER_KEYS, [[value for _, value in LAYER_KEYS.flat(layer)] for layer in layers_of(result)])

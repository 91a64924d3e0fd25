"""The eligible layers of a network as a file that `sweep --from` reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from dsconv_cli.keys import Value
from dsconv_cli.layer.reading import INTEGERS, PAIRS
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.csv_ import cell

#: The columns of `--layers`, as the options of `compare` are called.
_FILE_COLUMNS: Final[Mapping[str, Callable[[ConvSpec], Value]]] = MappingProxyType(
    {
        **{name: attrgetter(name) for name in (*INTEGERS, *PAIRS, "padding", "padding_end", "dtype")},
        "ordinary_bias": lambda spec: spec.bias.ordinary,
        "depthwise_bias": lambda spec: spec.bias.depthwise,
        "pointwise_bias": lambda spec: spec.bias.pointwise,
    }
)


def layers_file(result: ModelResult, ending: str) -> str:
    """The eligible layers in the form that `sweep --from` reads: CSV, or JSON Lines where `ending` is .jsonl."""
    rows = [
        {"name": layer.name, **{column: value(layer.spec) for column, value in _FILE_COLUMNS.items()}}
        for layer in result.eligible
        if layer.spec is not None
    ]
    if ending == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows)
    return csv_table(("name", *_FILE_COLUMNS), [row.values() for row in rows])


def csv_table(header: Iterable[str], rows: Iterable[Iterable[Value]]) -> str:
    """CSV with a header; missing values are empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()

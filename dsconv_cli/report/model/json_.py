"""One JSON document, indented for reading."""

from __future__ import annotations

import json

from dsconv_cli.model.keys import KEYS
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.model import Shown


def render(result: ModelResult, _: Shown) -> str:
    """The document of schema version 1: every layer, however much the table would show."""
    return json.dumps(KEYS.document(result), indent=2, allow_nan=False) + "\n"

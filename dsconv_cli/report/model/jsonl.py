"""One JSON document on one line, so that files can be concatenated."""

from __future__ import annotations

import json

from dsconv_cli.model.keys import KEYS
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.model import Shown


def render(result: ModelResult, _: Shown) -> str:
    """The document of schema version 1, on one line."""
    return json.dumps(KEYS.document(result), allow_nan=False) + "\n"

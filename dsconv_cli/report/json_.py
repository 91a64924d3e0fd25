"""One JSON document, indented for reading."""

from __future__ import annotations

import json

from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.report import View


def render(comparison: Comparison, _: View) -> str:
    """The document of schema version 1."""
    return json.dumps(KEYS.document(comparison), indent=2, allow_nan=False) + "\n"

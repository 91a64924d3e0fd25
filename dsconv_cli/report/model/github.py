"""GitHub workflow commands: an annotation for each gate that failed."""

from __future__ import annotations

from dsconv_cli.model.result import ModelResult
from dsconv_cli.report.github import annotation
from dsconv_cli.report.model import Shown


def render(_: ModelResult, shown: Shown) -> str:
    """One `::error` line a failed gate; nothing when all passed."""
    return "".join(annotation(failure) for failure in shown.view.failures)

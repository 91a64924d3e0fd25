"""GitHub workflow commands: an annotation for each gate that failed."""

from __future__ import annotations

from dsconv_cli.model.render import Shown
from dsconv_cli.model.result import ModelResult
from dsconv_cli.render.github import annotation


def render(_: ModelResult, shown: Shown) -> str:
    """One `::error` line a failed gate; nothing when all passed."""
    return "".join(annotation(failure) for failure in shown.view.failures)

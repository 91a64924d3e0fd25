"""GitHub workflow commands: an annotation for each gate that failed."""

from __future__ import annotations

from dsconv_cli.gates import Failure


def annotation(failure: Failure, layer: str = "") -> str:
    """A failed gate as a workflow command. `layer` says which one, where there are several."""
    message = f"{layer}: {failure.message}" if layer else failure.message
    return f"::error title={_escape(f'dsconv: {failure.gate.key}', ',:')}::{_escape(message)}\n"


def _escape(text: str, also: str = "") -> str:
    """What the runner's parser takes for its own is written as %XX."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for character in also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text

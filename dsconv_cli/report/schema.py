"""The JSON Schema of every document that dsconv prints, made from the tables of keys.

The file `schema/dsconv-1.schema.json` is what `schema` gives; a test holds it to that, and writes it anew where
DSCONV_UPDATE_GOLDEN is set.
"""

from __future__ import annotations

from typing import Any, Final

from dsconv_cli.baseline import keys as baseline
from dsconv_cli.comparison import keys as comparison
from dsconv_cli.keys import SCHEMA_VERSION
from dsconv_cli.model import keys as model
from dsconv_cli.sweep import summary
from dsconv_cli.timing import doctor_keys as doctor
from dsconv_cli.timing.runtimes import RUNTIMES

NAME: Final = f"dsconv-{SCHEMA_VERSION}.schema.json"


def _with(one: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**one, "properties": {**one["properties"], **properties}}


def _may_lack(one: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**one, "required": [name for name in one["required"] if name not in names]}


def _comparison() -> dict[str, Any]:
    """A file of layers may give names; several machines may share a sweep, of which a row says which one it was."""
    whole = comparison.keys_of(named=True, shared=True).schema()
    place = _may_lack(whole["properties"]["environment"], "machine")
    return _side_by_side(_may_lack(_with(whole, environment=place), "name", "error"), "comparison")


def _side_by_side(one: dict[str, Any], place: str) -> dict[str, Any]:
    """Of the runtimes a run has those that it asked for, each as the `time` at `place` is."""
    each = {
        "type": "object",
        "description": "The time on each runtime that was asked for by name; null where it failed.",
        "minProperties": 1,
        "propertyNames": {"enum": list(RUNTIMES)},
        "additionalProperties": {"$ref": f"#/$defs/{place}/properties/time"},
    }
    return _with(one, **{comparison.RUNTIMES: {"oneOf": [{"type": "null"}, each]}})


def _beside_another(one: dict[str, Any]) -> dict[str, Any]:
    """What changed since a baseline stands in a document where one was asked for."""
    return _with(one, **{baseline.NAME: baseline.KEYS.schema()})


def _network() -> dict[str, Any]:
    """A network's document: of its layers, and of it as a whole, the times on each runtime stand side by side."""
    whole = model.KEYS.schema()
    layers, totals = (whole["properties"][name] for name in ("layers", "totals"))
    layers = {**layers, "items": _side_by_side(layers["items"], "model/properties/layers/items")}
    return _with(whole, layers=layers, totals=_side_by_side(totals, "model/properties/totals"))


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    documents = {
        "comparison": _beside_another(_comparison()),
        "doctor": doctor.KEYS.schema(),
        "model": _beside_another(_network()),
        "summary": summary.schema(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": NAME,
        "title": f"dsconv, schema version {SCHEMA_VERSION}",
        "description": "Every JSON document that dsconv prints. null means not measured or not defined.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in documents],
        "$defs": documents,
    }

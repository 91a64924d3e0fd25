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


def _named_or_not(one: dict[str, Any]) -> dict[str, Any]:
    """A comparison begins with a name where a file of layers gives it one."""
    name = comparison.NAMED_KEYS["name"].schema()
    return {**one, "properties": {"name": name, **one["properties"]}}


def _shared(one: dict[str, Any]) -> dict[str, Any]:
    """Where several machines share a sweep, a row says which one it was, and why nothing was measured if it was not."""
    more = comparison.keys_of(shared=True).schema()["properties"]
    inner = one["properties"]["environment"]
    here = {**inner["properties"], "machine": more["environment"]["properties"]["machine"]}
    return {
        **one,
        "properties": {**one["properties"], "environment": {**inner, "properties": here}, "error": more["error"]},
    }


def _side_by_side(one: dict[str, Any], place: str) -> dict[str, Any]:
    """Of the runtimes a run has those that it asked for, each as the `time` at `place` is."""
    each = {
        "type": "object",
        "description": "The time on each runtime that was asked for by name; null where it failed.",
        "minProperties": 1,
        "propertyNames": {"enum": list(RUNTIMES)},
        "additionalProperties": {"$ref": f"#/$defs/{place}/properties/time"},
    }
    return {**one, "properties": {**one["properties"], comparison.RUNTIMES: {"oneOf": [{"type": "null"}, each]}}}


def _beside_another(one: dict[str, Any]) -> dict[str, Any]:
    """What changed since a baseline stands in a document where one was asked for."""
    return {**one, "properties": {**one["properties"], baseline.NAME: baseline.KEYS.schema()}}


def _network() -> dict[str, Any]:
    """A network's document: of its layers, and of it as a whole, the times on each runtime stand side by side."""
    whole = model.KEYS.schema()
    parts = whole["properties"]
    layers, totals = parts["layers"], parts["totals"]
    layers = {**layers, "items": _side_by_side(layers["items"], "model/properties/layers/items")}
    totals = _side_by_side(totals, "model/properties/totals")
    return {**whole, "properties": {**parts, "layers": layers, "totals": totals}}


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    documents = {
        "comparison": _beside_another(_side_by_side(_shared(_named_or_not(comparison.KEYS.schema())), "comparison")),
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

"""Every JSON document against the schema that is shipped."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from conftest import ROOT
from fakes import timing
from hypothesis import given, settings
from hypothesis import strategies as st

from dsconv_cli import Bias, ConvSpec, compare
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import closed_forms
from dsconv_cli.report.schema import NAME, schema

SCHEMA = json.loads(files("dsconv_cli").joinpath("schema/dsconv-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_shipped_schema_is_that_of_the_keys():
    """After a wanted change: `DSCONV_UPDATE_GOLDEN=1 python -m pytest tests/test_schema.py`."""
    made = json.loads(json.dumps(schema()))
    if os.environ.get("DSCONV_UPDATE_GOLDEN"):
        (ROOT / "dsconv_cli" / "schema" / NAME).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    assert made == SCHEMA


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("profiler", ["thop", "torch", "both", "none"])
def test_compare(profiler):
    VALIDATOR.validate(json.loads(json.dumps(compare(ConvSpec(64, 32), profiler=profiler).to_dict())))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1), st.booleans(), st.integers(1, 5))
def test_any_layer(k, c, bias, m):
    spec = ConvSpec(k, c, r=2, s=5, padding="same", bias=Bias(pointwise=bias), depth_multiplier=m, dtype="bfloat16")
    VALIDATOR.validate(json.loads(json.dumps(closed_forms(spec).to_dict())))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("macs.ordinary", 0),
        ("macs.ratio", None),
        ("spec.stride", [1]),
        ("schema_version", 2),
        ("command", "x"),
        ("extra", 1),
    ],
)
def test_the_schema_refuses_what_is_wrong(path, value):
    wrong = closed_forms(ConvSpec(64, 32)).to_dict()
    *parents, last = path.split(".")
    inner = wrong
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(wrong)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"warnings": ("a", "b"), "reliable": False},
        {"fixed_s": None, "pages": None, "copy_bytes": None, "peaks": None, "verdict": "slower"},
    ],
)
def test_a_timed_document(more):
    one = replace(compare(ConvSpec(64, 32)), time=timing(**more))
    found = json.loads(json.dumps(one.to_dict()))
    VALIDATOR.validate(found)
    assert found["time"]["speedup"]["value"] == timing().speedup.value
    found["time"]["verdict"] = "quick"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


@pytest.mark.parametrize("timed", [False, True])
def test_every_key_is_in_the_document(timed):
    one = compare(ConvSpec(64, 32))
    one = replace(one, time=timing()) if timed else one
    nested = KEYS.document(one)
    for key, value in zip(KEYS, KEYS.read_all(one, tuple(KEYS)), strict=True):
        inner = nested
        for part in key.split("."):
            inner = None if inner is None else inner[part]
        assert inner == (list(value) if isinstance(value, tuple) else value), key


def test_an_object_with_a_value_stands_for_it():
    assert KEYS.find("time.speedup") == "time.speedup.value"
    assert set(KEYS) >= {"macs.ratio", "measured.macs.ratio", "time.ordinary.median_s"}

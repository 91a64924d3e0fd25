"""A network's result as JSON, as rows of CSV, by key, and as layers for `sweep --from`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from dsconv_cli import comparison
from dsconv_cli.comparison import KEYS as COMPARISON_KEYS
from dsconv_cli.comparison import SCHEMA_VERSION, Comparison, Value
from dsconv_cli.comparison import read as read_comparison
from dsconv_cli.data import csv_text, json_line
from dsconv_cli.layer import reading
from dsconv_cli.layer.cost import cost
from dsconv_cli.model.result import BeforeAfter, Layer, ModelResult

Getter = Callable[[ModelResult], Value]

_FORMS: Final = ("ordinary", "depthwise", "pointwise", "separable", "ratio")


def _total(metric: str) -> dict[str, Getter]:
    def of(one: ModelResult) -> BeforeAfter:
        return getattr(one, metric)  # type: ignore[no-any-return]

    return {
        f"totals.{metric}.before": lambda one: of(one).before,
        f"totals.{metric}.after": lambda one: of(one).after,
        f"totals.{metric}.ratio": lambda one: float(of(one).ratio),
    }


def _timed(name: str) -> Getter:
    return lambda one: getattr(one.time, name)


#: Every key that holds one value, in the order of the document. `--get` and the gates look them up.
KEYS: Final[Mapping[str, Getter]] = MappingProxyType(
    {
        "schema_version": lambda _: SCHEMA_VERSION,
        "command": lambda _: "model",
        "model.target": lambda one: one.target,
        "model.type": lambda one: one.type,
        "model.device": lambda one: one.device,
        "model.not_on_meta": lambda one: one.not_on_meta,
        **_total("params"),
        "totals.params.other": lambda one: one.other_params,
        **_total("macs"),
        "totals.layers.counted": lambda one: len(one.layers),
        "totals.layers.convolutions": lambda one: len(one.convolutions),
        "totals.layers.eligible": lambda one: len(one.eligible),
        "totals.layers.replaced": lambda one: len(one.replaced),
        "totals.time.before.median_s": _timed("before_s"),
        "totals.time.after.median_s": _timed("after_s"),
        "totals.time.speedup.value": _timed("value"),
        "totals.time.speedup.low": _timed("low"),
        "totals.time.speedup.high": _timed("high"),
        "totals.time.speedup.level": _timed("level"),
        "totals.time.verdict": _timed("verdict"),
        "totals.time.reliable": _timed("reliable"),
        "totals.time.warnings": _timed("warnings"),
        "totals.time.device": _timed("device"),
        "totals.time.threads": _timed("threads"),
        "totals.time.layout": _timed("layout"),
        "totals.time.dtype": _timed("dtype"),
        "totals.time.samples.processes": _timed("processes"),
        "totals.time.samples.pairs": _timed("pairs"),
        "environment.versions.dsconv": lambda one: one.environment.versions["dsconv"],
        "environment.versions.python": lambda one: one.environment.versions["python"],
        "environment.versions.torch": lambda one: one.environment.versions["torch"],
        "environment.versions.profiler": lambda one: one.environment.versions["profiler"],
        "environment.platform": lambda one: one.environment.platform,
        "environment.cpu": lambda one: one.environment.cpu,
        "environment.device": lambda one: one.environment.device,
    }
)

TIME_SECTION: Final = "totals.time"


def read(result: ModelResult, key: str) -> Value:
    """The value at a key of `KEYS`; None where time was not measured."""
    if key.startswith(f"{TIME_SECTION}.") and result.time is None:
        return None
    return KEYS[key](result)


def find_key(key: str) -> str:
    """The key of `KEYS` that the user's `key` means. Raises as `comparison.find_key` does."""
    return comparison.find_key(key, KEYS)


def document(result: ModelResult) -> dict[str, Any]:
    """The JSON document of schema version 1."""
    nested: dict[str, Any] = {}
    for key in KEYS:
        if key.startswith(f"{TIME_SECTION}.") and result.time is None:
            nested["totals"]["time"] = None
        else:
            comparison.put(nested, key, read(result, key))
    nested["model"]["output"] = [list(shape) for shape in result.outputs]
    nested["model"]["selection"] = _selection(result)
    nested["model"]["notes"] = list(result.notes)
    inputs = [{"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in result.inputs]
    return {
        "schema_version": nested["schema_version"],
        "command": nested["command"],
        "model": nested["model"],
        "input": inputs,
        "layers": [layer_document(result, layer) for layer in result.layers],
        "totals": nested["totals"],
        "environment": nested["environment"],
    }


def layer_document(result: ModelResult, layer: Layer) -> dict[str, Any]:
    """One layer. `counted` is what torch counted over all calls; the sections after it are closed forms of one call."""
    nested: dict[str, Any] = {}
    for column, value in layer_cells(result, layer):
        section = column.partition(".")[0]
        if (section in _SPEC_SECTIONS and layer.spec is None) or (section == "time" and layer.time is None):
            nested[section] = None
        else:
            comparison.put(nested, column, value)
    return nested


def layer_cells(result: ModelResult, layer: Layer) -> Iterator[tuple[str, Value]]:
    """Every column of a layer with its value; None where it has none."""
    compared = None
    if layer.spec is not None:
        compared = Comparison(layer.spec, cost(layer.spec), time=layer.time)
    for column, getter in LAYER_COLUMNS.items():
        yield column, getter(result, layer)
    for column in SPEC_COLUMNS:
        yield column, None if compared is None else read_comparison(compared, column)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


#: What every layer has.
LAYER_COLUMNS: Final[Mapping[str, Callable[[ModelResult, Layer], Value]]] = MappingProxyType(
    {
        "name": lambda _, layer: layer.name,
        "type": lambda _, layer: layer.type,
        "operator": lambda _, layer: layer.operator,
        "calls": lambda _, layer: layer.calls,
        "weight": lambda _, layer: layer.weight,
        "input": lambda _, layer: layer.inputs,
        "output": lambda _, layer: layer.outputs,
        "counted.params": lambda _, layer: layer.params,
        "counted.params_share": lambda result, layer: _share(layer.params, result.params.before),
        "counted.macs": lambda _, layer: layer.macs,
        "counted.macs_share": lambda result, layer: _share(layer.macs, result.macs.before),
        "eligible": lambda _, layer: layer.eligible,
        "reason": lambda _, layer: layer.reason,
        "replaced": lambda _, layer: layer.replaced,
        "kept": lambda _, layer: layer.kept,
    }
)

_SPEC_SECTIONS: Final = ("spec", "params", "macs", "traffic")

#: What a layer has that `compare` could take, by the same keys as there.
SPEC_COLUMNS: Final = tuple(key for key in COMPARISON_KEYS if key.partition(".")[0] in (*_SPEC_SECTIONS, "time"))


def _selection(result: ModelResult) -> dict[str, Any]:
    asked = result.selection
    return {
        "keep": list(asked.keep),
        "only": list(asked.only),
        "min_ratio": asked.min_ratio,
        "depth_multiplier": asked.depth_multiplier,
        "target_macs": asked.target_macs,
        "target_params": asked.target_params,
    }


def layers_file(result: ModelResult, ending: str) -> str:
    """The eligible layers in the form that `sweep --from` reads: CSV, or JSON Lines where `ending` is .jsonl."""
    rows = [{"name": layer.name, **reading.columns(layer.spec)} for layer in result.eligible if layer.spec is not None]
    if ending == ".jsonl":
        return "".join(map(json_line, rows))
    return csv_text([("name", *reading.COLUMNS), *(row.values() for row in rows)])

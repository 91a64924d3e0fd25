"""A network from an `.onnx` file, before and after: counted from shapes alone, and counted again with pairs in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dsconv_cli.environment import distribution_of
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.files import existing
from dsconv_cli.model.choose import decide
from dsconv_cli.model.graph.layers import Rows, rows_of
from dsconv_cli.model.graph.reading import GraphFile, read, type_name
from dsconv_cli.model.graph.replacing import replaced, shapes_of
from dsconv_cli.model.graph.shapes import infer, inputs_of
from dsconv_cli.model.result import GRAPH, BeforeAfter, InputShape, Layer, ModelResult, Recipe, Selection, Totals
from dsconv_cli.model.spectra import notes_on_weights, with_spectra
from dsconv_cli.numbers import many
from dsconv_cli.text import some

_NAMED: Final = 5


def load(recipe: Recipe) -> GraphFile:
    """The file that is the target of `recipe`, which can be had only as it is.

    Raises:
        DsconvError: there is none, or it is not to be believed; or the recipe asks for what a file cannot be asked.
    """
    path = existing(recipe.target)
    if recipe.arguments:
        raise DsconvError(f"--arg {next(iter(recipe.arguments))}: {path} is a network already and takes no arguments")
    if recipe.inputs_by:
        raise DsconvError(
            "--inputs is for networks that are code; an .onnx file takes tensors: give their shapes by --input"
        )
    if recipe.dtype:
        raise DsconvError("--dtype is for networks that are code; an .onnx file computes in the types that it says")
    return read(path)


def analyse(graph: GraphFile, given: Sequence[InputShape], selection: Selection, *, fidelity: bool) -> ModelResult:
    """Its layers, and the totals before and after.

    Raises:
        DsconvError: it takes other inputs, has no convolution, or onnx cannot infer its shapes; or a glob matches none.
        CannotMeasureError: a target cannot be reached.
    """
    inputs = inputs_of(graph, given)
    nodes = list(graph.model.graph.node)
    shapes = infer(graph, nodes, inputs, {})
    rows = rows_of(graph, nodes, shapes, selection.multiplier)
    if not any(layer.operator == "convolution" for layer in rows.layers):
        raise DsconvError(f"{graph.path} has no convolution: there is nothing to replace")
    layers, untrained = rows.layers, False
    if fidelity or selection.needs_weights:
        layers, untrained = _with_weights(graph, layers)
    parameters = _parameters(graph, rows)
    before = Totals(sum(map(graph.size, parameters)), rows.macs, sum(map(graph.stored, parameters)))
    decided, gap = decide(layers, selection, params=before.params, macs=before.macs)
    after = before.less(layer.saving for layer in decided if layer.replaced)
    chosen = {layer.name: layer.spec for layer in decided if layer.replaced and layer.spec is not None}
    pairs = replaced(nodes, chosen)
    again = rows_of(graph, pairs, infer(graph, pairs, inputs, shapes_of(chosen)))
    if again.macs != after.macs or again.unknown != rows.unknown:
        raise CannotMeasureError(
            f"counters disagree: {graph.path} has {again.macs:,} MACs with its layers replaced, by the formulas "
            f"{after.macs:,}"
        )
    return ModelResult(
        target=str(graph.path),
        type=GRAPH,
        device="meta",
        not_on_meta=None,
        inputs=inputs,
        outputs=tuple(shapes[one.name] for one in graph.model.graph.output if one.name in shapes),
        layers=decided,
        params=BeforeAfter(before.params, after.params),
        macs=BeforeAfter(before.macs, after.macs),
        other_params=before.params - sum(layer.params for layer in decided),
        selection=selection,
        uncounted=rows.uncounted,
        notes=(*_notes(rows, decided), *notes_on_weights(decided, gap, untrained=untrained)),
        counters=(distribution_of("onnx"),),
        weight_bytes=BeforeAfter(before.weight_bytes, after.weight_bytes),
    )


def _with_weights(graph: GraphFile, layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], bool]:
    weights = {one.name: graph.values(graph.nodes[one.name].input[1]) for one in layers if one.eligible}
    return with_spectra(layers, weights)


def _parameters(graph: GraphFile, rows: Rows) -> list[str]:
    """All floating constants of more than one number, be they initializers or nodes, and all weights."""
    floating = ("float", "double", "bfloat")
    return [
        name
        for name, tensor in graph.constants.items()
        if name in rows.weights or (graph.size(name) > 1 and type_name(tensor.data_type).startswith(floating))
    ]


def _notes(rows: Rows, layers: Sequence[Layer]) -> Iterator[str]:
    if rows.unknown:
        names = some(rows.unknown, _NAMED)
        yield f"{many(len(rows.unknown), 'layer')} of a shape that cannot be inferred, in no total of MACs: {names}"
    if not any(layer.eligible for layer in layers):
        yield "no convolution of this network can be replaced; the last column says why"
    worse = [layer for layer in layers if layer.replaced and layer.saving.macs < 0]
    if worse:
        yield f"{many(len(worse), 'replaced layer')} with more MACs than before; `min_ratio` 1 leaves such layers out"

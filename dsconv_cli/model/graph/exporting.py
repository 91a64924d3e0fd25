"""An `.onnx` file's network, as it is and with layers replaced, for the runtimes that take such files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsconv_cli.model.graph.analysis import load
from dsconv_cli.model.graph.saving import as_it_is, images, outputs_of, with_pairs
from dsconv_cli.model.graph.shapes import inputs_of
from dsconv_cli.timing.worker.answers import Graph

if TYPE_CHECKING:
    from dsconv_cli.model.timing import ExportNetwork


def export_graph(job: ExportNetwork) -> Mapping[str, Graph]:
    """Under "ordinary" the file, under "separable" the one with the layers of `job` replaced.

    Raises:
        DsconvError: the file is not to be believed, or a replaced layer has no finite weights.
        CannotMeasureError: it cannot be run.
    """
    graph = load(job.recipe)
    given = images(inputs_of(graph, job.recipe.inputs))
    contents = {"ordinary": as_it_is(graph), "separable": with_pairs(graph, dict(job.replaced))}
    return {name: Graph(content, given, tuple(outputs_of(content, given))) for name, content in contents.items()}

"""A network, as it is and with layers replaced, as ONNX files by torch's exporter, for runtimes that take those."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves

from dsconv_cli.errors import CannotMeasureError, need
from dsconv_cli.model.foreign import describe, foreign
from dsconv_cli.model.inputs import CPU, call_of
from dsconv_cli.model.replacing import pairs_for
from dsconv_cli.model.target import load
from dsconv_cli.timing.worker.answers import Graph

if TYPE_CHECKING:
    from dsconv_cli.model.timing import ExportNetwork
    from dsconv_cli.model.walk import Call


def export_network(job: ExportNetwork) -> Mapping[str, Graph]:
    """Under "ordinary" the network as it is, under "separable" the replaced one.

    Raises:
        CannotMeasureError: torch cannot write it as ONNX, which it does with the package onnx.
    """
    need("onnx")
    with foreign(job.recipe.target):
        source, inputs = load(job.recipe)
        pairs = pairs_for(source.original(CPU), dict(job.replaced), CPU)
        networks = {"ordinary": source.copy(CPU), "separable": source.copy(CPU, pairs)}
        return {name: graph_of(one, call_of(source, inputs, one, CPU)) for name, one in networks.items()}


def graph_of(network: torch.nn.Module, call: Call) -> Graph:
    """`network` as an ONNX file, for inputs of the shapes in `call`, and what it gives for them.

    By tracing: the other way of exporting needs onnxscript too.

    Raises:
        CannotMeasureError: torch cannot write it.
    """
    args, kwargs = call
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    names = [f"input{place}" for place in range(len(given))]
    file = io.BytesIO()
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            # It says of itself that it is old, and of each value that it takes for constant.
            warnings.simplefilter("ignore")
            outputs = [one for one in tree_leaves(network(*args, **kwargs)) if isinstance(one, torch.Tensor)]
            torch.onnx.export(network, args, file, kwargs=kwargs or None, dynamo=False, input_names=names)  # type: ignore[arg-type]
    except Exception as error:
        raise CannotMeasureError(f"torch cannot write the network as ONNX: {describe(error)}") from error
    return Graph(file.getvalue(), dict(zip(names, map(_array, given), strict=True)), tuple(map(_array, outputs)))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()

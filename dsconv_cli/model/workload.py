"""The torch side of timing a whole network: runs in a fresh process, as a single layer's does.

Torch's runtimes are given modules, the others ONNX files by torch's exporter.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dsconv_cli.errors import CannotMeasureError, need
from dsconv_cli.model.foreign import blaming, describe, foreign
from dsconv_cli.model.inputs import CPU, Inputs, call_of
from dsconv_cli.model.replacing import pairs_for
from dsconv_cli.model.source import Source
from dsconv_cli.model.target import load
from dsconv_cli.model.timing import ExportNetwork, MeasureNetwork
from dsconv_cli.model.walk import Call, tensors_in
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.worker.answers import Conditions, Graph, Sample
from dsconv_cli.timing.worker.devices import Work
from dsconv_cli.timing.worker.process import ready, sample_watched


def measure_network(job: MeasureNetwork) -> Sample:
    """One process's measurement: the network under "ordinary", the replaced one under "separable".

    Raises:
        CannotMeasureError: torch cannot run it.
    """
    # Building computes, and must not start the threads that timing will not use.
    torch.set_num_threads(job.conditions.threads)
    torch.set_flush_denormal(True)
    try:
        with foreign(job.recipe.target):
            works = _works(job)
            with ready(job.conditions) as device:
                started = time.perf_counter()
                # What compiles does so at its first call.
                for work in works.values():
                    work()
                built_s = time.perf_counter() - started
                return sample_watched(device, works, job.conditions, job.schedule, built_s)
    except (RuntimeError, MemoryError) as error:
        raise CannotMeasureError(
            f"torch could not run the network on {job.conditions.device}: {describe(error)}"
        ) from error


def export_network(job: ExportNetwork) -> Mapping[str, Graph]:
    """Under "ordinary" the network as it is, under "separable" the replaced one, as ONNX files.

    Raises:
        CannotMeasureError: torch cannot write it as ONNX, which it does with the package onnx.
    """
    need("onnx")
    with foreign(job.recipe.target):
        source, inputs, networks = _networks(job)
        return {name: graph_of(one, call_of(source, inputs, one, CPU)) for name, one in networks.items()}


def graph_of(network: nn.Module, call: Call) -> Graph:
    """`network` as an ONNX file, for inputs of the shapes in `call`, and what it gives for them.

    By tracing: the other way of exporting needs onnxscript too.

    Raises:
        CannotMeasureError: torch cannot write it.
    """
    args, kwargs = call
    given = tensors_in(call)
    names = [f"input{place}" for place in range(len(given))]
    file = io.BytesIO()
    # Its warnings go nowhere: it says of itself that it is old, and of each value that it takes for constant.
    with blaming("torch cannot write the network as ONNX", ": "), torch.inference_mode():
        outputs = tensors_in(network(*args, **kwargs))
        torch.onnx.export(network, args, file, kwargs=kwargs or None, dynamo=False, input_names=names)  # type: ignore[arg-type]
    return Graph(file.getvalue(), dict(zip(names, map(_array, given), strict=True)), tuple(map(_array, outputs)))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _networks(job: MeasureNetwork | ExportNetwork) -> tuple[Source, Inputs, dict[str, nn.Module]]:
    source, inputs = load(job.recipe)
    pairs = pairs_for(source.original(CPU), dict(job.replaced), CPU)
    return source, inputs, {"ordinary": source.copy(CPU), "separable": source.copy(CPU, pairs)}


def _works(job: MeasureNetwork) -> dict[str, Work]:
    source, inputs, networks = _networks(job)
    return {name: _call(_placed(network, job.conditions), source, inputs, job) for name, network in networks.items()}


def _placed(network: nn.Module, conditions: Conditions) -> nn.Module:
    placed: Any = network.to(conditions.device)
    return placed.to(memory_format=torch.channels_last) if conditions.channels_last else placed  # type: ignore[no-any-return]


def _call(network: nn.Module, source: Source, inputs: Inputs, job: MeasureNetwork) -> Work:
    args, kwargs = call_of(source, inputs, network, job.conditions.device)
    if job.conditions.channels_last:
        args = tuple(_channels_last(one) for one in args)
        kwargs = {name: _channels_last(one) for name, one in kwargs.items()}
    ready_to_run = RUNTIMES[job.conditions.runtime].module
    assert ready_to_run is not None
    run = ready_to_run(network)
    return lambda: run(*args, **kwargs)


def _channels_last(value: Any) -> Any:
    image = isinstance(value, torch.Tensor) and value.dim() == 4
    return value.to(memory_format=torch.channels_last) if image else value

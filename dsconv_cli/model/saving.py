"""The converted network as a file's content, read back and run once before anyone writes it.

`.onnx` and `.pt2` hold the network, `.safetensors` its weights by name.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import torch
from torch import nn

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.model import tensors_file
from dsconv_cli.model.converting import Weights, build_separated
from dsconv_cli.model.foreign import blaming
from dsconv_cli.model.inputs import CPU, Inputs, call_of
from dsconv_cli.model.result import ModelResult
from dsconv_cli.model.save_kinds import most_apart
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source
from dsconv_cli.model.walk import Call, tensors_in


def saved(
    ending: str, result: ModelResult, source: Source, inputs: Inputs, weights: Weights = "fit"
) -> tuple[bytes, ModelResult]:
    """The network of `source`, in evaluation mode, with the layers replaced that `result` says, as a file's content.

    Their weights are those of the best separable pair for the layer's own, or refitted: see `dsconv_cli.separate`. Then
    the layers of the result that comes back know how much of their outputs is kept on what they see.

    Raises:
        DsconvError: a replaced layer has no weights, or there are no tensors to refit by.
        CannotMeasureError: torch cannot write it, or what was written cannot be read back, or computes something else.
    """
    chosen = {layer.name: layer.spec for layer in result.replaced if layer.spec is not None}
    network = build_separated(source, chosen, weights, inputs)
    if source.dtype is not None:
        network.to(source.dtype)
    if not hasattr(network, "type_name"):
        network.eval()
    kept = {name: getattr(network.get_submodule(name), "output_fidelity", None) for name in chosen}
    layers = tuple(replace(one, output_fidelity=kept.get(one.name)) for one in result.layers)
    kind = _KINDS[ending]
    call = call_of(source, inputs, network, CPU)
    with torch.no_grad():
        with blaming(f"{source.name} with its layers replaced could not be run", ": "):
            wanted = _outputs(network, call)
        with blaming(f"{source.name} could not be written as {ending}", ": "):
            content = kind.write(network, call)
        with blaming(f"{source.name} was written as {ending} and could not be read back", ": "):
            found = kind.run(content, network, call)
    _check_equal(found, wanted, f"{source.name} as {ending}")
    return content, replace(result, layers=layers)


def _outputs(network: Callable[..., Any], call: Call) -> list[torch.Tensor]:
    args, kwargs = call_copied(call)
    return tensors_in(seeded(lambda: network(*args, **kwargs)))


def call_copied(call: Call) -> Call:
    """The same arguments once more: a forward pass may write to its inputs."""
    from torch.utils._pytree import tree_map

    copied: Call = tree_map(lambda one: one.clone() if isinstance(one, torch.Tensor) else one, call)
    return copied


def _check_equal(found: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor], what: str) -> None:
    if len(found) != len(wanted):
        raise CannotMeasureError(f"{what} gives {len(found)} tensors where the network gives {len(wanted)}; not saved")
    for one, other in zip(found, wanted, strict=True):
        reach = float(other.abs().max()) if other.numel() else 0.0
        same = one.shape == other.shape and torch.allclose(
            one.double(), other.double(), rtol=0, atol=most_apart(reach), equal_nan=True
        )
        if not same:
            raise CannotMeasureError(f"{what} computes something else than the network; not saved")


def _write_onnx(network: nn.Module, call: Call) -> bytes:
    from dsconv_cli.model.graph.reading import MOST_BYTES

    args, kwargs = call_copied(call)
    program: Any = torch.onnx.export(network, args, kwargs=dict(kwargs), dynamo=True, verbose=False)
    proto = program.model_proto
    if proto.ByteSize() > MOST_BYTES:
        raise CannotMeasureError("an .onnx file holds at most 2 GiB; save it as .pt2 or .safetensors")
    return bytes(proto.SerializeToString())


def _run_onnx(content: bytes, _network: nn.Module, call: Call) -> list[torch.Tensor]:
    from dsconv_cli.model.graph.saving import session_of

    given = [one.detach().numpy() for one in tensors_in(call_copied(call))]
    session, names = session_of(content)
    return [torch.as_tensor(one) for one in session.run(None, dict(zip(names, given, strict=True)))]


def _write_pt2(network: nn.Module, call: Call) -> bytes:
    args, kwargs = call_copied(call)
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(network, args, dict(kwargs)), buffer)
    return buffer.getvalue()


def _run_pt2(content: bytes, _network: nn.Module, call: Call) -> list[torch.Tensor]:
    return _outputs(torch.export.load(io.BytesIO(content)).module(), call)


def _write_tensors(network: nn.Module, _call: Call) -> bytes:
    return tensors_file.written(network.state_dict())


def _run_tensors(content: bytes, network: nn.Module, call: Call) -> list[torch.Tensor]:
    """With every weight put in anew, over zeros."""
    for tensor in network.state_dict().values():
        tensor.zero_()
    network.load_state_dict(tensors_file.read(content))
    return _outputs(network, call)


class _Kind(NamedTuple):
    """A kind of file: what writes a network that is called so, and what runs that again."""

    write: Callable[[nn.Module, Call], bytes]
    run: Callable[[bytes, nn.Module, Call], list[torch.Tensor]]


_KINDS: Final[Mapping[str, _Kind]] = {
    ".onnx": _Kind(_write_onnx, _run_onnx),
    ".pt2": _Kind(_write_pt2, _run_pt2),
    ".safetensors": _Kind(_write_tensors, _run_tensors),
}

"""A network before and after: walk it, choose, build the replaced one, walk that too, and hold it to the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils._pytree import tree_map

from dsconv_cli.counting.modules import separable_conv2d
from dsconv_cli.environment import distribution_of
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model.choose import check_globs, decide, why_kept
from dsconv_cli.model.copying import copy_module
from dsconv_cli.model.foreign import describe, foreign
from dsconv_cli.model.inputs import CPU, META, Call, Inputs, inputs_of, seeded, shapes_of
from dsconv_cli.model.layers import (
    Conv,
    Network,
    conv_of,
    layers_of,
    spec_of,
    total_params,
    type_of,
    why_not_by_itself,
)
from dsconv_cli.model.result import BeforeAfter, InputShape, Layer, ModelResult, Selection
from dsconv_cli.model.source import Source, a, check_call, first_dtype, source_of
from dsconv_cli.model.walk import Walk, walk


def analyse(
    model: nn.Module | ExportedProgram,
    inputs: Any,
    *,
    keep: Sequence[str] = (),
    only: Sequence[str] = (),
    min_ratio: float | None = None,
    depth_multiplier: int = 1,
    target_macs: int | None = None,
    target_params: int | None = None,
) -> ModelResult:
    """What `dsconv model` prints: every layer, what can be replaced, and the totals before and after.

    Counts are those of one forward pass in evaluation mode.

    Args:
        model: a module, which is left exactly as it is, or an exported program.
        inputs: a shape such as (1, 3, 224, 224), a tensor, several of them in a list, or a dict by name.
        keep: globs of layers that are not replaced; `*` crosses dots.
        only: globs of the only layers that may be replaced.
        min_ratio: the least ratio of MACs (ordinary ÷ separable) for which a layer is replaced.
        depth_multiplier: depthwise filters for each input channel.
        target_macs: replace the fewest layers with which the network has at most as many MACs.
        target_params: the same for parameters.

    Raises:
        DsconvError: no module, no convolution in it, inputs it does not take, a glob that matches nothing.
        CannotMeasureError: the network cannot be run, a target cannot be reached, or the counts disagree.
    """
    selection = Selection(tuple(keep), tuple(only), min_ratio, depth_multiplier, target_macs, target_params)
    return analyse_source(source_of(model), inputs_of(inputs), selection)


def separate(
    model: nn.Module | ExportedProgram,
    inputs: Any = None,
    *,
    keep: Sequence[str] = (),
    only: Sequence[str] = (),
    min_ratio: float | None = None,
    depth_multiplier: int = 1,
    target_macs: int | None = None,
    target_params: int | None = None,
) -> nn.Module:
    """A new model in which the eligible convolutions are depthwise separable; `model` stays as it is.

    Each one becomes a `torch.nn.Sequential` of `depthwise` and `pointwise`, freshly initialised, with the same output
    shape; a bias goes to the pointwise half. Everything else is copied with its values.

    Args:
        model: a module or an exported program.
        inputs: as for `analyse`. Without them the network is not run, so that layers which are never called or called
            several times are replaced too, and targets cannot be used.
        keep: see `analyse`, as for the others.
        only: globs of the only layers that may be replaced.
        min_ratio: the least ratio of MACs.
        depth_multiplier: depthwise filters for each input channel.
        target_macs: needs `inputs`.
        target_params: needs `inputs`.

    Raises:
        DsconvError: as for `analyse`.
        CannotMeasureError: as for `analyse`.
    """
    selection = Selection(tuple(keep), tuple(only), min_ratio, depth_multiplier, target_macs, target_params)
    source = source_of(model)
    if inputs is not None:
        chosen = {layer.name: layer.spec for layer in analyse_source(source, inputs_of(inputs), selection).replaced}
    elif target_macs is not None or target_params is not None:
        raise DsconvError("a target needs inputs: the totals are not known before the network has run")
    else:
        chosen = _chosen_unseen(source, selection)
    return build_separated(source, chosen)


def build_separated(source: Source, chosen: Mapping[str, ConvSpec | None]) -> nn.Module:
    """The network of `source` where it is, in its own mode, with the layers of `chosen` replaced."""
    base = source.original(CPU)
    swap = {}
    for name, spec in chosen.items():
        old = base.get_submodule(name)
        conv = conv_of(old)
        assert conv is not None
        assert spec is not None
        swap[old] = pair_for(conv, spec, str(conv.device))
    with source.untouched(), foreign(source.name):
        return copy_module(base, None, swap)


def pair_for(conv: Conv, spec: ConvSpec, device: str) -> nn.Sequential:
    """The depthwise separable pair that stands for `conv`, in its mode and with its way of padding."""
    pair = separable_conv2d(spec, device=device)
    # torch prepares every convolution for every way of padding, and looks at this name when it is called.
    depthwise = pair[0]
    assert isinstance(depthwise, nn.Conv2d)
    depthwise.padding_mode = conv.padding_mode  # type: ignore[assignment]
    return pair.train(conv.training)


def analyse_source(source: Source, inputs: Inputs, selection: Selection) -> ModelResult:
    """`analyse` for a network that may still have to be built."""
    with source.untouched(), foreign(source.name):
        ran = _run_somewhere(source, inputs)
        layers = layers_of(ran.network, ran.walk, selection.depth_multiplier)
        params = total_params(ran.network.module)
        _check_has_convolution(layers, source)
        _check_sum("MACs", sum(layer.macs for layer in layers), ran.walk.total_macs)
        decided = decide(layers, selection, params=params, macs=ran.walk.total_macs)
        layers = tuple(_decided(layer, decided) for layer in layers)
        after = _run_replaced(source, inputs, ran, layers)
    return ModelResult(
        target=source.name,
        type=type_of(ran.network.module),
        device=ran.device,
        not_on_meta=ran.not_on_meta,
        inputs=ran.inputs,
        outputs=ran.walk.outputs,
        layers=layers,
        params=BeforeAfter(params, after.params),
        macs=BeforeAfter(ran.walk.total_macs, after.macs),
        other_params=params - sum(layer.params for layer in layers),
        selection=selection,
        notes=_notes(ran, layers, source.not_built_on_meta),
        counters=(distribution_of("torch"),),
    )


@dataclass(frozen=True, slots=True)
class _Ran:
    """The network as it is, run once."""

    network: Network
    walk: Walk
    device: str
    not_on_meta: str | None
    inputs: tuple[InputShape, ...]


@dataclass(frozen=True, slots=True)
class _Totals:
    params: int
    macs: int


def _run_somewhere(source: Source, inputs: Inputs) -> _Ran:
    """On the meta device, where nothing is computed; where the network does not allow that, on the CPU."""
    try:
        return _run(source, inputs, META, None)
    except DsconvError as error:
        if error.exit_code == 2:
            raise
        why = describe(error.__cause__) if error.__cause__ is not None else str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, the CPU is the judge
        why = describe(error)
    try:
        return _run(source, inputs, CPU, why)
    except DsconvError:
        raise
    except (Exception, SystemExit) as error:
        call = _given(source, inputs).on(META, source.dtype or torch.float32)
        shapes = ", ".join(_described(one) for one in shapes_of(call))
        raise CannotMeasureError(
            f"{source.name}: its forward pass raised {describe(error)} (it was given {shapes or 'no input'})"
        ) from error


def _run(source: Source, inputs: Inputs, device: str, not_on_meta: str | None) -> _Ran:
    module = source.copy(device)
    call = call_of(source, inputs, module, device)
    check_call(module, *call)
    walked = seeded(lambda: walk(module, call, shapes_only=device == META))
    return _Ran(Network.of(module), walked, device, not_on_meta, shapes_of(call))


def call_of(source: Source, inputs: Inputs, module: nn.Module, device: str) -> Call:
    """The arguments for `module`, made of `inputs` or, where there are none, of those that the source brings along.

    Raises:
        DsconvError: there are none.
    """
    given = _given(source, inputs)
    return seeded(lambda: given.on(device, first_dtype(module)))


def _run_replaced(source: Source, inputs: Inputs, ran: _Ran, layers: Sequence[Layer]) -> _Totals:
    """Really build the replaced network and run it; its totals must be what the closed forms say.

    Raises:
        CannotMeasureError: it cannot be run, its outputs have other shapes, or its totals are others.
    """
    chosen = [layer for layer in layers if layer.replaced]
    swap = seeded(lambda: {layer.name: _pair_on(ran, layer) for layer in chosen})
    try:
        module = source.copy(ran.device, swap)
        call = call_of(source, inputs, module, ran.device)
        walked = seeded(lambda: walk(module, call, shapes_only=ran.device == META))
    except (Exception, SystemExit) as error:
        raise CannotMeasureError(
            f"the network with {_many(len(chosen), 'layer')} replaced does not run: {describe(error)}; "
            "--keep leaves out the layer that it means"
        ) from error
    if walked.outputs != ran.walk.outputs:
        raise CannotMeasureError(
            f"shapes disagree: the network gives {_listed(ran.walk.outputs)}, "
            f"with {_many(len(chosen), 'layer')} replaced {_listed(walked.outputs)}"
        )
    totals = _Totals(total_params(module), walked.total_macs)
    before = _Totals(total_params(ran.network.module), ran.walk.total_macs)
    for metric, unit in (("params", "parameters"), ("macs", "MACs")):
        expected = getattr(before, metric) - sum(getattr(layer.saving, metric) for layer in chosen)
        if getattr(totals, metric) != expected:
            raise CannotMeasureError(
                f"counters disagree: the replaced network has {getattr(totals, metric):,} {unit}, "
                f"by the closed forms {expected:,}"
            )
    return totals


def _pair_on(ran: _Ran, layer: Layer) -> nn.Sequential:
    conv = conv_of(ran.network.names[layer.name])
    assert conv is not None
    assert layer.spec is not None
    return pair_for(conv, layer.spec, ran.device)


def _decided(layer: Layer, decided: Mapping[str, str | None]) -> Layer:
    if not layer.eligible:
        return layer
    return replace(layer, kept=decided[layer.name], replaced=decided[layer.name] is None)


def _chosen_unseen(source: Source, selection: Selection) -> dict[str, ConvSpec | None]:
    """What would be chosen, from the modules alone. The least ratio of MACs does not depend on the input's size."""
    network = Network.of(source.original(CPU))
    layers = []
    for name, module in network.names.items():
        conv = conv_of(module)
        if conv is None or why_not_by_itself(network, name) is not None:
            continue
        height, width = (d * (size - 1) + 1 for d, size in zip(conv.dilation, conv.kernel, strict=True))
        spec = spec_of(conv, (1, conv.in_channels, height, width), selection.depth_multiplier)
        if spec is not None:
            layers.append(Layer(name, type(module).__name__, "convolution", 0, 0, 0, eligible=True, spec=spec))
    check_globs([layer.name for layer in layers], selection)
    kept = why_kept(layers, selection)
    return {layer.name: layer.spec for layer in layers if kept[layer.name] is None}


def _check_has_convolution(layers: Sequence[Layer], source: Source) -> None:
    if not any(layer.operator == "convolution" for layer in layers):
        others = f" (it has {_many(len(layers), 'other layer')} with MACs)" if layers else ""
        raise DsconvError(f"{source.name} has no convolution{others}: there is nothing to replace")


def _check_sum(unit: str, found: int, total: int) -> None:
    if found != total:
        raise CannotMeasureError(f"counters disagree: the layers have {found:,} {unit}, torch counts {total:,} in all")


def _notes(ran: _Ran, layers: Sequence[Layer], not_built_on_meta: str | None) -> tuple[str, ...]:
    notes = []
    if not_built_on_meta is not None:
        notes.append(f"built on the CPU, for the meta device does not do: {not_built_on_meta}")
    if ran.not_on_meta is not None:
        notes.append(f"run on the CPU, for the meta device does not do: {ran.not_on_meta}")
    kind, count = ran.walk.output_type, len(ran.walk.outputs)
    if count == 0:
        notes.append(f"the network returns {a(kind)} without a tensor, so that there is no output shape to check")
    elif kind != "Tensor":
        checked = f"shapes of its {count} tensors are" if count > 1 else "shape of its one tensor is"
        notes.append(f"the network returns {a(kind)}; the {checked} checked")
    worse = [layer for layer in layers if layer.replaced and layer.saving.macs < 0]
    if worse:
        notes.append(
            f"{_many(len(worse), 'replaced layer')} with more MACs than before; --min-ratio 1 leaves such layers out"
        )
    if not any(layer.eligible for layer in layers):
        notes.append("no convolution of this network can be replaced; the last column says why")
    if any(isinstance(module, torch.jit.ScriptModule) for module in ran.network.names.values()):
        notes.append("TorchScript hides its layers: what they compute is counted where they are called from")
    return tuple(notes)


def _given(source: Source, inputs: Inputs) -> Inputs:
    """`inputs`, or where there are none those that the source brings along, in the dtype that was asked for."""
    if inputs.args or inputs.kwargs:
        return inputs
    if source.example is None:
        raise DsconvError(f"{source.name} needs inputs, such as --input 1,3,224,224")

    def converted(value: Any) -> Any:
        floating = isinstance(value, torch.Tensor) and value.dtype.is_floating_point
        return value.to(source.dtype) if floating and source.dtype is not None else value

    args, kwargs = tree_map(converted, source.example)
    return Inputs(tuple(args), dict(kwargs))


def _described(one: InputShape) -> str:
    return f"{one.dtype} {'x'.join(map(str, one.shape)) or 'scalar'}"


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes) or "nothing"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

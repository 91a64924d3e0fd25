"""A network before and after: walk it, choose, build the replaced one, walk that too, and hold it to the arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from torch import nn
from torch.export import ExportedProgram

from dsconv_cli.environment import distribution_of
from dsconv_cli.errors import CannotMeasureError, DsconvError, quoted
from dsconv_cli.model import notes
from dsconv_cli.model.choose import decide
from dsconv_cli.model.converting import Weights, build_separated, weight_of
from dsconv_cli.model.convolutions import conv_of, spec_of
from dsconv_cli.model.foreign import foreign
from dsconv_cli.model.inputs import CPU, Inputs, inputs_of
from dsconv_cli.model.layers import layers_of
from dsconv_cli.model.network import Network, type_of
from dsconv_cli.model.reasons import FAILS, why_not_by_itself
from dsconv_cli.model.result import BeforeAfter, Layer, ModelResult, Selection
from dsconv_cli.model.source import Source, source_of
from dsconv_cli.model.spectra import notes_on_weights, with_spectra
from dsconv_cli.model.trial import Failure, Ran, Trials, run_somewhere
from dsconv_cli.numbers import many


def separate(
    model: nn.Module | ExportedProgram,
    inputs: Any = None,
    selection: Selection = Selection(),  # noqa: B008  frozen
    *,
    weights: Weights = "fresh",
) -> nn.Module:
    """A new model in which the eligible convolutions are depthwise separable; `model` stays as it is.

    Each one becomes a `torch.nn.Sequential` of `depthwise` and `pointwise` with the same output shape; a bias goes to
    the pointwise half. It answers for the convolution it replaces: `stride`, `weight.dtype` and the like are what they
    were. Everything else is copied with its values.

    Args:
        model: a module or an exported program.
        inputs: as for `analyse`. Without them the network is not run, so that layers are replaced too which are never
            called or whose weight is used elsewhere, and targets cannot be used.
        selection: as for `analyse`.
        weights: "fresh" ones, drawn as torch draws them; "fit", those of the best separable pair for the layer's own
            weights (with a depth multiplier of min(K, R·S) the outputs stay what they are), and its bias; or "refit",
            the same with the pointwise half by least squares on what each layer sees when `model` is run on `inputs`,
            which are then tensors. A fitted layer has `fidelity`, a refitted one `output_fidelity` as well.

    Raises:
        DsconvError: as for `analyse`; or a layer has no finite weights to fit, or "refit" no tensors to go by.
        CannotMeasureError: as for `analyse`.

    Example:
        >>> from torch import nn
        >>> from dsconv_cli import Selection, separate
        >>> network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3))
        >>> separate(network, selection=Selection(keep=("0",)))
        Sequential(
          (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
          (1): ReLU()
          (2): SeparablePair(
            (depthwise): Conv2d(16, 16, kernel_size=(3, 3), stride=(1, 1), groups=16, bias=False)
            (pointwise): Conv2d(16, 32, kernel_size=(1, 1), stride=(1, 1))
          )
        )
    """
    if weights not in get_args(Weights):
        kinds = ", ".join(map(repr, get_args(Weights)))
        raise DsconvError(f"`weights` must be one of {kinds}, not {quoted(weights)}")
    source, given = source_of(model), inputs_of(inputs)
    if inputs is not None:
        layers: Sequence[Layer] = analyse_source(source, given, selection).replaced
    elif selection.target_macs is not None or selection.target_params is not None:
        raise DsconvError("a target needs `inputs`: the totals are not known before the network has run")
    else:
        layers = _chosen_unseen(source, selection)
    chosen = {layer.name: layer.spec for layer in layers if layer.spec is not None}
    return build_separated(source, chosen, weights, given)


def analyse_source(source: Source, inputs: Inputs, selection: Selection, *, fidelity: bool = False) -> ModelResult:
    """`dsconv_cli.analyse` for a network that may still have to be built."""
    with source.untouched(), foreign(source.name):
        ran = run_somewhere(source, inputs)
        layers = tuple(layers_of(ran.network, ran.walk, selection.multiplier))
        _check_has_convolution(layers, source)
        _check_sum(layers, ran)
        untrained = False
        if fidelity or selection.needs_weights:
            layers, untrained = _decomposed(source, layers)
        (decided, gap), guilty, failure = _replaced(ran, layers, selection, Trials(source, inputs, ran))
    before, after = ran.totals, ran.totals_without([layer for layer in decided if layer.replaced])
    return ModelResult(
        target=source.name,
        type=type_of(ran.network.module),
        device=ran.device,
        not_on_meta=ran.not_on_meta,
        inputs=ran.inputs,
        outputs=ran.walk.outputs,
        layers=decided,
        params=BeforeAfter(before.params, after.params),
        macs=BeforeAfter(before.macs, after.macs),
        other_params=before.params - sum(layer.params for layer in layers),
        selection=selection,
        after_counted=failure is None,
        uncounted=tuple(dict.fromkeys(name for name, _ in ran.walk.uncounted)),
        notes=(
            *notes.about(ran, decided, source.not_built_on_meta, guilty, failure),
            *notes_on_weights(decided, gap, untrained=untrained),
        ),
        counters=(distribution_of("torch"),),
        weight_bytes=BeforeAfter(before.weight_bytes, after.weight_bytes),
    )


def _decomposed(source: Source, layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], bool]:
    """`layers` with the spectra of those that are eligible, and whether all these weights look untrained."""
    base = source.original(CPU)
    weights = {layer.name: weight_of(base.get_submodule(layer.name)) for layer in layers if layer.eligible}
    return with_spectra(layers, {name: weight for name, weight in weights.items() if weight is not None})


def _replaced(
    ran: Ran, layers: Sequence[Layer], selection: Selection, trials: Trials
) -> tuple[tuple[tuple[Layer, ...], float], dict[str, Failure], Failure | None]:
    """Choose, and really build and run the network with the chosen layers replaced; leave those that do not go.

    What was decided; what was wrong with layers that are left as they are for it; and what is still wrong with the rest
    together: then the totals are those of the closed forms alone.
    """
    guilty: dict[str, Failure] = {}
    while True:
        spared = [replace(one, eligible=False, reason=FAILS) if one.name in guilty else one for one in layers]
        decision = decide(spared, selection, params=ran.totals.params, macs=ran.totals.macs)
        chosen = [layer for layer in decision[0] if layer.replaced]
        failure = trials.failure(chosen)
        found = trials.guilty(chosen) if failure is not None and trials.blames_layers(failure) else {}
        if not found:
            return decision, guilty, failure
        guilty |= found


def _chosen_unseen(source: Source, selection: Selection) -> list[Layer]:
    """What would be chosen, from the modules alone. The least ratio of MACs does not depend on the input's size."""
    network = Network.of(source.original(CPU))
    layers = []
    for name, module in network.names.items():
        conv = conv_of(module)
        if conv is None or why_not_by_itself(network, name) is not None:
            continue
        height, width = (d * (size - 1) + 1 for d, size in zip(conv.dilation, conv.kernel_size, strict=True))
        spec = spec_of(conv, (1, conv.in_channels, height, width), selection.multiplier)
        if spec is not None:
            layers.append(Layer(name, type(module).__name__, "convolution", 0, 0, 0, eligible=True, spec=spec))
    known = _decomposed(source, layers)[0] if selection.needs_weights else layers
    decided, _ = decide(known, selection, params=0, macs=0)
    return [layer for layer in decided if layer.replaced]


def _check_has_convolution(layers: Sequence[Layer], source: Source) -> None:
    if not any(layer.operator == "convolution" for layer in layers):
        others = f" (it has {many(len(layers), 'other layer')} with MACs)" if layers else ""
        raise DsconvError(f"{source.name} has no convolution{others}: there is nothing to replace")


def _check_sum(layers: Sequence[Layer], ran: Ran) -> None:
    found = sum(layer.macs for layer in layers)
    if found != ran.walk.total_macs:
        raise CannotMeasureError(
            f"counters disagree: the layers have {found:,} MACs, torch counts {ran.walk.total_macs:,} in all"
        )

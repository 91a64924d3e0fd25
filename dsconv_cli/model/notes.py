"""What has to be said beside a network's figures, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Final

import torch

from dsconv_cli.model.result import Layer
from dsconv_cli.model.source import a
from dsconv_cli.model.trial import Failure, Ran
from dsconv_cli.numbers import many
from dsconv_cli.text import some

#: Characters of somebody else's message that a note repeats.
_LONGEST: Final = 100
_NAMED: Final = 5

#: What people write where torch's own operator has another name.
_READ_BY: Final = {"aten::_local_scalar_dense": "item", "aten::index": "a mask", "aten::nonzero": "nonzero"}


def about(
    ran: Ran,
    layers: Sequence[Layer],
    not_built_on_meta: str | None,
    guilty: Mapping[str, Failure],
    failure: Failure | None,
) -> tuple[str, ...]:
    """The notes on a network that `ran`, in which the `guilty` are left as they are and `failure` remained."""
    replaced = [layer for layer in layers if layer.replaced]
    return (
        *_where(ran, not_built_on_meta),
        *_values(ran, failure),
        *_uncounted(ran),
        *_failed(guilty, failure, len(replaced), looks=bool(ran.walk.looks)),
        *_outputs(ran),
        *_layers(layers, replaced),
        *_hidden(ran, layers),
    )


def _where(ran: Ran, not_built_on_meta: str | None) -> Iterator[str]:
    if not_built_on_meta is not None:
        yield f"built on the CPU, because it cannot be built on the meta device: {_short(not_built_on_meta)}"
    if ran.not_on_meta is not None:
        yield f"run on the CPU, because it does not run on the meta device: {_short(ran.not_on_meta)}"


def _values(ran: Ran, failure: Failure | None) -> Iterator[str]:
    """That the figures are one case of many."""
    looks = ran.walk.looks
    unseen = ran.device == "cpu" and failure is not None and failure.error is None
    if not looks and not unseen:
        return
    depends = "what this network computes depends on values"
    if not unseen and "surely" not in looks.values():
        depends = f"perhaps {depends}"
    how = f" (it looks at some by {some([_READ_BY.get(name, name) for name in looks], _NAMED)})" if looks else ""
    after = ", and those after are from formulas" if failure is not None else ""
    yield f"{depends}{how}: its figures are those of one input{after}"


def _uncounted(ran: Ran) -> Iterator[str]:
    names = {id(module): name for name, module in ran.network.names.items()}
    for operator in dict.fromkeys(name for name, _ in ran.walk.uncounted):
        users = dict.fromkeys(names.get(key, "") for name, key in ran.walk.uncounted if name == operator)
        where = some([name or "the network itself" for name in users], _NAMED)
        yield f"not counted, because no formula for it is known: {operator}, which computes with a weight (in {where})"


def _failed(guilty: Mapping[str, Failure], failure: Failure | None, replaced: int, *, looks: bool) -> Iterator[str]:
    """Which layers are left as they are since the network fails without them, and what failed after all."""
    by_text: dict[str, list[str]] = {}
    for name, one in guilty.items():
        by_text.setdefault(one.text, []).append(name)
    for text, names in by_text.items():
        them = "it" if len(names) == 1 else "them"
        yield f"{some(names, _NAMED)} cannot be replaced: without {them} the network {_short(text)}"
    if failure is not None and not (looks and failure.error is None):
        yield (
            f"with {many(replaced, 'layer')} replaced the network {_short(failure.text)}; "
            "the figures after are from formulas"
        )


def _outputs(ran: Ran) -> Iterator[str]:
    kind, count = ran.walk.output_type, len(ran.walk.outputs)
    if count == 0:
        yield f"the network returns {a(kind)} without a tensor, so there is no output shape to check"
    elif kind != "Tensor":
        checked = f"shapes of its {count} tensors are" if count > 1 else "shape of its one tensor is"
        yield f"the network returns {a(kind)}; the {checked} checked"


def _layers(layers: Sequence[Layer], replaced: Sequence[Layer]) -> Iterator[str]:
    worse = [layer for layer in replaced if layer.saving.macs < 0]
    if worse:
        told = f"{many(len(worse), 'replaced layer')} with more MACs than before"
        yield f"{told}; `min_ratio` 1 keeps such layers as they are"
    if not any(layer.eligible for layer in layers):
        yield "no convolution of this network can be replaced; the last column says why"


def _hidden(ran: Ran, layers: Sequence[Layer]) -> Iterator[str]:
    if any(isinstance(module, torch.jit.ScriptModule) for module in ran.network.names.values()):
        yield "TorchScript hides its layers: what they compute is counted where they are called from"
    if any(layer.reason == "quantised" for layer in layers):
        yield "weights of quantised layers are packed: torch does not list them, so they are not counted as parameters"


def _short(said: str) -> str:
    """The first sentence of a message that may be a page of advice."""
    return shorten(said.split(". ", 1)[0], _LONGEST, placeholder="…").rstrip(".")

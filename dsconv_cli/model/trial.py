"""The network run as it is, and again with layers really replaced: whether it runs, and counts what it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from torch import nn
from torch.nn.parameter import UninitializedParameter

from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.model.foreign import describe, foreign
from dsconv_cli.model.inputs import CPU, META, Inputs, call_of, shapes_of
from dsconv_cli.model.network import Network, bytes_of
from dsconv_cli.model.replacing import pairs_for
from dsconv_cli.model.result import InputShape, Layer, Totals
from dsconv_cli.model.seeds import seeded
from dsconv_cli.model.source import Source, check_call
from dsconv_cli.model.walk import Call, Shape, Walk, walk
from dsconv_cli.numbers import by

#: How often the network is run at most to find the layers that it does not run without.
_MOST_TRIALS: Final = {META: 64, CPU: 16}

#: What Python says to a program that wants a thing to be another.
_WRONG_KIND: Final = (AttributeError, IndexError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class Ran:
    """The network as it is, run once; `not_on_meta` says why not on the meta device."""

    network: Network
    walk: Walk
    device: str
    not_on_meta: str | None
    inputs: tuple[InputShape, ...]

    @property
    def totals(self) -> Totals:
        """As it is."""
        return _totals(self.network.module, self.walk.total_macs)

    def totals_without(self, chosen: Sequence[Layer]) -> Totals:
        """With `chosen` replaced, by the closed forms."""
        return self.totals.less(layer.saving for layer in chosen)


def _totals(module: nn.Module, macs: int) -> Totals:
    """Each parameter once, however many layers share it. Those that do not exist yet count nothing."""
    made = [one for one in module.parameters() if not isinstance(one, UninitializedParameter)]
    return Totals(sum(one.numel() for one in made), macs, bytes_of(made))


def run_somewhere(source: Source, inputs: Inputs) -> Ran:
    """On the meta device, where nothing is computed; where the network does not allow that, on the CPU.

    Raises:
        DsconvError: it does not take such inputs.
        CannotMeasureError: it runs on neither.
    """
    try:
        return _run(source, inputs, META, None)
    except DsconvError as error:
        if error.exit_code == 2:
            raise
        why = str(error) if error.__cause__ is None else describe(error.__cause__)
    except Exception as error:  # noqa: BLE001  # whatever it is, the CPU is the judge
        why = describe(error)
    try:
        return _run(source, inputs, CPU, why)
    except DsconvError:
        raise
    except Exception as error:
        raise CannotMeasureError(_forward_raised(source, inputs, error)) from error


def _run(source: Source, inputs: Inputs, device: str, not_on_meta: str | None) -> Ran:
    module = source.copy(device)
    call, walked = _walked(source, inputs, module, device)
    return Ran(Network.of(module), walked, device, not_on_meta, shapes_of(call))


def _walked(source: Source, inputs: Inputs, module: nn.Module, device: str) -> tuple[Call, Walk]:
    call = call_of(source, inputs, module, device)
    check_call(module, *call)
    with foreign(source.name):
        return call, seeded(lambda: walk(module, call, shapes_only=device == META))


def _forward_raised(source: Source, inputs: Inputs, error: Exception) -> str:
    call = call_of(source, inputs, source.original(CPU), META)
    given = ", ".join(f"{one.dtype} {by(*one.shape) or 'scalar'}" for one in shapes_of(call))
    said = f"{source.name}: its forward pass raised {describe(error)} (it was given {given or 'no input'})"
    if inputs.given is None and isinstance(error, _WRONG_KIND):
        said += "; dicts, lists and numbers, which are not tensors, come from a function given as `inputs`"
    return said


class Failure(NamedTuple):
    """What was wrong with a network in which layers were replaced; `error` where it raised one."""

    text: str
    error: Exception | None = None


class Trials:
    """Runs of the network with layers replaced; a limited number of them goes into the search for those that fail."""

    def __init__(self, source: Source, inputs: Inputs, ran: Ran) -> None:
        self._source = source
        self._inputs = inputs
        self._ran = ran
        self._left = _MOST_TRIALS[ran.device]

    def failure(self, chosen: Sequence[Layer]) -> Failure | None:
        """What is wrong with the network when `chosen` are replaced; None where all is as the closed forms say."""
        specs = {layer.name: layer.spec for layer in chosen if layer.spec is not None}
        ran, source = self._ran, self._source
        try:
            module = source.copy(ran.device, seeded(lambda: pairs_for(ran.network.module, specs, ran.device)))
            _, walked = _walked(source, self._inputs, module, ran.device)
        except Exception as error:  # noqa: BLE001  # whatever the network says to it
            return Failure(f"raises {describe(error)}", error)
        if walked.outputs != ran.walk.outputs:
            return Failure(f"gives {_listed(walked.outputs)} instead of {_listed(ran.walk.outputs)}")
        found, expected = _totals(module, walked.total_macs), ran.totals_without(chosen)
        if found == expected:
            return None
        return Failure(
            f"has {found.params:,} parameters and {found.macs:,} MACs, by the formulas {expected.params:,} and "
            f"{expected.macs:,}"
        )

    def guilty(self, chosen: Sequence[Layer]) -> dict[str, Failure]:
        """Those of `chosen` with which alone the network fails, by name: found by halving, while trials are left."""
        found: dict[str, Failure] = {}
        suspects = [list(chosen)]
        while suspects and self._left:
            some = suspects.pop()
            self._left -= 1
            failure = self.failure(some)
            if failure is not None and len(some) == 1:
                found[some[0].name] = failure
            elif failure is not None:
                middle = len(some) // 2
                suspects += [some[middle:], some[:middle]]
        return found

    def blames_layers(self, failure: Failure) -> bool:
        """Whether layers can be to blame: what else a network does that looks at values, the values may have done."""
        looks = bool(self._ran.walk.looks) or (self._ran.device == CPU and failure.error is None)
        return not looks or isinstance(failure.error, _WRONG_KIND)


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(by(*shape) or "scalar" for shape in shapes) or "nothing"

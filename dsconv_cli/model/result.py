"""What is known about a network: its layers, what would be replaced, and the totals before and after.

Plain data and arithmetic; nothing here knows torch. Counts are exact integers. A MAC is one multiply-accumulate
of a convolution or matrix product; FLOPs = 2·MACs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple, cast

from dsconv_cli.environment import Environment, environment
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.cost import Cost, cost_over_calls
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import PairTime, Timing
from dsconv_cli.weights.spectrum import Spectrum

Operator = Literal["convolution", "linear", "matmul"]

#: What an `.onnx` file is said to be, where a module has its class.
GRAPH: Final = "ONNX graph"

#: The depth multiplier that is for each layer the smallest that keeps enough of its weights.
AUTO: Final = "auto"


class InputShape(NamedTuple):
    """One input of the network: the name of its keyword or None, its shape, torch's name of its dtype."""

    name: str | None
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is made and called: so that another process can make it as well.

    `target` names it and `arguments` are its factory's. It is called with tensors of the shapes `inputs`, or with what
    the function named `inputs_by` gives, or, without either, with what it brings along. `dtype` is what its floating
    numbers are converted to; empty: they stay what they are.
    """

    target: str
    arguments: Mapping[str, Any]
    inputs: tuple[InputShape, ...] = ()
    dtype: str = ""
    inputs_by: str = ""


class BeforeAfter(NamedTuple):
    """One total of the network, as it is and with the chosen layers replaced."""

    before: int
    after: int

    @property
    def ratio(self) -> Fraction:
        """Before ÷ after: above 1 the replaced network is the cheaper one."""
        return Fraction(1) if self.before == self.after else Fraction(self.before, self.after)


NOTHING: Final = BeforeAfter(0, 0)


@dataclass(frozen=True, slots=True)
class Layer:
    """One module that holds or computes a convolution or matrix product.

    `params` are its own parameters that no earlier layer has counted, `weight_bytes` what these take; `macs` are
    torch's count over all `calls`, `activation_bytes` the most that its inputs and outputs take in one of them.
    `weight`, `inputs` and `outputs` are shapes, those of the first call, and None where there is none.
    `reason` says why a convolution is not eligible; `kept` why an eligible one is not replaced.
    `spec` is the layer as `compare` takes it at its first call, wherever one can be written (dense, two-dimensional),
    and `further` at each call after that, which may be of other sizes. `time` is that of one call of `spec`, and
    `times` are those on each runtime that was asked for by name.
    `spectrum` says what separable pairs keep of its weights, where somebody asked and there are any, `output_fidelity`
    what the pair keeps of the outputs on what the layer sees, where it was refitted to that.
    """

    name: str
    type: str
    operator: Operator
    calls: int
    params: int
    macs: int
    weight: tuple[int, ...] | None = None
    inputs: tuple[int, ...] | None = None
    outputs: tuple[int, ...] | None = None
    eligible: bool = False
    reason: str | None = None
    spec: ConvSpec | None = None
    further: tuple[ConvSpec, ...] = ()
    replaced: bool = False
    kept: str | None = None
    time: Timing | None = None
    weight_bytes: int = 0
    activation_bytes: int = 0
    times: Mapping[str, Timing | None] = field(default_factory=dict)
    spectrum: Spectrum | None = None
    output_fidelity: float | None = None

    @property
    def multiplier(self) -> int:
        """M, depthwise filters for each input channel, of its separable form."""
        return 1 if self.spec is None else self.spec.depth_multiplier

    def with_multiplier(self, multiplier: int) -> Layer:
        """The same layer with another M."""
        specs = [replace(one, depth_multiplier=multiplier) for one in (self.spec, *self.further) if one is not None]
        return replace(self, spec=specs[0], further=tuple(specs[1:]))

    @property
    def fidelity(self) -> float | None:
        """How much of its weights the best pair with its M keeps, 0 to 1; None where that is not known."""
        return None if self.spectrum is None else self.spectrum.fidelity(self.multiplier)

    @property
    def cost(self) -> Cost | None:
        """The closed forms of both forms of this layer: parameters once, MACs and traffic over all calls."""
        return None if self.spec is None else cost_over_calls((self.spec, *self.further))

    @property
    def ratio(self) -> Fraction | None:
        """MACs, ordinary ÷ separable, where there is a separable form; replaced or not."""
        closed = self.cost
        return None if closed is None else closed.macs.ratio

    @property
    def macs_after(self) -> int:
        """MACs with the chosen layers replaced."""
        return self.macs - (self.saving.macs if self.replaced else 0)

    @property
    def activation_bytes_after(self) -> int:
        """Activations in memory at once, with the chosen layers replaced."""
        closed = self.cost
        return closed["activation_bytes"].separable if self.replaced and closed else self.activation_bytes

    @property
    def saving(self) -> Saving:
        """What replacing this layer takes off the totals, by the closed forms. Negative where it costs."""
        closed = self.cost
        if closed is None:
            return Saving()
        return Saving(*(closed[name].ordinary - closed[name].separable for name in Saving._fields))


class Saving(NamedTuple):
    """Parameters, MACs and bytes of weights that a replacement saves: what adds up over layers."""

    params: int = 0
    macs: int = 0
    weight_bytes: int = 0

    def plus(self, other: Saving) -> Saving:
        """What both save."""
        return Saving(self.params + other.params, self.macs + other.macs, self.weight_bytes + other.weight_bytes)

    def weighed(self, by: Saving) -> int:
        """Parameters and MACs as one number."""
        return by.params * self.params + by.macs * self.macs


class Totals(NamedTuple):
    """Parameters, MACs and bytes of weights of a network."""

    params: int
    macs: int
    weight_bytes: int

    def less(self, savings: Iterable[Saving]) -> Totals:
        """What is left where so much is saved."""
        return Totals(*(before - sum(saved) for before, *saved in zip(self, *savings, strict=True)))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the eligible layers to replace, and with what: all of them, each M = 1, unless told otherwise.

    Args:
        keep: globs of layers that are not replaced; `*` crosses dots.
        only: globs of the only layers that may be replaced.
        min_ratio: the least ratio of MACs (ordinary ÷ separable) for which a layer is replaced.
        depth_multiplier: M, depthwise filters for each input channel; or "auto": for each layer the smallest M that
            keeps `min_fidelity` and still saves MACs or, with a target, the M that serves it best.
        target_macs: replace the fewest layers with which the network has at most as many MACs; where fidelity is known,
            those that lose least of it.
        target_params: the same for parameters; with both, as few as reach both.
        min_fidelity: the least fidelity, 0 to 1, with which a layer is replaced; the weights are then decomposed.

    Raises:
        DsconvError: a value is not of its kind.

    Example:
        >>> from torch import nn
        >>> from dsconv_cli import Selection, analyse
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 64, 3))
        >>> [layer.name for layer in analyse(network, (1, 3, 32, 32), Selection(min_ratio=5)).replaced]
        ['1']
    """

    keep: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    min_ratio: float | None = None
    depth_multiplier: int | Literal["auto"] = 1
    target_macs: int | None = None
    target_params: int | None = None
    min_fidelity: float | None = None

    def __post_init__(self) -> None:
        for name, (right, wanted) in _WANTED.items():
            value = getattr(self, name)
            if not right(value):
                raise DsconvError(f"`{name}` must be {wanted}, not {quoted(value)}")
        if self.depth_multiplier == AUTO and (self.min_fidelity, self.target_macs, self.target_params) == (None,) * 3:
            raise DsconvError(
                "`depth_multiplier` auto needs `min_fidelity` to go by, or `target_macs` or `target_params`"
            )

    @property
    def multiplier(self) -> int:
        """M, before any layer has one of its own."""
        return 1 if self.depth_multiplier == AUTO else self.depth_multiplier

    @property
    def needs_weights(self) -> bool:
        """Whether it depends on what a replacement keeps of the weights."""
        return self.min_fidelity is not None or self.depth_multiplier == AUTO


def _are_globs(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)


def _is_ratio(value: object) -> bool:
    return value is None or (type(value) in {int, float} and 0 <= cast("float", value) < float("inf"))


def _is_count(value: object) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _is_multiplier(value: object) -> bool:
    return value == AUTO or (type(value) is int and value > 0)


def _is_share(value: object) -> bool:
    return value is None or (type(value) in {int, float} and 0 <= cast("float", value) <= 1)


#: What each field of a `Selection` must be, and how that is said.
_WANTED: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "keep": (_are_globs, "a tuple of globs such as ('stem*',)"),
    "only": (_are_globs, "a tuple of globs such as ('stem*',)"),
    "min_ratio": (_is_ratio, "a number such as 2"),
    "depth_multiplier": (_is_multiplier, "a positive integer or 'auto'"),
    "target_macs": (_is_count, "a count such as 569_000_000"),
    "target_params": (_is_count, "a count such as 4_200_000"),
    "min_fidelity": (_is_share, "a number from 0 to 1 such as 0.9"),
}


@dataclass(frozen=True, slots=True)
class ModelResult:
    """A network, layer by layer, before and after.

    `device` is where its forward pass ran: "meta" (shapes only: nothing is computed and no memory used) or "cpu",
    and then `not_on_meta` says why. `other_params` belong to no counted layer, such as those of normalisations.
    `after_counted` tells that the network with its layers replaced was really run and counted as the closed forms say;
    where it is not, the totals after are the closed forms'. `uncounted` are operators that compute with a weight and
    are in no total, for no formula is known for them. `time` is that of the whole network, on the first runtime, and
    `times` are those on each that was asked for by name; None where it was not timed.
    """

    target: str
    type: str
    device: str
    not_on_meta: str | None
    inputs: tuple[InputShape, ...]
    outputs: tuple[tuple[int, ...], ...]
    layers: tuple[Layer, ...]
    params: BeforeAfter
    macs: BeforeAfter
    other_params: int
    selection: Selection
    after_counted: bool = True
    uncounted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    time: PairTime | None = None
    times: Mapping[str, PairTime | None] = field(default_factory=dict)
    counters: tuple[str, ...] = field(default=(), compare=False)
    weight_bytes: BeforeAfter = NOTHING

    @property
    def activation_bytes(self) -> BeforeAfter:
        """The most that the input and the output of a layer take together: that of the largest layer."""
        before = max((layer.activation_bytes for layer in self.layers), default=0)
        return BeforeAfter(before, max((layer.activation_bytes_after for layer in self.layers), default=0))

    @property
    def totals(self) -> Mapping[str, BeforeAfter]:
        """By the names of `METRICS`."""
        return {name: getattr(self, name) for name in ("params", "macs", "weight_bytes", "activation_bytes")}

    @property
    def convolutions(self) -> tuple[Layer, ...]:
        """The layers that convolve, eligible or not."""
        return tuple(layer for layer in self.layers if layer.operator == "convolution")

    @property
    def eligible(self) -> tuple[Layer, ...]:
        """The layers that could be replaced."""
        return tuple(layer for layer in self.layers if layer.eligible)

    @property
    def replaced(self) -> tuple[Layer, ...]:
        """The layers that are replaced in the totals `after`."""
        return tuple(layer for layer in self.layers if layer.replaced)

    @property
    def environment(self) -> Environment:
        """The machine and the versions in use."""
        return environment(counters=self.counters, device=self.device)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, schema version 1."""
        from dsconv_cli.model.keys import keys_of

        return keys_of(tuple(self.times)).document(self)

    def get(self, key: str) -> Any:
        """The value at a dotted key, such as `totals.macs.ratio`.

        Raises:
            DsconvError: there is no such key; the message proposes the nearest.
        """
        from dsconv_cli.model.keys import keys_of

        keys = keys_of(tuple(self.times))
        return keys.read(self, keys.find(key))

"""What Python programs use: the functions behind the commands, and results that print themselves as the commands do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dsconv_cli.comparison import result as compared
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.model import result as network

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from dsconv_cli.timing.settings import TimingSettings

Printed = TypeVar("Printed", "Comparison", "ModelResult")


class Comparison(compared.Comparison):
    """Everything known about a layer and its replacement: `print` shows the table of `dsconv compare`.

    `cost` are the closed forms, exact at any size; `counted` what a profiler counted on the modules, or None; `time`
    the measured time, or None, and `runtimes` that on each runtime that was asked for. MACs leave out bias additions,
    traffic is in bytes at the layer's dtype, and a ratio is ordinary ÷ separable.

    >>> one = compare(ConvSpec(k=64, c=32), profiler="none")
    >>> one.cost.params.ordinary, one.cost.params.separable
    (18432, 2336)
    >>> one.get("macs.ratio") == 576 / 73
    True
    """

    __slots__ = ()

    def __str__(self) -> str:
        from dsconv_cli.report.compare import page
        from dsconv_cli.report.page import View
        from dsconv_cli.report.table import render

        return render(page(self), View()).rstrip("\n")


class ModelResult(network.ModelResult):
    """A network, layer by layer, before and after: `print` shows the table of `dsconv model`.

    `params` and `macs` are the totals of one forward pass before and after, `layers` every module that convolves or
    multiplies matrices; `device` is where the pass ran: "meta" (shapes only, nothing computed) or "cpu".

    >>> from torch import nn
    >>> result = analyse(nn.Conv2d(32, 64, 3, padding=1, bias=False), (1, 32, 56, 56))
    >>> result.macs.before, result.macs.after
    (57802752, 7325696)
    """

    __slots__ = ()

    def __str__(self) -> str:
        from dsconv_cli.report.network import page
        from dsconv_cli.report.page import View
        from dsconv_cli.report.table import render

        return render(page(self), View()).rstrip("\n")


def compare(
    spec: ConvSpec, *, profiler: str = "thop", time: TimingSettings | None = None, runtimes: Sequence[str] = ()
) -> Comparison:
    """Compare the ordinary convolution of `spec`, N×C×H×W to N×K×H'×W', with the separable pair in its place.

    The closed forms are those of Howard et al., arXiv 1704.04861, section 3.1, extended by biases, depth multipliers
    and bytes moved.

    Args:
        spec: the layer.
        profiler: "thop", "torch", "both", or "none" for the closed forms alone, without importing torch.
        time: how both forms are timed as well; None: they are not, unless there are `runtimes`.
        runtimes: names of what they are timed on, side by side, such as "onnxruntime".

    Raises:
        DsconvError: an unknown profiler, or a device that is not there.
        CannotMeasureError: a profiler cannot hold the layer, or disagrees with the closed forms; or it cannot be timed.

    >>> one = compare(ConvSpec(k=512, c=512, h=14, w=14))  # Table 3 of the same paper: 462 M and 52.3 M
    >>> one.counted.macs.ordinary, one.counted.macs.separable
    (462422016, 52283392)
    """
    one = compared.profile(compared.closed_forms(spec), profiler)
    if runtimes:
        from dsconv_cli.timing.settings import TimingSettings
        from dsconv_cli.timing.timers import Timers

        with Timers(TimingSettings() if time is None else time, runtimes) as timers:
            one = one.with_times(timers.time(spec))
    elif time is not None:
        from dsconv_cli.timing.timer import time_layer

        one = replace(one, time=time_layer(spec, time))
    return _printed(Comparison, one)


def analyse(
    model: nn.Module | ExportedProgram,
    inputs: Any,
    selection: network.Selection = network.Selection(),  # noqa: B008  frozen
    *,
    fidelity: bool = False,
) -> ModelResult:
    """Every layer of a network, what can be replaced, and the totals before and after.

    Counts are those of one forward pass in evaluation mode.

    Args:
        model: a module, which is left exactly as it is, or an exported program.
        inputs: a shape such as (1, 3, 224, 224) or a tensor; several of them, or whatever else the network takes, in a
            list or tuple; a dict of them by name; or a function without parameters that gives the arguments as the
            network takes them. It returns a tuple of them in their order, or a dict of them by name; a dict whose names
            the network does not take is its one argument, and so is anything else. None for an exported program that
            brings its own.
        selection: which layers to replace, and with what.
        fidelity: also how much of its weights the best separable pair of each eligible layer keeps, 0 to 1, as
            `Layer.fidelity`. Targets then take the layers that lose least.

    Raises:
        DsconvError: no module, no convolution in it, inputs it does not take, a glob that matches nothing.
        CannotMeasureError: the network cannot be run, or a target cannot be reached.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1))
    >>> [(layer.name, layer.eligible, layer.reason) for layer in analyse(model, (1, 3, 16, 16)).layers]
    [('0', True, None), ('1', False, '1×1')]
    """
    from dsconv_cli.model.analysis import analyse_source
    from dsconv_cli.model.inputs import inputs_of
    from dsconv_cli.model.source import source_of

    return _printed(ModelResult, analyse_source(source_of(model), inputs_of(inputs), selection, fidelity=fidelity))


def _printed(kind: type[Printed], one: object) -> Printed:
    """The same result, as one that prints itself."""
    return kind(**{field.name: getattr(one, field.name) for field in fields(kind)})

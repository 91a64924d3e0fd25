"""One process's measurement of two whole networks on a runtime that takes them as ONNX files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dsconv_cli.errors import CannotMeasureError
from dsconv_cli.numbers import by
from dsconv_cli.timing.runtimes import RUNTIMES
from dsconv_cli.timing.worker.answers import Conditions, Graph, Sample
from dsconv_cli.timing.worker.layer import running
from dsconv_cli.timing.worker.process import sample_watched
from dsconv_cli.timing.worker.sampling import Schedule

if TYPE_CHECKING:
    from dsconv_cli.timing.runtimes.chain import Array

#: How far outputs may lie off torch's, as a part of the largest: two programs round a hundred layers differently.
_TOLERANCE: Final = 1e-2


def measure_graphs(conditions: Conditions, schedule: Schedule, graphs: Mapping[str, Graph]) -> Sample:
    """Both networks, "ordinary" as it is and "separable" with layers replaced, seconds a pass; outputs are checked.

    Raises:
        CannotMeasureError: the runtime cannot run one of them, or computes something else than torch.
    """
    runtime = RUNTIMES[conditions.runtime]
    assert runtime.graph is not None
    with running(conditions, "the network") as device:
        started = time.perf_counter()
        built = {name: runtime.graph(graph, conditions) for name, graph in graphs.items()}
        built_s = time.perf_counter() - started
        for name, one in built.items():
            one.call()
            _refuse_wrong(runtime.title, one.outputs(), graphs[name].outputs)
        works = {name: one.call for name, one in built.items()}
        return Sample(*sample_watched(device, works, conditions, schedule), built_s=built_s)


def _refuse_wrong(title: str, outputs: tuple[Array, ...], expected: tuple[Array, ...]) -> None:
    if [one.shape for one in outputs] != [one.shape for one in expected]:
        shapes = (", ".join(by(*one.shape) for one in some) for some in (outputs, expected))
        raise CannotMeasureError("{} gave {} for the network, and {} is right".format(title, *shapes))
    for output, right in zip(outputs, expected, strict=True):
        # Of labels and indices one may turn over where two scores round to the same.
        if not right.size or right.dtype.kind not in "fc":
            continue
        off = float(abs(output.astype("float64") - right).max())
        most = _TOLERANCE * max(float(abs(right).max()), 1e-6)
        # Written so that nan is refused as well.
        if not off <= most:
            raise CannotMeasureError(
                f"{title} computed the network wrong: it is off by {off:.2g} where {most:.2g} is the most that "
                "rounding explains; it was not timed"
            )

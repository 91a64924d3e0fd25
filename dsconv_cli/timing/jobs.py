"""What a measuring process is asked: plain data that crosses a pipe and knows how to run itself.

Torch is imported only by the process that runs a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Machine, Peaks
from dsconv_cli.timing.worker.answers import Conditions, Found, Graph, Prepared, Sample
from dsconv_cli.timing.worker.sampling import Schedule

Answer_co = TypeVar("Answer_co", covariant=True)


class Job(Protocol[Answer_co]):
    """Something to do in a measuring process.

    `fresh` says whether it measures, and so needs a process in which nothing has run before.
    """

    fresh: ClassVar[bool]

    def run(self) -> Answer_co:
        """Do it, in the process in which this is called. Raises DsconvError."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks whether the device is there and can run the dtype, and what the machine is like."""

    fresh: ClassVar[bool] = False
    conditions: Conditions

    def run(self) -> Machine:
        """Ask torch."""
        from dsconv_cli.timing.worker.probe import probe

        return probe(self.conditions)


@dataclass(frozen=True, slots=True)
class ListDevices:
    """Asks which devices are there."""

    fresh: ClassVar[bool] = False

    def run(self) -> tuple[Found, ...]:
        """Ask torch."""
        from dsconv_cli.timing.worker.probe import list_devices

        return list_devices()


@dataclass(frozen=True, slots=True)
class MeasurePeaks:
    """Asks how fast a large matrix product, a large copy and a reference convolution are."""

    fresh: ClassVar[bool] = True
    conditions: Conditions
    seconds: float

    def run(self) -> Peaks:
        """Measure them."""
        from dsconv_cli.timing.worker.peaks import measure_peaks

        return measure_peaks(self.conditions, self.seconds)


@dataclass(frozen=True, slots=True)
class PrepareLayer:
    """Asks whether a runtime computes `spec` right, what it runs, and what a call of it costs."""

    fresh: ClassVar[bool] = True
    conditions: Conditions
    spec: ConvSpec

    def run(self) -> Prepared:
        """Build, check and tell."""
        from dsconv_cli.timing.worker.layer import prepare

        return prepare(self.conditions, self.spec)


@dataclass(frozen=True, slots=True)
class MeasureLayer:
    """Asks how long both forms of `spec` and the halves take; or the ordinary form and `itself`, whose ratio is 1."""

    fresh: ClassVar[bool] = True
    conditions: Conditions
    schedule: Schedule
    spec: ConvSpec
    itself: bool = False

    def run(self) -> Sample:
        """Measure them."""
        from dsconv_cli.timing.worker.layer import measure_layer

        return measure_layer(self.conditions, self.schedule, self.spec, itself=self.itself)


@dataclass(frozen=True, slots=True)
class MeasureGraphs:
    """Asks how long two whole networks take, one called "ordinary" and one "separable"."""

    fresh: ClassVar[bool] = True
    conditions: Conditions
    schedule: Schedule
    graphs: Mapping[str, Graph]

    def run(self) -> Sample:
        """Measure them."""
        from dsconv_cli.timing.worker.layer import measure_graphs

        return measure_graphs(self.conditions, self.schedule, self.graphs)

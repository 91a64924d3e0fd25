"""Who hears how a sweep goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.sweep.sources import Misfit

if TYPE_CHECKING:
    from dsconv_cli.timing.timer import TimingProgress


class Observer:
    """Hears how a sweep goes on; this one does not care."""

    def skipped(self, misfit: Misfit) -> None:
        """A layer cannot exist."""

    def done(self, layers: int = 1) -> None:
        """So many more are."""

    def begins_timing(self, layers: int, seconds: float) -> None:
        """So many layers will be timed, in so many seconds at most."""

    def times(self, layer: Comparison, seconds_left: float) -> Callable[[TimingProgress], None]:  # noqa: ARG002
        """A layer is about to be timed; returns what hears of its progress."""
        return lambda _: None

    def at_work(self, hosts: Mapping[str, str]) -> None:
        """What each of several machines is doing now."""

    def note(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something that is not as it should be."""

    def failed(self, layer: Comparison) -> None:
        """A layer could not be measured, as its `error` says, or not on all runtimes, as its `failures` say."""

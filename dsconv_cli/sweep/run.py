"""A sweep from its source to its rows: which layers, and what is counted and timed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.data import bare
from dsconv_cli.errors import DsconvError
from dsconv_cli.keys import Apply, Value, applied
from dsconv_cli.sweep.compiled.plan import Lines, ToLine, make_plan
from dsconv_cli.sweep.conditions import Condition
from dsconv_cli.sweep.keys import KEYS, is_measured
from dsconv_cli.sweep.observer import Observer
from dsconv_cli.sweep.pacing import time_layers
from dsconv_cli.sweep.parallel import count, count_one
from dsconv_cli.sweep.results import ResultsFile, runtimes_text
from dsconv_cli.sweep.sources import Misfit, Shard, Source, layer_at, layers
from dsconv_cli.timing.runtimes import RUNTIMES

if TYPE_CHECKING:
    from dsconv_cli.sweep.cluster import Cluster
    from dsconv_cli.timing.settings import TimingSettings

#: They are all known before the first one is timed. At a second each it is a day.
MOST_TIMED: Final = 100_000
#: Rows that are written together.
_TOGETHER: Final = 256

_NOBODY: Final = Observer()
_WHOLE: Final = Shard()


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is to be known of which layers.

    Args:
        source: the layers.
        shard: the part of them that this run is about.
        condition: rows for which it does not hold are left out, before they are measured where that can be told.
        profiler: who counts; see `compare`.
        jobs: processes that count.
        timing: how the layers are timed, one after the other; None for no time.
        runtimes: names of those that they are timed on, side by side; without any, on `timing.runtime`.
        budget_s: seconds for timing all of them; None for `timing.budget_s` each.
        cluster: the address of a scheduler whose machines measure; "" for this one.
        mixed: whether they may be of several kinds.
    """

    source: Source
    shard: Shard = _WHOLE
    condition: Condition | None = None
    profiler: str = "thop"
    jobs: int = 1
    timing: TimingSettings | None = None
    runtimes: tuple[str, ...] = ()
    budget_s: float | None = None
    cluster: str = ""
    mixed: bool = False

    @property
    def total(self) -> int:
        """Layers of the shard, whether or not they can exist."""
        start, stop = self.shard.bounds(self.source.count)
        return stop - start

    @property
    def settings(self) -> dict[str, Any]:
        """What the rows of one results file have in common, as far as it is known before anything is measured."""
        known = {
            "names": "yes" if self.source.named else "no",
            "--cluster": "on" if self.shared else "off",
            "--profiler": self.profiler,
            "--time": "off" if self.timing is None else "on",
        }
        if self.timing is None:
            return known
        one = self.timing
        asked = {"--runtime": runtimes_text(self.runtimes), "--chain": one.chain}
        first = one.on(self.runtimes[0]) if self.runtimes else one
        return {**known, **asked, "--device": one.device, "--threads": one.threads, "layout": first.layout}

    @property
    def closed(self) -> bool:
        """Whether all that is asked of a layer follows from its number: of a grid's layers, by arithmetic alone."""
        return not (self._measures or self._judges_measured) and self.source.file is None

    @property
    def shared(self) -> bool:
        """Whether several machines measure."""
        return bool(self.cluster) and self._measures

    @property
    def absent(self) -> tuple[str, ...]:
        """The sections that are not measured."""
        return (
            *(["measured"] if self.profiler == "none" else []),
            *(["time"] if self.timing is None else []),
            *([] if self.shared else ["environment.machine"]),
            *(f"runtimes.{name}" for name in RUNTIMES if name not in self.runtimes),
        )

    @property
    def usual(self) -> str:
        """The ratio that rows are ranked by and pictures are about, where nothing else is asked for."""
        return "macs.ratio" if self.timing is None else "time.speedup"

    def layers(self, observer: Observer = _NOBODY) -> Iterator[Comparison]:
        """Those that can exist, by their closed forms, and that the condition lets through as far as these tell."""
        return (one for _, one in self.numbered(observer))

    def numbered(self, observer: Observer = _NOBODY) -> Iterator[tuple[int, Comparison]]:
        """The same, after their numbers."""
        holds = self._early
        for place, one in enumerate(layers(self.source, self.shard), self.shard.bounds(self.source.count)[0]):
            if isinstance(one, Misfit):
                observer.skipped(one)
            elif holds is None or holds(one):
                yield place, one
            observer.done()

    def lines(self, writers: Sequence[ToLine], observer: Observer = _NOBODY) -> Iterator[Lines]:
        """What each of `writers` writes of the layers of a sweep that is `closed`, many at a time."""
        bounds = self.shard.bounds(self.source.count)
        plan = make_plan(self.source, bounds, writers, self._early)
        if plan is None:
            for place, one in self.numbered(observer):
                yield Lines((place,), (), [write(one) for write in writers])
            return
        for block in plan.table.blocks(*bounds):
            found = plan.lines(block)
            for place in found.misfits:
                observer.skipped(cast("Misfit", layer_at(self.source, place)))
            yield found
            observer.done(len(block.places))

    def lines_at(self, places: Iterable[int], writers: Sequence[ToLine]) -> Iterator[Sequence[str]]:
        """The same of the layers of these numbers, in this order."""
        plan = make_plan(self.source, self.shard.bounds(self.source.count), writers, scattered=True)
        rest = iter(places)
        while some := tuple(islice(rest, _TOGETHER)):
            if plan is not None:
                yield plan.lines(plan.table.scattered(some)).texts
            else:
                yield ["".join(write(self.layer_at(place)) for place in some) for write in writers]

    def values(self, key: str, observer: Observer = _NOBODY) -> Iterator[tuple[int, Value]]:
        """The value at a key of the layers of a sweep that is `closed`, each after its number."""
        type_ = KEYS[key].type
        if not type_.is_number:
            yield from ((place, KEYS.read(one, key)) for place, one in self.numbered(observer))
            return

        def line(one: Comparison, apply: Apply = applied) -> str:
            return bare(KEYS.read_all(one, (key,), apply)[0]) + "\n"

        number = int if type_.schema["type"] == "integer" else float
        for found in self.lines((line,), observer):
            yield from zip(found.left, map(number, found.texts[0].split()), strict=True)

    def layer_at(self, place: int) -> Comparison:
        """The layer of that number, which can exist, of a sweep that is `closed`."""
        one = layer_at(self.source, place)
        assert isinstance(one, Comparison)
        return one

    def rows(self, observer: Observer = _NOBODY) -> Iterator[Comparison]:
        """Every layer with what is measured of it, in the order of the sweep.

        Raises:
            CannotMeasureError: a layer could not be counted or timed; the message names it.
        """
        measured = self._measured(self.layers(observer), observer)
        return self._late(one for _, one in (measured if self.timing is None else sorted(measured, key=itemgetter(0))))

    def complete(self, file: ResultsFile, observer: Observer = _NOBODY) -> None:
        """Measure what `file` lacks, and append each row as soon as it is there. Raises as `rows` does."""
        for _, row in self._measured(file.missing(self.layers(observer)), observer):
            file.append(row)

    def recorded(self, file: ResultsFile) -> Iterator[Comparison]:
        """The rows of a `file` that is complete, in the order of the sweep."""
        return self._late(file.read_all(self.layers()))

    @property
    def _measures(self) -> bool:
        return self.timing is not None or self.profiler != "none"

    @property
    def _early(self) -> Callable[[Comparison], bool] | None:
        """The condition, where it can be told before anything is measured."""
        return None if self.condition is None or self._judges_measured else self.condition.holds

    @property
    def _judges_measured(self) -> bool:
        return self.condition is not None and any(map(is_measured, self.condition.keys))

    def _late(self, rows: Iterator[Comparison]) -> Iterator[Comparison]:
        """What the condition asks of measured values."""
        return filter(self.condition.holds, rows) if self.condition is not None and self._judges_measured else rows

    def _measured(self, wanted: Iterable[Comparison], observer: Observer) -> Iterator[tuple[int, Comparison]]:
        """The layers after their places, as they are done: in their order, unless they are timed."""
        if self.timing is not None:
            return self._timed(wanted, self.timing, observer)
        if self.shared:
            return enumerate(self._counted_elsewhere(wanted, observer))
        return enumerate(count(wanted, self.profiler, self.jobs))

    def _timed(
        self, wanted: Iterable[Comparison], settings: TimingSettings, observer: Observer
    ) -> Iterator[tuple[int, Comparison]]:
        listed = list(islice(wanted, MOST_TIMED + 1))
        if len(listed) > MOST_TIMED:
            raise DsconvError(f"more than {MOST_TIMED:,} layers are too many to time in one run; take parts of them")
        if not listed:
            return
        total_s = self.budget_s or settings.budget_s * len(listed)
        observer.begins_timing(len(listed), total_s)
        timed = self._timed_elsewhere if self.cluster else self._timed_here
        for place, one in timed(listed, settings, total_s, observer):
            observer.done()
            if one.error or one.failures:
                observer.failed(one)
            yield place, (one if self.runtimes else replace(one, times=None))

    def _timed_here(
        self, layers: Sequence[Comparison], settings: TimingSettings, total_s: float, observer: Observer
    ) -> Iterator[tuple[int, Comparison]]:
        from dsconv_cli.timing.timers import Timers

        with Timers(settings, self.runtimes or (settings.runtime,)) as timers:
            yield from time_layers(
                layers, lambda layer: count_one(layer, self.profiler), timers, total_s, watch=observer.times
            )

    def _timed_elsewhere(
        self, layers: Sequence[Comparison], settings: TimingSettings, total_s: float, observer: Observer
    ) -> Iterator[tuple[int, Comparison]]:
        from dsconv_cli.sweep.machines import Request
        from dsconv_cli.sweep.shared import timed_rows

        with self._machines(observer, alone=True) as cluster:
            yield from timed_rows(cluster, layers, Request((), self.profiler, settings, self.runtimes), total_s)
            for text in cluster.off():
                observer.warn(text)

    def _counted_elsewhere(self, layers: Iterable[Comparison], observer: Observer) -> Iterator[Comparison]:
        from dsconv_cli.sweep.shared import counted_rows

        with self._machines(observer, alone=False) as cluster:
            for one in counted_rows(cluster, layers, self.profiler):
                if one.error:
                    observer.failed(one)
                yield one

    def _machines(self, observer: Observer, *, alone: bool) -> Cluster:
        from dsconv_cli.sweep.cluster import Cluster

        return Cluster(self.cluster, mixed=self.mixed, alone=alone, observer=observer)

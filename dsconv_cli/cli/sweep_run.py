"""`dsconv sweep` once its options are known to be right: the rows go by, one at a time, to all that wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from dsconv_cli.cli.destinations import GATE_FAILED
from dsconv_cli.cli.progress import LayersDone, clock_text
from dsconv_cli.cli.stdout import results
from dsconv_cli.cli.streams import is_terminal
from dsconv_cli.cli.sweep_outlets import (
    Doubts,
    FileLines,
    Gates,
    Outlet,
    Plot,
    StdoutLines,
    SummaryOf,
    Table,
    draw_here,
    draw_to,
)
from dsconv_cli.cli.sweep_wishes import Wishes, check
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.report.page import Page
from dsconv_cli.report.pictures.drawing import Picture
from dsconv_cli.report.rows import STREAMED
from dsconv_cli.report.sweep import default_columns, key_columns
from dsconv_cli.sweep.results import ResultsFile
from dsconv_cli.sweep.sources import Misfit, layers

if TYPE_CHECKING:
    from dsconv_cli.cli.sweep import SweepOptions
    from dsconv_cli.timing.timer import TimingProgress

#: Skipped layers that are told one by one; --verbose tells all.
_TOLD: Final = 5


def run(options: SweepOptions) -> int:
    """Do what was asked, and return the exit code."""
    wishes = check(options)
    _announce(wishes)
    if wishes.strict:
        _refuse_misfits(wishes)
    gates = Gates(wishes.to.gates, github=options.output.format_name == "github", color=wishes.streams.color)
    with ExitStack() as stack:
        told = stack.enter_context(_Told(wishes))
        first, shown, last = list(_on_all(wishes)), list(_on_shown(wishes, stack)), _judges(wishes, gates)
        rows = _counted_by(told, _rows(wishes, told, stack, wanted=bool(first or shown or last)))
        rows = _shown_to((*first, *last), rows)
        for row in rows if wishes.order is None else wishes.order.apply(rows):
            for outlet in shown:
                outlet.add(row)
        told.end()
        # Pictures may turn out to have nothing to show, and verdicts are what is read last.
        for outlet in (*first, *shown, *last):
            outlet.finish()
    return GATE_FAILED if gates.failed else 0


def _announce(wishes: Wishes) -> None:
    """Say how much there is to do, and what will not be done."""
    sweep, note = wishes.sweep, wishes.streams.note
    source, shard = sweep.source, sweep.shard
    part = f", part {shard.index} of {shard.total}" if shard.total > 1 else ""
    what = f": {source}" if str(source) else ""
    note(f"{sweep.total:,} {'layer' if sweep.total == 1 else 'layers'}{part}{what}")
    if sweep.jobs > 1 and sweep.profiler == "none":
        note("--jobs has no effect with --profiler none: arithmetic is cheaper than handing it over")
    if sweep.jobs > 1 and sweep.timing is not None:
        note("--jobs is for counting alone: layers timed side by side would disturb each other")
    if source.file is not None and source.replaced:
        note(f"the options replace what {source.file.name} says of {', '.join(source.replaced)}")
    if source.file is not None and source.file.ineligible:
        note(f"{source.file.ineligible:,} of the model's layers in {source.file.name} have no replacement; left out")


def _refuse_misfits(wishes: Wishes) -> None:
    for one in layers(wishes.sweep.source, wishes.sweep.shard):
        if isinstance(one, Misfit):
            raise DsconvError(f"{one.layer}: {one.reason} (--strict)")


class _Told(LayersDone):
    """What is said while the rows go by: how far it is, and which layers cannot exist. An `Observer` of the sweep."""

    def __init__(self, wishes: Wishes) -> None:
        streams, form = wishes.streams, wishes.rows_on
        # A line that is redrawn would only be in the way of rows that go by on the screen.
        streaming = wishes.to.key is not None or (form is not None and form.name in STREAMED)
        super().__init__(wishes.sweep.total, quiet=streams.quiet or (streaming and is_terminal(results())))
        self._wishes = wishes
        self._skipped = 0
        self.rows = 0

    def skipped(self, misfit: Misfit) -> None:
        """As `Observer`: the first ones by name, the others by number."""
        self._skipped += 1
        if self._skipped <= _TOLD or self._wishes.streams.verbose:
            self._wishes.streams.warn(f"skipped {misfit.layer}: {misfit.reason}")

    def done(self) -> None:
        """As `Observer`."""
        self.step()

    def begins_timing(self, layers: int, seconds: float) -> None:
        """As `Observer`."""
        self._wishes.streams.note(f"timing {layers:,} layers takes at most {clock_text(seconds)}, split over them")
        self.restart(layers)

    def times(self, layer: Comparison, seconds_left: float) -> Callable[[TimingProgress], None]:
        """As `Observer`."""
        note = f"timing {layer.label}"
        self.doing(note, seconds_left)
        return lambda one: self.doing(note, seconds_left - one.elapsed_s)

    def end(self) -> None:
        """How many layers were skipped, and whether any was left.

        Raises:
            DsconvError: none can exist, or gates judged none: a slip in --where must not turn them off for good.
        """
        self.wipe()
        total, streams = self._wishes.sweep.total, self._wishes.streams
        if self._skipped and self._skipped == total:
            raise DsconvError("there is no layer that can exist; see the warnings above")
        if self._skipped > _TOLD:
            streams.warn(f"skipped {self._skipped:,} of {total:,} layers whose kernel does not fit")
        if self.rows or not total:
            return
        reason = "no layer is left" if self._wishes.sweep.condition is None else "no layer satisfies --where"
        if self._wishes.to.gates:
            raise DsconvError(f"{reason}, so that the gates judged nothing")
        streams.warn(reason)


def _rows(wishes: Wishes, told: _Told, stack: ExitStack, *, wanted: bool) -> Iterator[Comparison]:
    """The rows, as far as anyone wants them, and those of the results file first of all."""
    sweep = wishes.sweep
    if wishes.results is None:
        return sweep.rows(told)
    file = stack.enter_context(ResultsFile(wishes.results, sweep.settings, wishes.keys))
    had = file.rows
    if file.torn:
        wishes.streams.note(f"{file.path} ended in half a row, of a run that was killed; it was cut off")
    sweep.complete(file, told)
    told.wipe()
    wishes.streams.note(f"{file.path}: {had:,} rows were there, {file.rows - had:,} were added")
    if wanted:
        return sweep.recorded(file)
    told.rows = file.rows
    return iter(())


def _counted_by(told: _Told, rows: Iterable[Comparison]) -> Iterator[Comparison]:
    for row in rows:
        told.rows += 1
        yield row


def _shown_to(outlets: tuple[Outlet, ...], rows: Iterator[Comparison]) -> Iterator[Comparison]:
    for row in rows:
        for outlet in outlets:
            outlet.add(row)
        yield row


def _on_all(wishes: Wishes) -> Iterator[Outlet]:
    """What shows all rows at once."""
    if wishes.summary:
        yield SummaryOf(wishes.to.write_out)
    if wishes.axes is None:
        return
    if wishes.drawn_here:
        yield Plot(Picture(wishes.axes), partial(draw_here, wishes.to.view))
    for file in wishes.to.files:
        if file.kind:
            yield Plot(Picture(wishes.axes), partial(draw_to, file))


def _on_shown(wishes: Wishes, stack: ExitStack) -> Iterator[Outlet]:
    """What gets the rows that are left after --sort and --top."""
    form = wishes.rows_on
    if wishes.to.key is not None:
        yield StdoutLines("bare", (wishes.to.key,))
    elif form is not None and form.name in STREAMED:
        yield StdoutLines(form.name, wishes.shown_keys)
    elif form is not None and form.part == "page":
        yield _table(wishes, wishes.to.show)
    for file in wishes.to.files:
        if file.format.name in STREAMED:
            yield FileLines(file, wishes.shown_keys, stack)
        elif not file.kind:
            yield _table(wishes, file.show)


def _table(wishes: Wishes, show: Callable[[Page], None]) -> Table:
    source = wishes.sweep.source
    if wishes.columns is not None:
        columns = key_columns(wishes.columns)
    else:
        columns = default_columns(source.varying, named=source.named, timed=wishes.sweep.timing is not None)
    return Table(columns, source.title, show)


def _judges(wishes: Wishes, gates: Gates) -> tuple[Outlet, ...]:
    """What says at the end how the rows are to be taken."""
    doubts = [] if wishes.sweep.timing is None else [Doubts(wishes.streams)]
    return (*doubts, *([gates] if wishes.to.gates else []))

"""`dsconv sweep` once its options are known to be right: the rows go by, one at a time, to all that wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from dsconv_cli.cli.destinations import GATE_FAILED
from dsconv_cli.cli.progress import LayersDone, clock_text
from dsconv_cli.cli.stdout import results
from dsconv_cli.cli.streams import Streams, is_terminal, say
from dsconv_cli.cli.sweep_gates import Gates
from dsconv_cli.cli.sweep_outlets import (
    LineOutlet,
    Outlet,
    columns_in_file,
    doubts,
    draw_here,
    draw_to,
    lines_in_file,
    lines_on_stdout,
    plot,
    table,
)
from dsconv_cli.cli.sweep_wishes import Wishes, check
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import CANNOT_MEASURE, DsconvError
from dsconv_cli.numbers import many
from dsconv_cli.report import summary
from dsconv_cli.report.page import Report
from dsconv_cli.report.rows import STREAMED
from dsconv_cli.report.sweep import default_columns, key_columns
from dsconv_cli.sweep.keys import KEYS
from dsconv_cli.sweep.observer import Observer
from dsconv_cli.sweep.order import Ranked
from dsconv_cli.sweep.parallel import PAYS_FROM
from dsconv_cli.sweep.results import ResultsFile
from dsconv_cli.sweep.sources import Misfit, layers
from dsconv_cli.sweep.spool import Spool
from dsconv_cli.sweep.summary import Summary

if TYPE_CHECKING:
    from dsconv_cli.cli.sweep import SweepOptions
    from dsconv_cli.timing.timer import TimingProgress

#: What gets rows one by one.
Shown = Outlet | LineOutlet

#: Rows after their numbers, and what gives the row of a number once more.
Numbered = tuple[Iterator[tuple[int, Comparison]], Callable[[int], Comparison]]

#: Skipped layers that are told one by one; --verbose tells all.
_TOLD: Final = 5


def run(options: SweepOptions) -> int:
    """Do what was asked, and return the exit code."""
    wishes = check(options)
    _announce(wishes)
    if options.source.strict:
        _refuse_misfits(wishes)
    if wishes.earlier is not None:
        wishes.earlier.check_same(wishes.sweep.layers())
    gates = Gates(wishes)
    with ExitStack() as stack:
        told = stack.enter_context(_Told(wishes))
        first, shown = list(_on_all(wishes, gates)), list(_on_shown(wishes, gates, stack))
        last = list(_judges(wishes, gates))
        lines = [one for one in shown if isinstance(one, LineOutlet)]
        if wishes.results is None and wishes.sweep.closed and not first and not last and len(lines) == len(shown):
            _pass_lines(wishes, lines, told)
        else:
            rows = _rows(wishes, told, stack, wanted=bool(first or shown or last))
            _pass_rows(wishes, (Outlet(told.add, lambda: None), *first, *last), shown, rows)
        # Pictures may turn out to have nothing to show, and verdicts are what is read last.
        for finish in (told.end, *(outlet.finish for outlet in (*first, *shown, *last))):
            finish()
    return GATE_FAILED if gates.failed else CANNOT_MEASURE if told.failures else 0


def _pass_lines(wishes: Wishes, outlets: Sequence[LineOutlet], told: _Told) -> None:
    """All rows as text, many at a time."""
    sweep, order = wishes.sweep, wishes.order
    writers = [outlet.line for outlet in outlets]
    if order is None:
        for found in sweep.lines(writers, told):
            told.rows += len(found.left)
            _write(outlets, found.texts)
        return
    ranked = Ranked(order)
    for place, value in sweep.values(order.key, told):
        told.rows += 1
        ranked.add(value, place)
    for texts in sweep.lines_at(ranked, writers):
        _write(outlets, texts)


def _write(outlets: Iterable[LineOutlet], texts: Iterable[str]) -> None:
    for outlet, text in zip(outlets, texts, strict=True):
        if text:
            outlet.write(text)


def _pass_rows(wishes: Wishes, all_of_them: Sequence[Outlet], shown: Sequence[Shown], rows: Numbered) -> None:
    """The rows one by one, to some as they come and to others in their order, for which their numbers are kept."""
    order = wishes.order
    walk, at = rows
    ranked = None if order is None else Ranked(order)
    for place, one in walk:
        for outlet in all_of_them:
            outlet.add(one)
        if ranked is not None and order is not None:
            ranked.add(KEYS.read(one, order.key), place)
        else:
            _add(shown, one)
    for place in ranked or ():
        _add(shown, at(place))


def _add(outlets: Iterable[Shown], one: Comparison) -> None:
    for outlet in outlets:
        outlet.add(one)


def _announce(wishes: Wishes) -> None:
    """Say how much there is to do, and what will not be done."""
    sweep, note = wishes.sweep, wishes.streams.note
    source, shard = sweep.source, sweep.shard
    part = f", part {shard.index} of {shard.total}" if shard.total > 1 else ""
    what = f": {source}" if str(source) else ""
    note(f"{sweep.total:,} {'layer' if sweep.total == 1 else 'layers'}{part}{what}")
    if sweep.jobs > 1 and sweep.profiler == "none":
        note("--jobs has no effect with --profiler none: arithmetic is cheaper than handing it over")
    if sweep.cluster and not sweep.shared:
        note("--cluster has no effect with --profiler none: arithmetic is cheaper than sending it")
    if sweep.jobs > 1 and sweep.profiler != "none" and sweep.timing is None and sweep.total < PAYS_FROM:
        note(
            f"--jobs has no effect on fewer than {PAYS_FROM:,} layers: they are counted before others have loaded torch"
        )
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


class _Told(LayersDone, Observer):
    """What is said while the rows go by: how far it is, and which layers cannot exist. An `Observer` of the sweep."""

    def __init__(self, wishes: Wishes) -> None:
        streams, form = wishes.streams, wishes.rows_on
        # A line that is redrawn would only be in the way of rows that go by on the screen.
        streaming = wishes.to.key is not None or (form is not None and form.name in STREAMED)
        super().__init__(wishes.sweep.total, quiet=streams.quiet or (streaming and is_terminal(results())))
        self._wishes = wishes
        self._skipped = 0
        self.rows = self.failures = self.lost = 0

    def skipped(self, misfit: Misfit) -> None:
        """As `Observer`: the first ones by name, the others by number."""
        self._skipped += 1
        if self._skipped <= _TOLD or self._wishes.streams.verbose:
            self._wishes.streams.warn(f"skipped {misfit.layer}: {misfit.reason}")

    def done(self, layers: int = 1) -> None:
        """As `Observer`."""
        self.step(layers)

    def begins_timing(self, layers: int, seconds: float) -> None:
        """As `Observer`."""
        self._wishes.streams.note(f"timing {layers:,} layers takes at most {clock_text(seconds)}, split over them")
        self.restart(layers)

    def times(self, layer: Comparison, seconds_left: float) -> Callable[[TimingProgress], None]:
        """As `Observer`."""
        note = f"timing {layer.label}"
        self.doing(note, seconds_left)
        return lambda one: self.doing(note, seconds_left - one.elapsed_s)

    def note(self, text: str) -> None:
        """As `Observer`."""
        self._wishes.streams.note(text)

    def warn(self, text: str) -> None:
        """As `Observer`."""
        self._wishes.streams.warn(text)

    def at_work(self, hosts: Mapping[str, str]) -> None:
        """As `Observer`: how many machines there are, and what each is doing."""
        each = ", ".join(f"{host} {layer}" for host, layer in hosts.items())
        self.update(lambda: f"{self.text()}  {many(len(hosts), 'machine')}: {each}")

    def failed(self, layer: Comparison) -> None:
        """As `Observer`: the first ones by name, the others by number."""
        self.lost += 1
        whole = {"": layer.error} if layer.error else {}
        for runtime, reason in {**whole, **layer.failures}.items():
            self.failures += 1
            if self.failures <= _TOLD or self._wishes.streams.verbose:
                self.wipe()
                where = f"{layer.label}: {runtime}" if runtime else layer.label
                say("error", f"{where}: {reason}", self._wishes.streams.color)

    def add(self, _: Comparison) -> None:
        """One more row is there."""
        self.rows += 1

    def end(self) -> None:
        """How many layers were skipped, and whether any was left.

        Raises:
            DsconvError: none can exist, or gates judged none: a slip in --where must not turn them off for good.
        """
        self.wipe()
        total, streams = self._wishes.sweep.total, self._wishes.streams
        if self._skipped and self._skipped == total:
            raise DsconvError("none of these layers can exist; see the warnings above")
        if self._skipped > _TOLD:
            streams.warn(f"skipped {self._skipped:,} of {total:,} layers whose kernel does not fit")
        if self.failures > _TOLD:
            say("error", f"{self.failures:,} timings failed in all", streams.color)
        if self.rows or not total:
            return
        reason = "no layer is left" if self._wishes.sweep.condition is None else "no layer satisfies --where"
        if self._wishes.to.gates or self._wishes.options.gates.fail_if_grows:
            raise DsconvError(f"{reason}, so the gates checked nothing")
        streams.warn(reason)


def _rows(wishes: Wishes, told: _Told, stack: ExitStack, *, wanted: bool) -> Numbered:
    """The rows, each with a number by which it can be had again where they are to be in an order."""
    if wishes.results is None and wishes.sweep.closed:
        return wishes.sweep.numbered(told), wishes.sweep.layer_at
    rows = wishes.sweep.rows(told) if wishes.results is None else _recorded(wishes, told, stack, wanted=wanted)
    kept: Spool[Comparison] = Spool()
    return ((0 if wishes.order is None else kept.put(one), one) for one in rows), kept.get


def _recorded(wishes: Wishes, told: _Told, stack: ExitStack, *, wanted: bool) -> Iterator[Comparison]:
    """The rows of the results file, once they are all there, as far as anyone wants them."""
    sweep = wishes.sweep
    assert wishes.results is not None
    file = stack.enter_context(ResultsFile(wishes.results, sweep.settings, wishes.keys, mixed=sweep.mixed))
    had = file.rows
    if file.torn:
        wishes.streams.note(f"{file.path} ended in half a row, of a run that was killed; it was cut off")
    sweep.complete(file, told)
    told.wipe()
    wishes.streams.note(f"{file.path}: {had:,} rows were there, {file.rows - had:,} were added")
    if wanted or sweep.timing is not None or sweep.shared:
        return _with_failures(sweep.recorded(file), told, wishes.streams)
    told.rows = file.rows
    return iter(())


def _with_failures(rows: Iterator[Comparison], told: _Told, streams: Streams) -> Iterator[Comparison]:
    """The rows. What failed in an earlier run is not tried again, and makes this one fail alike."""
    failed, lost_now = 0, told.lost
    for one in rows:
        failed += bool(one.error) or not (one.times is None or one.times.complete)
        told.failures = max(told.failures, failed)
        yield one
    if failed > lost_now:
        earlier = failed - lost_now
        again = f"{'was' if earlier == 1 else 'were'} not tried again"
        say("error", f"{many(earlier, 'layer')} could not be measured in an earlier run and {again}", streams.color)


def _on_all(wishes: Wishes, gates: Gates) -> Iterator[Outlet]:
    """What shows all rows at once."""
    if wishes.options.rows.summary:
        whole = Summary()
        yield Outlet(whole.add, lambda: wishes.to.write_out(gates.judged(summary.report(whole))))
    if wishes.axes is None:
        return
    if wishes.options.drawn_here:
        yield plot(wishes.axes, partial(draw_here, wishes.streams.view))
    for file in wishes.to.files:
        if file.kind:
            yield plot(wishes.axes, partial(draw_to, file))


def _on_shown(wishes: Wishes, gates: Gates, stack: ExitStack) -> Iterator[Shown]:
    """What gets the rows that are left after --sort and --top."""
    form = wishes.rows_on
    if wishes.to.key is not None:
        yield lines_on_stdout("bare", (wishes.to.key,))
    elif form is not None and form.name in STREAMED:
        yield lines_on_stdout(form.name, wishes.shown_keys(form.name))
    elif form is not None and form.for_people:
        yield _table(wishes, gates, wishes.to.write_out)
    for file in wishes.to.files:
        if file.format.name in STREAMED:
            yield lines_in_file(file, wishes.shown_keys(file.format.name), stack)
        elif file.format.name == "parquet":
            keys = keys_of(wishes.sweep.runtimes, named=True, shared=True)
            yield columns_in_file(file, wishes.columns or tuple(keys), stack)
        elif not file.kind:
            yield _table(wishes, gates, file.write)


def _table(wishes: Wishes, gates: Gates, write: Callable[[Report], None]) -> Outlet:
    columns = default_columns(wishes.sweep) if wishes.columns is None else key_columns(wishes.columns)
    return table(columns, wishes.sweep.source.title, lambda report: write(gates.judged(report)))


def _judges(wishes: Wishes, gates: Gates) -> Iterator[Outlet]:
    """What says at the end how the rows are to be taken."""
    if wishes.sweep.timing is not None:
        yield doubts(wishes.streams)
    if wishes.to.gates or wishes.earlier is not None:
        yield Outlet(gates.add, gates.finish)

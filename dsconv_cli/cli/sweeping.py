"""A sweep from its options to its exit code: everything is checked first, then the layers go by one at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dsconv_cli.cli.options import BUDGET, GateOptions, StreamOptions, choice, seconds, timer_of
from dsconv_cli.cli.progress import LayersDone, clock_text
from dsconv_cli.cli.report import GATE_FAILED, File, parse_file
from dsconv_cli.cli.sinks import Counted, Doubts, FileLines, Gates, Plot, Sink, StdoutLines, SummaryOf, Table
from dsconv_cli.cli.streams import Streams, is_terminal
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.counting.profilers import choices
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import check_targets
from dsconv_cli.gates import Gate, check_types, parse_gate
from dsconv_cli.layer.reading import integer, layer_name
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report import FORMATS
from dsconv_cli.report.lines import STREAMED
from dsconv_cli.report.plots.picture import AXES, Axes, Picture, choose_axes
from dsconv_cli.report.sweep_table import default_columns, key_columns
from dsconv_cli.sweep.conditions import Condition, parse_where
from dsconv_cli.sweep.keys import check_present, is_measured, resolve, resolve_many
from dsconv_cli.sweep.order import Order, parse_order
from dsconv_cli.sweep.pacing import Timed, time_layers
from dsconv_cli.sweep.parallel import MOST_JOBS, count, count_one
from dsconv_cli.sweep.results import ResultsFile
from dsconv_cli.sweep.sources import (
    Misfit,
    Shard,
    Source,
    parse_shard,
    parse_source,
    specs,
)

if TYPE_CHECKING:
    from dsconv_cli.cli.sweep import (
        ListOptions,
        PlotOptions,
        RowOptions,
        RunOptions,
        SourceOptions,
        SweepOutputOptions,
        SweepTimingOptions,
    )
    from dsconv_cli.timing.settings import TimingSettings
    from dsconv_cli.timing.timer import TimingProgress

#: Seconds that a layer's timing may take where no --budget is given.
_EACH_S: Final = float(BUDGET)
_PICTURES: Final = (".svg", ".png")
#: Skipped layers that are told one by one; --verbose tells all.
_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Request:
    """The options as they stood on the command line."""

    layers: ListOptions
    source: SourceOptions
    profiler: str
    time: bool
    timing: SweepTimingOptions
    output: SweepOutputOptions
    rows: RowOptions
    gates: GateOptions
    pictures: PlotOptions
    run: RunOptions
    speech: StreamOptions

    @property
    def texts(self) -> dict[str, str]:
        """The lists of values that were given."""
        return {**self.layers.texts, **({"dtype": self.timing.dtype} if self.timing.dtype else {})}


@dataclass(frozen=True, slots=True)
class Sweep:
    """A run that is known to be possible."""

    request: Request
    streams: Streams
    source: Source
    shard: Shard
    condition: Condition | None
    order: Order | None
    keys: tuple[str, ...]
    gates: tuple[Gate, ...]
    axes: Axes | None
    pictures: tuple[str, ...]
    files: tuple[File, ...]
    results: Path | None
    stdout: str
    jobs: int
    timing: TimingSettings | None

    @property
    def total(self) -> int:
        """Layers of this shard, whether or not their kernels fit."""
        start, stop = self.shard.bounds(self.source.count)
        return stop - start


def run(request: Request) -> int:
    """Do what was asked, and return the exit code."""
    sweep = prepare(request)
    announce(sweep)
    if request.source.strict:
        _refuse_misfits(sweep)
    skipped = Skipped(sweep)
    gates = Gates(sweep.gates, github=request.output.format_name == "github", color=sweep.streams.color)
    with ExitStack() as stack:
        progress = stack.enter_context(LayersDone(sweep.total, quiet=request.speech.quiet or _rows_on_terminal(sweep)))
        shown = list(_shown(sweep, stack))
        counted = Counted()
        seen: list[Sink] = [counted, *_seen(sweep), *([gates] if sweep.gates else [])]
        rows = _tee(_rows(sweep, skipped, progress, stack, wanted=bool(shown or seen[1:])), seen)
        for row in rows if sweep.order is None else sweep.order.apply(rows):
            for sink in shown:
                sink.add(row)
        progress.wipe()
        skipped.tell_total()
        for sink in (*shown, *seen):
            sink.finish()
    _tell_of_nothing(sweep, counted.rows)
    return GATE_FAILED if gates.failed else 0


def _tell_of_nothing(sweep: Sweep, rows: int) -> None:
    """A gate that judged no layer has not passed: a slip in --where must not turn it off for good."""
    if rows or not sweep.total:
        return
    reason = "no layer satisfies --where" if sweep.condition is not None else "no layer is left"
    if sweep.gates:
        raise DsconvError(f"{reason}, so that the gates judged nothing")
    sweep.streams.warn(reason)


def prepare(request: Request) -> Sweep:
    """Check every wish.

    Raises:
        DsconvError: one of them cannot be met.
    """
    streams = request.speech.streams()
    choice("--profiler", request.profiler, choices())
    clocked = request.timing.settings(request.time)
    absent = (*(["measured"] if request.profiler == "none" else []), *([] if request.time else ["time"]))
    source = parse_source(
        request.texts,
        zips=request.source.zips or (),
        bias=request.layers.bias,
        file=_one_file(request.source.from_file or ()),
    )
    keys = tuple(KEYS) if request.rows.columns is None else resolve_many(request.rows.columns, "--columns")
    condition = parse_where(*request.rows.where) if request.rows.where else None
    order = parse_order(request.rows.sort, request.rows.top, default="time.speedup" if request.time else "macs.ratio")
    gates = _gates(request)
    for option, wanted in (
        ("--where", condition.keys if condition else ()),
        ("--sort", (order.key,) if order else ()),
        ("--fail-under or --fail-over", [gate.key for gate in gates]),
        ("--get", (resolve(request.output.get, "--get"),) if request.output.get else ()),
    ):
        for key in wanted:
            check_present(key, absent, option)
    check_types(KEYS, gates)
    pictures, files = _targets(request)
    axes = _axes(request, source, absent) if pictures else None
    results, files = _results_file(request, files)
    return Sweep(
        request,
        streams,
        source,
        parse_shard(request.run.shard),
        condition,
        order,
        keys,
        gates,
        axes,
        pictures,
        files,
        results,
        _stdout(request, pictures, bool(files or results)),
        _jobs(request.run.jobs),
        clocked,
    )


def _jobs(text: str) -> int:
    jobs = integer(text, "--jobs")
    if jobs > MOST_JOBS:
        raise DsconvError(f"--jobs must be at most {MOST_JOBS}: each is a process that loads torch")
    return jobs


def announce(sweep: Sweep) -> None:
    """Say how much there is to do, and what will not be done."""
    shard = f", part {sweep.shard.index} of {sweep.shard.total}" if sweep.shard.total > 1 else ""
    what = str(sweep.source)
    layers = "layer" if sweep.total == 1 else "layers"
    sweep.streams.note(f"{sweep.total:,} {layers}{shard}" + (f": {what}" if what else ""))
    if sweep.jobs > 1 and sweep.request.profiler == "none":
        sweep.streams.note("--jobs has no effect with --profiler none: arithmetic is cheaper than handing it over")
    if sweep.jobs > 1 and sweep.timing is not None:
        sweep.streams.note("--jobs is for counting alone: layers timed side by side would disturb each other")
    file = sweep.source.file
    if file is not None and sweep.source.replaced:
        sweep.streams.note(f"the options replace what {file.name} says of {', '.join(sweep.source.replaced)}")
    if file is not None and file.ineligible:
        sweep.streams.note(f"{file.ineligible:,} of the model's layers in {file.name} have no replacement; left out")


def _one_file(files: Sequence[str]) -> str | None:
    if len(files) > 1:
        raise DsconvError("--from takes one file; put several together with cat, or run once for each")
    return files[0] if files else None


def _gates(request: Request) -> tuple[Gate, ...]:
    return (
        *(
            parse_gate("under", text, lambda name: resolve(name, "--fail-under"))
            for text in request.gates.fail_under or ()
        ),
        *(
            parse_gate("over", text, lambda name: resolve(name, "--fail-over"))
            for text in request.gates.fail_over or ()
        ),
    )


def _targets(request: Request) -> tuple[tuple[str, ...], tuple[File, ...]]:
    """Pictures and other files; that each can be written is known when this returns."""
    drawn = [text for text in (request.output.output or ()) if _is_picture(text)]
    files = tuple(parse_file(text) for text in (request.output.output or ()) if text not in drawn)
    pictures = (*(request.pictures.plot or ()), *(text.removeprefix("svg:") for text in drawn))
    for target in pictures:
        if target == "-":
            from dsconv_cli.report.plots.terminal import check_installed

            check_installed()
            continue
        if Path(target).suffix.lower() not in _PICTURES:
            raise DsconvError(f"--plot {target}: a picture ends in {' or '.join(_PICTURES)}, or is - for the terminal")
        from dsconv_cli.report.plots.files import check_installed

        check_installed()
    every = (*files, *(File("svg", Path(target)) for target in pictures if target != "-"))
    for file in every:
        if file.format == "github":
            raise DsconvError("--output github: annotations go to stdout; use --format github")
    check_targets([file.path for file in every])
    return pictures, files


def _is_picture(text: str) -> bool:
    return Path(text).suffix.lower() in _PICTURES and text.partition(":")[0] not in {*FORMATS} - {"svg"}


def _results_file(request: Request, files: tuple[File, ...]) -> tuple[Path | None, tuple[File, ...]]:
    """With --resume, the one file that is appended to, and the others."""
    if not request.run.resume:
        return None, files
    lines = [file for file in files if file.format == "jsonl"]
    if len(lines) != 1:
        raise DsconvError("--resume goes on with the rows of a file; name it with --output FILE.jsonl")
    return lines[0].path, tuple(file for file in files if file is not lines[0])


def _axes(request: Request, source: Source, absent: tuple[str, ...]) -> Axes:
    usual = "time.speedup" if request.time else "macs.ratio"
    y = resolve(request.pictures.plot_y or usual, "--plot-y")
    check_present(y, absent, "--plot-y")
    return choose_axes(source.varying, source.grid.values, request.pictures.axes(), y)


def _stdout(request: Request, pictures: tuple[str, ...], other_files: bool) -> str:
    """What stdout gets: a format, "bare" values, a "summary", a "picture", or nothing ("")."""
    formats = [name for name, one in FORMATS.items() if one.on_stdout]
    if request.output.format_name and request.output.format_name not in formats:
        raise DsconvError(f"--format must be one of {', '.join(formats)}, not {request.output.format_name!r}")
    wishes = [
        option
        for option, asked in (
            ("--get", request.output.get),
            ("--summary", request.rows.summary),
            ("--plot -", "-" in pictures),
        )
        if asked
    ]
    if len(wishes) > 1:
        raise DsconvError(f"{' and '.join(wishes)} cannot share stdout; drop one")
    if "-" in pictures:
        return "picture"
    if request.output.get:
        return "bare"
    if request.rows.summary:
        return "summary"
    if request.output.format_name:
        return request.output.format_name
    return "" if other_files else "table"


def _rows_on_terminal(sweep: Sweep) -> bool:
    """Whether rows go by on the screen, where a line that is redrawn would only be in their way."""
    return sweep.stdout in STREAMED and is_terminal(sys.stdout)


def _shown(sweep: Sweep, stack: ExitStack) -> Iterator[Sink]:
    """What gets the rows that are left after --sort and --top."""
    if sweep.stdout == "bare":
        yield StdoutLines("bare", (resolve(sweep.request.output.get or ""),))
    elif sweep.stdout in STREAMED:
        yield StdoutLines(sweep.stdout, sweep.keys)
    elif sweep.stdout in {"table", "markdown"}:
        yield _table(sweep, sweep.stdout, None)
    for file in sweep.files:
        if file.format in STREAMED:
            yield FileLines(file.format, sweep.keys, file.path, stack)
        else:
            yield _table(sweep, file.format, file.path)


def _seen(sweep: Sweep) -> Iterator[Sink]:
    """What gets every row."""
    color = sweep.streams.color
    if sweep.stdout == "summary":
        yield SummaryOf(sweep.request.output.format_name or "table", color)
    for target in sweep.pictures:
        assert sweep.axes is not None
        yield Plot(Picture(sweep.axes), target, color)
    if sweep.timing is not None:
        yield Doubts(sweep.streams)


def _table(sweep: Sweep, format_name: str, path: Path | None) -> Table:
    if sweep.request.rows.columns is None:
        columns = default_columns(_in_usual_order(sweep.source.varying), timed=sweep.timing is not None)
    else:
        columns = key_columns(sweep.keys)
    return Table(columns, sweep.source.title, format_name, path, sweep.streams.color)


def _in_usual_order(names: Iterable[str]) -> tuple[str, ...]:
    """The arguments as they are always listed; those of one layer where nothing varies."""
    usual = tuple(AXES)
    return tuple(sorted(names, key=lambda name: usual.index(name) if name in usual else len(usual))) or usual[:6]


class Skipped:
    """Tells of layers that cannot exist: the first ones by name, the others by number."""

    def __init__(self, sweep: Sweep) -> None:
        self._streams, self._strict, self._total = sweep.streams, sweep.request.source.strict, sweep.total
        self.count = 0

    def add(self, misfit: Misfit) -> None:
        """One more."""
        self.count += 1
        if self.count <= _TOLD or self._streams.verbose:
            self._streams.warn(f"skipped {misfit.layer}: {misfit.reason}")

    def tell_total(self) -> None:
        """How many there were.

        Raises:
            DsconvError: nothing was left.
        """
        if self.count and self.count == self._total:
            raise DsconvError("there is no layer that can exist; see the warnings above")
        if self.count > _TOLD:
            self._streams.warn(f"skipped {self.count:,} of {self._total:,} layers whose kernel does not fit")


def _refuse_misfits(sweep: Sweep) -> None:
    for one in specs(sweep.source, sweep.shard):
        if isinstance(one, Misfit):
            raise DsconvError(f"{one.layer}: {one.reason} (--strict)")


def _fitting(sweep: Sweep, told: Callable[[Misfit], None]) -> Iterator[ConvSpec]:
    for one in specs(sweep.source, sweep.shard):
        if isinstance(one, Misfit):
            told(one)
        else:
            yield one


def _rows(
    sweep: Sweep, skipped: Skipped, progress: LayersDone, stack: ExitStack, *, wanted: bool
) -> Iterator[Comparison]:
    """Every layer that --where lets through, measured, in the order of the sweep."""
    late = _late(sweep)
    if sweep.results is not None:
        file = stack.enter_context(ResultsFile(sweep.results, _settings(sweep)))
        _complete(sweep, file, skipped, progress)
        rows = file.read_all(_early(sweep, _fitting(sweep, lambda _: None))) if wanted else iter(())
    elif sweep.timing is not None:
        rows = _in_order(_timed(sweep, list(_early(sweep, _fitting(sweep, skipped.add))), progress))
    else:
        rows = _counted(sweep, _early(sweep, _with_progress(_fitting(sweep, skipped.add), progress)))
    return rows if late is None else filter(late, rows)


def _settings(sweep: Sweep) -> dict[str, object]:
    """What the rows of one results file have in common, as far as it is known before anything is measured."""
    settings: dict[str, object] = {"--profiler": sweep.request.profiler, "--time": "off"}
    if sweep.timing is not None:
        one = sweep.timing
        settings.update({"--time": "on", "--device": one.device, "--threads": one.threads, "layout": one.layout})
    return settings


def _complete(sweep: Sweep, file: ResultsFile, skipped: Skipped, progress: LayersDone) -> None:
    """Measure what the file lacks."""
    had = file.rows
    if file.torn:
        sweep.streams.note(f"{file.path} ended in half a row, of a run that was killed; it was cut off")
    missing = file.missing(_early(sweep, _with_progress(_fitting(sweep, skipped.add), progress)))
    if sweep.timing is None:
        new = _counted(sweep, missing)
    else:
        new = (one.comparison for one in _timed(sweep, list(missing), progress))
    for one in new:
        file.append(one)
    progress.wipe()
    sweep.streams.note(f"{file.path}: {had:,} rows were there, {file.rows - had:,} were added")


def _timed(sweep: Sweep, layers: list[ConvSpec], progress: LayersDone) -> Iterator[Timed]:
    """`layers` with what is counted and timed, in the order in which they are timed."""
    if not layers:
        return
    assert sweep.timing is not None
    total = seconds(sweep.request.timing.budget, "--budget") if sweep.request.timing.budget else _EACH_S * len(layers)
    sweep.streams.note(f"timing {len(layers):,} layers takes at most {clock_text(total)}, split over them")
    progress.restart(len(layers))

    def watch(spec: ConvSpec, left: float) -> Callable[[TimingProgress], None]:
        note = f"timing {layer_name(spec)}"
        progress.doing(note, left)
        return lambda one: progress.doing(note, left - one.elapsed_s)

    with timer_of(sweep.timing) as timer:
        assert timer is not None
        profiler = sweep.request.profiler
        for one in time_layers(layers, lambda spec: count_one(closed_forms(spec), profiler), timer, total, watch=watch):
            progress.step()
            yield one


def _in_order(rows: Iterable[Timed]) -> Iterator[Comparison]:
    """Rows in the order of the sweep, once all are there."""
    return (one.comparison for one in sorted(rows, key=lambda one: one.place))


def _counted(sweep: Sweep, layers: Iterable[ConvSpec]) -> Iterator[Comparison]:
    """`layers` with what the profiler counts."""
    return count(map(closed_forms, layers), sweep.request.profiler, sweep.jobs)


def _early(sweep: Sweep, layers: Iterable[ConvSpec]) -> Iterator[ConvSpec]:
    """The layers that --where lets through, as far as the closed forms can tell."""
    condition = sweep.condition
    if condition is None or any(map(is_measured, condition.keys)):
        return iter(layers)
    return (spec for spec in layers if condition.holds(closed_forms(spec)))


def _late(sweep: Sweep) -> Callable[[Comparison], bool] | None:
    """What --where asks of measured values."""
    condition = sweep.condition
    return condition.holds if condition and any(map(is_measured, condition.keys)) else None


def _with_progress(layers: Iterable[ConvSpec], progress: LayersDone) -> Iterator[ConvSpec]:
    for spec in layers:
        yield spec
        progress.step()


def _tee(rows: Iterable[Comparison], sinks: Iterable[Sink]) -> Iterator[Comparison]:
    listening = tuple(sinks)
    if not listening:
        yield from rows
    for row in rows:
        for sink in listening:
            sink.add(row)
        yield row

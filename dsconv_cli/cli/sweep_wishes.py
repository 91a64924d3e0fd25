"""What the options of `dsconv sweep` come to. All of it is known to be possible before anything is measured."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dsconv_cli.baseline.change import OPTION
from dsconv_cli.baseline.rows import EarlierRows
from dsconv_cli.cli.baseline import limits_of, path_of
from dsconv_cli.cli.destinations import Destinations, File, check_installed, choose, parse_files, parse_picture
from dsconv_cli.cli.options import choice
from dsconv_cli.cli.output_options import FORMAT_VARIABLE
from dsconv_cli.cli.streams import Streams
from dsconv_cli.cli.sweep_outlets import MOST_IN_TABLE, TOO_LONG
from dsconv_cli.cli.timing_options import seconds
from dsconv_cli.comparison.keys import keys_of
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.counting.profilers import choices
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.gates import check_types, parse_gates
from dsconv_cli.keys import Keys
from dsconv_cli.layer.fields import DTYPE_BYTES, FIELDS
from dsconv_cli.layer.reading import integer
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.report.formats import Format
from dsconv_cli.report.pictures.drawing import Axes, choose_axes
from dsconv_cli.sweep.conditions import parse_where
from dsconv_cli.sweep.keys import KEYS, check_present, resolve, resolve_many
from dsconv_cli.sweep.order import Order, parse_order
from dsconv_cli.sweep.parallel import MOST_JOBS
from dsconv_cli.sweep.run import Sweep
from dsconv_cli.sweep.sources import parse_shard, parse_source
from dsconv_cli.sweep.summary import is_time

if TYPE_CHECKING:
    from dsconv_cli.cli.sweep import SweepOptions

#: A scheduler's address.
_ADDRESS: Final = re.compile(r"(tcp|tls)://[^\s/:]+(:[0-9]{1,5})|(tcp|tls)://\[[0-9a-fA-F:]+\]:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """A sweep, and what becomes of its rows.

    `order` is None where they are shown as they come, `columns` are the keys that are shown and None for what is usual,
    `results` is the file that rows are appended to, and `to` are all other places that they go to. `earlier` are the
    rows of a baseline.
    """

    options: SweepOptions
    sweep: Sweep
    keys: Keys[Comparison]
    order: Order | None
    columns: tuple[str, ...] | None
    axes: Axes | None
    results: Path | None
    to: Destinations
    earlier: EarlierRows | None

    @property
    def streams(self) -> Streams:
        """How it speaks."""
        return self.to.streams

    @property
    def rows_on(self) -> Format | None:
        """The format in which stdout gets rows, if any."""
        elsewhere = self.options.drawn_here or self.options.rows.summary or self.to.key
        return None if elsewhere else self.to.format

    @property
    def page_on_stdout(self) -> bool:
        """Whether stdout gets what people read, and so what the gates and the baseline come to."""
        form = self.to.format if self.options.rows.summary else self.rows_on
        return form is not None and form.for_people

    @property
    def whole(self) -> bool:
        """Whether every layer of the sweep is a row."""
        return self.sweep.condition is None and self.sweep.shard.total == 1

    def shown_keys(self, format_name: str) -> tuple[str, ...]:
        """What a row has in CSV or JSON. A column of CSV in which nothing can stand is there only if asked for."""
        if self.columns is not None:
            return self.columns
        return self.keys.columns(self.sweep.absent) if format_name == "csv" else tuple(self.keys)


def check(options: SweepOptions) -> Wishes:
    """Check every wish, before anything is measured."""
    streams = options.speech.streams()
    sweep = _sweep(options, streams)
    order = parse_order(options.rows.sort, options.rows.top, default=sweep.usual)
    keys = keys_of(sweep.runtimes, named=sweep.source.named, shared=sweep.shared)
    asked = options.rows.columns
    columns = None if asked is None else resolve_many(asked, "--columns", keys)
    key = resolve(options.output.get, "--get") if options.output.get else None
    gates = parse_gates(options.gates.fail_under, options.gates.fail_over, resolve)
    absent = (*sweep.absent, *([] if sweep.source.named else ["name"]))
    for option, wanted in (
        ("--where", sweep.condition.keys if sweep.condition else ()),
        ("--sort", (order.key,) if order else ()),
        (
            "--columns",
            [one for one in columns or () if one == "name" or one.startswith(("runtimes.", "environment.machine."))],
        ),
        ("--fail-under or --fail-over", [gate.key for gate in gates]),
        ("--get", (key,) if key else ()),
    ):
        for one in wanted:
            check_present(one, absent, option)
    check_types(KEYS, gates)
    files = list(_files(options))
    baseline = path_of(options.gates, files, streams)
    limits = limits_of(options.gates, keys, absent, lambda name: resolve(name, OPTION))
    earlier = None if baseline is None else EarlierRows(baseline, limits, keys)
    results, rest = _results_file(options, files)
    axes = _axes(options, sweep) if options.drawn_here or any(file.kind for file in files) else None
    beside = [] if results is None else [results]
    form = _stdout(options, bool(files))
    to = choose("sweep", streams, form, rest, key=key, gates=gates, beside=beside)
    wishes = Wishes(options, sweep, keys, order, columns, axes, results, to, earlier)
    _refuse_endless_table(wishes)
    return wishes


def _refuse_endless_table(wishes: Wishes) -> None:
    """Where the number of rows is known, a table that is too long is refused before any is made."""
    formats = (wishes.rows_on, *(file.format for file in wishes.to.files))
    if not any(one is not None and one.for_people for one in formats) or wishes.sweep.condition is not None:
        return
    top = None if wishes.order is None else wishes.order.top
    if (wishes.sweep.total if top is None else min(top, wishes.sweep.total)) > MOST_IN_TABLE:
        raise DsconvError(TOO_LONG)


def _sweep(options: SweepOptions, streams: Streams) -> Sweep:
    choice("--profiler", options.profiler, choices())
    how = options.how
    settings = how.settings(options.time)
    dtype = {"dtype": how.dtype} if how.dtype else {}
    # Of several dtypes, or what a file says, each layer is refused where it comes.
    usual = ConvSpec(1, 1, dtype=how.dtype if how.dtype in DTYPE_BYTES else FIELDS["dtype"].default)
    runtimes = how.runtimes(settings, usual, streams)
    source = parse_source(
        {**options.layers.texts, **dtype},
        zips=options.source.zips or (),
        bias=options.layers.bias,
        file=_one_file(options.source.from_file or ()),
    )
    return Sweep(
        source,
        parse_shard(options.run.shard),
        parse_where(*options.rows.where) if options.rows.where else None,
        options.profiler,
        integer(options.run.jobs, "--jobs", most=MOST_JOBS),
        settings,
        runtimes if how.runtime else (),
        None if how.budget is None else seconds(how.budget),
        _cluster(options),
        options.run.allow_mixed,
    )


def _cluster(options: SweepOptions) -> str:
    """The address of the scheduler, or ""."""
    address = options.run.cluster
    if address is None:
        if options.run.allow_mixed:
            raise DsconvError("--allow-mixed is about the machines of --cluster; it goes with that")
        return ""
    if not _ADDRESS.fullmatch(address):
        raise DsconvError(f"--cluster takes tcp://HOST:PORT, or tls:// with certificates, not {quoted(address)}")
    check_installed("distributed", "--cluster", extra="dask")
    return address


def _one_file(files: Sequence[str]) -> str | None:
    if len(files) > 1:
        raise DsconvError("--from takes one file; put several together with cat, or run once for each")
    return files[0] if files else None


def _files(options: SweepOptions) -> Iterator[File]:
    """All that is to be written, pictures among it."""
    yield from parse_files("sweep", options.output)
    for target in options.pictures.plot or ():
        if target == "-":
            check_installed("plotille", "--plot -")
        else:
            yield parse_picture("sweep", target)


def _results_file(options: SweepOptions, files: Sequence[File]) -> tuple[Path | None, list[File]]:
    """With --resume, the one file that is appended to, and the others."""
    if not options.run.resume:
        return None, list(files)
    lines = [file for file in files if file.format.name == "jsonl"]
    if len(lines) != 1:
        raise DsconvError("--resume goes on with the rows of a file; name it with --output FILE.jsonl")
    return lines[0].path, [file for file in files if file is not lines[0]]


def _axes(options: SweepOptions, sweep: Sweep) -> Axes:
    pictures, source = options.pictures, sweep.source
    y = resolve(pictures.plot_y or sweep.usual, "--plot-y")
    check_present(y, sweep.absent, "--plot-y")
    if sweep.mixed and is_time(y):
        raise DsconvError(
            "a picture of times would put machines of several kinds into one line; leave out --allow-mixed, or draw "
            "--plot-y macs.ratio"
        )
    asked = {"x": pictures.plot_x, "by": pictures.plot_by, "y": pictures.plot_y}
    return choose_axes(source.varying, source.grid.values, asked, y, sweep.runtimes, source.grid.tied)


def _stdout(options: SweepOptions, other_files: bool) -> str:
    """The name of the format that stdout gets; "" for none."""
    wishes = {
        "--get": options.output.get,
        "--summary": options.rows.summary,
        "--plot -": options.drawn_here,
    }
    asked = [option for option, wanted in wishes.items() if wanted]
    # The variable that sets the default format asks for nothing.
    if options.drawn_here and options.output.format_name not in {"", "table", os.environ.get(FORMAT_VARIABLE)}:
        asked.append(f"--format {options.output.format_name}")
    if len(asked) > 1:
        raise DsconvError(f"{' and '.join(asked)} cannot share stdout; drop one")
    return options.output.format_name or ("" if other_files and not options.rows.summary else "table")

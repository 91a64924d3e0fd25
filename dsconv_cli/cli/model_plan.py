"""Where the result of `dsconv model` goes: stdout, files, a picture, one bare value, gates. Checked before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dsconv_cli.cli.report import GATE_FAILED, File
from dsconv_cli.cli.stdout import results
from dsconv_cli.cli.streams import Streams, has_color, has_unicode, is_terminal, say, terminal_width, write_out
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import check_targets, replace_file
from dsconv_cli.gates import Failure, Gate, check, check_types, parse_gates
from dsconv_cli.layer import reading
from dsconv_cli.model.keys import KEYS
from dsconv_cli.model.result import ModelResult
from dsconv_cli.report import View
from dsconv_cli.report.csv_ import cell
from dsconv_cli.report.layers_file import layers_file
from dsconv_cli.report.model import FORMATS, PLOT, Shown, render

PLOT_ENDINGS: Final = (".svg", ".png", ".pdf")
LAYER_ENDINGS: Final = (".csv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Levels:
    """How much of the network the table shows; see `Shown`."""

    depth: int | None = None
    top: int | None = None


def levels(depth: str | None, top: str | None) -> Levels:
    """`--depth` and `--top`.

    Raises:
        DsconvError: both, or no positive integer.
    """
    if depth is not None and top is not None:
        raise DsconvError("--depth is for the tree of modules and --top lists layers instead; give one of them")
    return Levels(
        None if depth is None else reading.integer(depth, "--depth"),
        None if top is None else reading.integer(top, "--top"),
    )


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Everything a run will write, known to be possible."""

    streams: Streams
    format: str
    files: tuple[File, ...]
    layers: Path | None
    key: str | None
    gates: tuple[Gate, ...]
    levels: Levels

    def deliver(self, result: ModelResult) -> int:
        """Write the files, then stdout, then judge. Returns the exit code."""
        failures = check(KEYS, result, self.gates)
        for file in self.files:
            self._write(file, result, failures)
        if self.layers is not None:
            replace_file(self.layers, layers_file(result, self.layers.suffix.lower()))
        if self.key is not None:
            write_out(cell(KEYS.read(result, self.key)) + "\n")
        else:
            write_out(render(self.format, result, self._shown(self._view(failures))))
        for failure in failures:
            say("error", f"gate failed: {failure.message}", self.streams.color)
        return GATE_FAILED if failures else 0

    def _write(self, file: File, result: ModelResult, failures: tuple[Failure, ...]) -> None:
        if file.format == PLOT:
            from dsconv_cli.report.model.plot import draw

            replace_file(file.path, draw(result, file.path.suffix[1:].lower(), self.levels.depth))
        else:
            replace_file(file.path, render(file.format, result, self._shown(View(failures=failures))))

    def _shown(self, view: View) -> Shown:
        return Shown(view, self.levels.depth, self.levels.top)

    def _view(self, failures: tuple[Failure, ...]) -> View:
        return View(
            width=terminal_width() if is_terminal(results()) else None,
            unicode=has_unicode(results()),
            color=has_color(results(), self.streams.color),
            failures=failures,
        )


def plan(
    streams: Streams,
    *,
    format_name: str,
    outputs: Sequence[str],
    plot: str | None,
    layers: str | None,
    key: str | None,
    fail_under: Sequence[str],
    fail_over: Sequence[str],
    with_time: bool,
    shown: Levels,
) -> ModelPlan:
    """Check every wish before anything is loaded.

    Raises:
        DsconvError: an unknown format or key, a gate that is not KEY=NUMBER, a path that cannot be written.
    """
    on_stdout = [name for name, one in FORMATS.items() if one.on_stdout]
    if format_name not in on_stdout:
        raise DsconvError(f"--format must be one of {', '.join(on_stdout)}, not {format_name!r}")
    gates = parse_gates(fail_under, fail_over, KEYS.find)
    check_types(KEYS, gates)
    found = None if key is None else KEYS.find(key)
    for wanted in (*([found] if found else []), *(gate.key for gate in gates)):
        KEYS.check_asked(wanted, () if with_time else ("totals.time",))
    files = [_file(text) for text in outputs]
    if plot is not None:
        files.append(File(PLOT, _path("--plot", plot, PLOT_ENDINGS)))
    layers_path = None if layers is None else _path("--layers", layers, LAYER_ENDINGS)
    check_targets([*(file.path for file in files), *([layers_path] if layers_path else [])])
    if any(file.format == PLOT for file in files) and find_spec("matplotlib") is None:
        raise DsconvError("a plot needs matplotlib: pip install 'dsconv-cli[plot]'")
    return ModelPlan(streams, format_name, tuple(files), layers_path, found, gates, shown)


def _file(text: str) -> File:
    """`--output [FORMAT:]PATH`."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix in FORMATS:
        if not rest:
            raise DsconvError(f"--output {text} names no file; it takes [FORMAT:]PATH")
        return File(prefix, _path("--output", rest, PLOT_ENDINGS) if prefix == PLOT else Path(rest))
    # One letter before a colon is a drive on Windows.
    if colon and prefix.isalpha() and len(prefix) > 1:
        raise DsconvError(f"--output {text}: unknown format {prefix!r}; formats are {', '.join(FORMATS)}")
    ending = Path(text).suffix.lower()
    name = next((name for name, one in FORMATS.items() if ending in one.extensions), None)
    if name is None:
        endings = " ".join(ending for one in FORMATS.values() for ending in one.extensions)
        raise DsconvError(f"--output {text}: its ending names no format; use one of {endings}, or FORMAT:PATH")
    return File(name, Path(text))


def _path(option: str, text: str, endings: Sequence[str]) -> Path:
    path = Path(text)
    if path.suffix.lower() not in endings:
        raise DsconvError(f"{option} {text}: its ending must be one of {' '.join(endings)}")
    return path

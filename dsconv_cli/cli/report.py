"""Where results go: stdout, files, one bare value, gates. Everything is checked before anything is measured."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsconv_cli.cli.streams import Streams, has_color, has_unicode, is_terminal, say, terminal_width, write_out
from dsconv_cli.comparison.keys import KEYS
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import check_targets, replace_file
from dsconv_cli.gates import Failure, Gate, check, check_types, parse_gates
from dsconv_cli.report import FORMATS, View, format_of, render, render_file
from dsconv_cli.report.csv_ import cell

GATE_FAILED = 1


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written, and in which format."""

    format: str
    path: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will write, known to be possible."""

    streams: Streams
    format: str
    files: tuple[File, ...]
    key: str | None
    gates: tuple[Gate, ...]
    explain: bool

    @property
    def live(self) -> bool:
        """Whether the table may be shown before it is complete, and redrawn."""
        return self.key is None and self.format == "table" and self.streams.live

    def view(self, failures: tuple[Failure, ...] = ()) -> View:
        """How stdout is to be written."""
        return View(
            width=terminal_width() if is_terminal(sys.stdout) else None,
            unicode=has_unicode(sys.stdout),
            color=has_color(sys.stdout, self.streams.color),
            explain=self.explain and FORMATS[self.format].explains,
            failures=failures,
        )

    def deliver(self, result: Comparison) -> int:
        """Write the files, then stdout, then judge. Returns the exit code."""
        failures = check(KEYS, result, self.gates)
        self.write_files(result, failures)
        if self.key is not None:
            write_out(cell(KEYS.read(result, self.key)) + "\n")
        else:
            view = self.view(failures)
            write_out(
                render(self.format, result, replace(view, explain=self.explain and FORMATS[self.format].explains))
            )
        for failure in failures:
            say("error", f"gate failed: {failure.message}", self.streams.color)
        return GATE_FAILED if failures else 0

    def write_files(self, result: Comparison, failures: tuple[Failure, ...]) -> None:
        """Each file whole or not at all."""
        view = View(explain=self.explain, failures=failures)
        for file in self.files:
            text = render_file(
                file.format, result, replace(view, explain=self.explain and FORMATS[file.format].explains)
            )
            replace_file(file.path, text)


def plan(
    streams: Streams,
    *,
    format_name: str,
    outputs: Sequence[str],
    key: str | None,
    fail_under: Sequence[str],
    fail_over: Sequence[str],
    explain: bool,
    absent: Sequence[str],
) -> Plan:
    """Check every wish. `absent` are the sections that this run does not measure.

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
        KEYS.check_asked(wanted, absent)
    files = tuple(parse_file(text) for text in outputs)
    shown = [*([] if key else [format_name]), *(file.format for file in files)]
    if explain and not any(FORMATS[name].explains for name in shown):
        raise DsconvError("--explain is text for people: it goes with --format table or markdown, or such an --output")
    for file in files:
        _check_drawable(file, absent)
    check_targets([file.path for file in files])
    return Plan(streams, format_name, files, found, gates, explain)


def parse_file(text: str) -> File:
    """`--output [FORMAT:]PATH`.

    Raises:
        DsconvError: no path, or a format that is not known or cannot be told.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in FORMATS:
        if not rest:
            raise DsconvError(f"--output {text} names no file; it takes [FORMAT:]PATH")
        return File(format_of(rest, prefix) or prefix, Path(rest))
    # One letter before a colon is a drive on Windows.
    if colon and prefix.isalpha() and len(prefix) > 1:
        raise DsconvError(f"--output {text}: unknown format {prefix!r}; formats are {', '.join(FORMATS)}")
    if text.endswith(("/", os.sep)):
        raise DsconvError(f"--output {text}: it is a directory")
    name = format_of(text)
    if name is not None:
        return File(name, Path(text))
    endings = " ".join(ending for one in FORMATS.values() for ending in one.extensions)
    raise DsconvError(f"--output {text}: its ending names no format; use one of {endings}, or FORMAT:PATH")


def _check_drawable(file: File, absent: Sequence[str]) -> None:
    from importlib.util import find_spec

    one = FORMATS[file.format]
    if one.section is not None and one.section in absent:
        raise DsconvError(f"a roofline picture ({file.path}) needs {KEYS.sections[one.section].asked_by}")
    if one.requires is not None and find_spec(one.requires) is None:
        raise DsconvError(f"a roofline picture ({file.path}) needs {one.requires}: pip install 'dsconv-cli[plot]'")

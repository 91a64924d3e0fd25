"""Where a result goes: stdout, files, one bare value, gates. Everything is checked before anything is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsconv_cli.cli.output_options import FORMAT_VARIABLE, GateOptions, OutputOptions
from dsconv_cli.cli.streams import Streams, say, write_out
from dsconv_cli.data import bare
from dsconv_cli.errors import DsconvError, installed
from dsconv_cli.files import Replacement, appending, check_targets, replace_file, replacing
from dsconv_cli.gates import Gate, Verdict, check, check_types, parse_gates
from dsconv_cli.keys import Keys, Result
from dsconv_cli.report.formats import FORMATS, Command, Format, formats_of
from dsconv_cli.report.page import Place, Report
from dsconv_cli.text import printable, split_format

if TYPE_CHECKING:
    from dsconv_cli.baseline.beside import Baseline

GATE_FAILED: Final = 1

#: Lines that are written at once.
_TOGETHER: Final = 10_000


#: What is said of a picture whose section is not measured.
_NEEDS: Final = {
    "time": "a roofline picture ({}) needs --time",
    "runtimes": "a picture of runtimes ({}) needs --runtime",
}


class File(NamedTuple):
    """A file to be written. `kind` is what a picture is drawn as, such as "svg"; `added` where the file goes on."""

    path: Path
    format: Format
    kind: str = ""
    added: bool = False

    def write(self, report: Report) -> None:
        """Write it, whole or not at all."""
        if self.format.text is None:
            replace_file(self.path, self.format.content(report, kind=self.kind))
            return
        with self.opened() as file:
            for text in self.format.texts(report):
                file.write(text.encode())

    def opened(self) -> AbstractContextManager[Replacement]:
        """The file, to be written piece by piece; what is for people is set off from what it is added to."""
        return appending(self.path, "\n" if self.format.for_people else "") if self.added else replacing(self.path)


class Destinations(NamedTuple):
    """Everything that a run will write, known to be possible.

    stdout gets the one value at `key` where one is asked for, and else the result in `format`, if any.
    """

    streams: Streams
    format: Format | None
    files: tuple[File, ...] = ()
    key: str | None = None
    gates: tuple[Gate, ...] = ()
    baseline: Baseline | None = None
    place: Place | None = None

    @property
    def live(self) -> bool:
        """Whether the table may be shown before it is complete, and redrawn."""
        return self.key is None and self.format is not None and self.format.name == "table" and self.streams.live

    @property
    def formats(self) -> tuple[Format, ...]:
        """All that is asked for."""
        return (*([self.format] if self.format and self.key is None else []), *(file.format for file in self.files))

    def deliver(self, report_of: Callable[[Result], Report], keys: Keys[Result], result: Result) -> int:
        """Judge `result` by its `keys`, write the files, then stdout, then what failed. Returns the exit code."""
        beside = None if self.baseline is None else self.baseline.beside(keys, result)
        verdicts: tuple[Verdict, ...] = (*check(keys, result, self.gates), *(() if beside is None else beside.verdicts))
        if self.formats:
            report = report_of(result)._replace(verdicts=verdicts, place=self.place)
            if beside is not None:
                from dsconv_cli.report.baseline import with_baseline

                report = with_baseline(report, beside)
            for file in self.files:
                file.write(report)
            self.write_out(report)
        if self.key is not None:
            write_out(printable(bare(keys.read(result, self.key))) + "\n")
        failed = [one for one in verdicts if not one.passed]
        for one in failed if not self.annotates else ():
            say("error", f"gate failed: {one.message}", self.streams.color)
        return GATE_FAILED if failed else 0

    @property
    def annotates(self) -> bool:
        """Whether stdout says which gates failed, so that nothing else need."""
        return self.key is None and self.format is not None and self.format.name == "github"

    def without(self, lost: tuple[str, ...]) -> Destinations:
        """The same where the values at keys that begin so could not be measured: nothing is said of them."""
        gates = tuple(gate for gate in self.gates if not gate.key.startswith(lost))
        baseline = self.baseline and self.baseline.without(lost)
        rest = self._replace(gates=gates, baseline=baseline)
        return rest._replace(key=None, format=None) if (self.key or "").startswith(lost) else rest

    def write_out(self, report: Report) -> None:
        """Write to stdout, in its format."""
        if self.format is not None and self.key is None:
            texts = self.format.texts(report, self.streams.view)
            while text := "".join(islice(texts, _TOGETHER)):
                write_out(text)


def choose(
    command: Command,
    streams: Streams,
    format_name: str,
    files: Sequence[File],
    *,
    key: str | None = None,
    gates: tuple[Gate, ...] = (),
    baseline: Baseline | None = None,
    absent: Collection[str] = (),
    beside: Sequence[Path] = (),
) -> Destinations:
    """Check every wish. `absent` are the sections that this run does not measure, `beside` files that others write."""
    form = stdout_format(command, format_name)
    for file in files:
        if file.format.section in absent:
            raise DsconvError(_NEEDS[file.format.section].format(file.path))
        if file.kind:
            check_installed("matplotlib", str(file.path))
        if file.format.package:
            check_installed(file.format.package, str(file.path), extra=file.format.name)
    check_targets([*(file.path for file in files), *beside], [file.path for file in files if file.added])
    return Destinations(streams, form, tuple(files), key, gates, baseline)


def for_people(to: Destinations, wishes: Mapping[str, bool]) -> None:
    """Refuse options that add text to a page where no page is shown."""
    for option, wanted in wishes.items():
        if wanted and not any(one.for_people for one in to.formats):
            raise DsconvError(
                f"{option} is text for people: it goes with --format table or markdown, or such an --output"
            )


def stdout_format(command: Command, name: str) -> Format | None:
    """`--format NAME` of a command's stdout; None for no name."""
    known = {one.name: one for one in formats_of(command).values() if one.on_stdout}
    if name in known or not name:
        return known.get(name)
    if os.environ.get(FORMAT_VARIABLE) == name and any(one.name == name for one in FORMATS):
        # A job that sets it for its gates does not mean commands that have none.
        return known["table"]
    raise DsconvError(f"--format must be one of {', '.join(known)}, not {name!r}")


def asked(
    keys: Keys[Any], absent: Collection[str], get: str | None, gates: GateOptions
) -> tuple[str | None, tuple[Gate, ...]]:
    """`--get` and the gates. `absent` are the sections that this run does not measure."""
    parsed = parse_gates(gates.fail_under, gates.fail_over, lambda name, _: keys.find(name))
    check_types(keys, parsed)
    key = None if get is None else keys.find(get)
    for name in (*([key] if key else []), *(gate.key for gate in parsed)):
        keys.check_asked(name, absent)
    return key, parsed


def parse_files(command: Command, output: OutputOptions) -> Iterator[File]:
    """Every `--output`, and whether it is added to what is there.

    Raises:
        DsconvError: one is no file of a format that the command has, or cannot be added to.
    """
    if output.append and not output.output:
        raise DsconvError("--append is about files; it goes with --output")
    for text in output.output or ():
        file = parse_file(command, text)
        summary = _is_summary(file.path)
        if (output.append or summary) and not file.format.adds:
            known = ", ".join(one.name for one in formats_of(command).values() if one.adds and one.in_files)
            why = "the summary of a job is added to" if summary else "--append"
            raise DsconvError(
                f"--output {text}: nothing can be added to {file.format.name} ({why}); use one of {known}"
            )
        yield file._replace(added=output.append or summary)


def _is_summary(path: Path) -> bool:
    """Whether it is the summary of a GitHub job, to which each of its commands adds its own."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    # Links that form a loop are told of by `check_targets`.
    with suppress(OSError, RuntimeError):
        return bool(summary) and path.resolve() == Path(summary or "").resolve()
    return False


def parse_file(command: Command, text: str) -> File:
    """`--output [FORMAT:]PATH`."""
    known = {one.name: one for one in formats_of(command).values() if one.in_files}
    prefix, path = split_format(text, known)
    if prefix in known:
        return _file(known[prefix], path, f"--output {text}")
    if prefix:
        formats = ", ".join(known)
        raise DsconvError(f"--output {text}: unknown format {prefix!r}; formats of dsconv {command} are {formats}")
    meant = next((one for one in known.values() if one.is_meant_by(Path(text))), None)
    if meant is not None:
        return _file(meant, text, f"--output {text}")
    if text.endswith(("/", os.sep)):
        raise DsconvError(f"--output {text}: it is a directory")
    endings = " ".join(dict.fromkeys(ending for one in known.values() for ending in one.endings))
    raise DsconvError(f"--output {text}: its ending names no format; use one of {endings}, or FORMAT:PATH")


def parse_picture(command: Command, text: str) -> File:
    """`--plot PATH`: the picture that the ending means."""
    pictures = {ending: one for one in formats_of(command).values() for ending in one.kinds}
    meant = pictures.get(Path(text).suffix.lower())
    if meant is None:
        raise DsconvError(f"--plot {text}: its ending must be one of {' '.join(pictures)}")
    return _file(meant, text, f"--plot {text}")


def check_installed(package: str, what: str, *, extra: str = "plot") -> None:
    """Refuse `what`, before anything is measured, where the package that it needs is missing."""
    if not installed(package):
        raise DsconvError(f"{what} needs {package}; install it with pip install 'dsconv-cli[{extra}]'")


def _file(one: Format, path: str, said: str) -> File:
    """A file of that format; a picture's kind is its ending, where it may be one of several."""
    if not path:
        raise DsconvError(f"{said} names no file; it takes [FORMAT:]PATH")
    if path.endswith(("/", os.sep)):
        raise DsconvError(f"{said}: it is a directory")
    ending = Path(path).suffix.lower()
    if len(one.kinds) > 1 and ending and ending not in one.kinds:
        raise DsconvError(f"{said}: its ending must be one of {' '.join(one.kinds)}")
    kind = ending if ending in one.kinds else next(iter(one.kinds), "")
    return File(Path(path), one, kind.removeprefix("."))

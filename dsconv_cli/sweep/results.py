"""A results file that outlives its runs: JSON Lines that are only ever appended to, one whole line at a time.

A run that is killed leaves at most one line without its end, which the next run cuts off. The settings are read
from the rows themselves, so that the file needs no companion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self

from dsconv_cli.comparison.keys import KEYS, RUNTIMES, keys_of
from dsconv_cli.comparison.result import Comparison, closed_forms
from dsconv_cli.counting.profilers import Counted
from dsconv_cli.data import at, json_line
from dsconv_cli.environment import Machine
from dsconv_cli.errors import DsconvError
from dsconv_cli.files import GrowingFile
from dsconv_cli.keys import SCHEMA_VERSION, Keys
from dsconv_cli.layer.cost import Counts
from dsconv_cli.layer.forms import FORMS
from dsconv_cli.layer.spec import Bias, ConvSpec
from dsconv_cli.sweep.keys import is_measured
from dsconv_cli.timing.result import Executed, Fastest, Interval, PerOperator, Times, Timing

Settings = Mapping[str, Any]

_BEGINNINGS: Final = (b'{"schema_version": ', b'{"name": ')
#: What must be equal in all rows that hold timings, beside what a user sets.
_SAME_MACHINE: Final = ("platform", "cpu")
_KIND: Final = "kind of machine"
#: What JSON of another shape ends in.
_NOT_OURS: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
#: How those settings begin that differ between machines of several kinds.
_OF_A_KIND: Final = (_KIND, *_SAME_MACHINE, "version of ", "counts by")


class ResultsFile:
    """The file of `--output PATH --resume`, locked while it is open."""

    def __init__(self, path: Path, wanted: Settings, keys: Keys[Comparison] = KEYS, *, mixed: bool = False) -> None:
        """Open or create `path`, read what is there, and cut off a torn last line.

        `wanted` are the settings of this run as far as they are known before it measures, `keys` what a row has. Where
        it is `mixed`, rows may come from machines of several kinds.

        Raises:
            DsconvError: the file is not this program's, of another schema version or other settings, or in use.
        """
        self.path = path
        self._wanted = dict(wanted)
        self._keys, self._mixed = keys, mixed
        self._places: dict[bytes, list[int]] = {}
        self._settled = False
        self._file = GrowingFile(path)
        try:
            self.torn = self._file.cut(self._read_rows())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raises DsconvError if the rows do not stand there any more."""
        try:
            if error is None:
                self._file.check_there()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def rows(self) -> int:
        """How many whole rows there are."""
        return sum(map(len, self._places.values()))

    def missing(self, layers: Iterable[Comparison]) -> Iterator[Comparison]:
        """Those of `layers` that have no row yet. A layer that is there twice needs two rows."""
        had = {digest: len(places) for digest, places in self._places.items()}
        for one in layers:
            digest = _digest(one.spec, one.name)
            if had.get(digest, 0) > 0:
                had[digest] -= 1
            else:
                yield one

    def read_all(self, layers: Iterable[Comparison]) -> Iterator[Comparison]:
        """The rows of `layers`, in their order.

        Raises:
            DsconvError: a row says what layer it is of, and not what this program writes of it.
        """
        met: dict[bytes, int] = {}
        for one in layers:
            digest = _digest(one.spec, one.name)
            nth = met[digest] = met.get(digest, -1) + 1
            try:
                row = comparison_of(json.loads(self._file.line_at(self._places[digest][nth])))
            except _NOT_OURS:
                raise DsconvError(f"{self.path}: what it has of {one.label} is no result of dsconv sweep") from None
            yield row

    def append(self, one: Comparison) -> None:
        """One more row, on the disk (in the system's hands) when this returns.

        Raises:
            DsconvError: what was measured does not belong beside the rows that are there, or these were taken away.
        """
        line = json_line(self._keys.document(one))
        if not self._settled:
            self._check(settings_of(json.loads(line)), f"{self.path} line 1", mine=True)
            self._settled = True
        self._places.setdefault(_digest(one.spec, one.name), []).append(self._file.append(line.encode()))

    def _read_rows(self) -> int:
        """Index the rows; returns the length of the whole ones."""
        end = 0
        for number, line in enumerate(self._file.lines(), 1):
            if not line.endswith(b"\n"):
                self._check_ours(line, number)
                break
            self._index(line, end, f"{self.path} line {number}")
            end += len(line)
        return end

    def _check_ours(self, torn: bytes, number: int) -> None:
        if number == 1 and not any(torn.startswith(begin) or begin.startswith(torn) for begin in _BEGINNINGS):
            raise DsconvError(f"{self.path} holds no results of dsconv sweep; --resume leaves it alone")

    def _index(self, line: bytes, place: int, where: str) -> None:
        try:
            document = json.loads(line)
            version = document["schema_version"]
            if version == SCHEMA_VERSION:
                settings, digest = settings_of(document), _digest(spec_of(document), document.get("name", ""))
        except _NOT_OURS:
            raise DsconvError(f"{where} is not a result of dsconv sweep; --resume leaves the file alone") from None
        if version != SCHEMA_VERSION:
            raise DsconvError(
                f"{where} has schema version {version}, this program writes {SCHEMA_VERSION}; choose another file"
            )
        self._check(settings, where)
        self._places.setdefault(digest, []).append(place)

    def _check(self, settings: Settings, where: str, *, mine: bool = False) -> None:
        """Hold `settings` against those that are known, and remember the new ones."""
        for name, value in settings.items():
            if self._mixed and name.startswith(_OF_A_KIND):
                continue
            if self._wanted.setdefault(name, value) != value:
                there, here = (self._wanted[name], value) if mine else (value, self._wanted[name])
                right = "--allow-mixed" if name == _KIND else "the same settings"
                raise DsconvError(
                    f"{where} was made with {name} {there}, this run has {here}; "
                    f"results are not mixed: choose another file or {right}"
                )


def runtimes_text(names: Iterable[str]) -> str:
    """Runtimes as a setting."""
    return ",".join(names) or "no"


def settings_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What rows of one file must have in common, read from a row."""
    measured, each = document["measured"], document.get(RUNTIMES) or {}
    # The first of several may have failed.
    time = document["time"] or next(filter(None, each.values()), None)
    machine = document["environment"]
    here = machine.get("machine")
    shared = {"names": "yes" if "name" in document else "no", "--cluster": "off" if here is None else "on"}
    if document.get("error") is not None:
        return shared
    settings = {
        **shared,
        "--profiler": "none" if measured is None else measured["profiler"],
        "--time": "off" if time is None else "on",
        "counts by": machine["versions"]["profiler"],
    }
    if time is not None:
        settings.update({f"--{name}": time[name] for name in ("device", "threads")})
        settings.update({"--runtime": runtimes_text(each), "--chain": time["runtime"]["chain"]})
        if document["time"] is not None:
            settings["layout"] = time["layout"]
        settings.update({} if here is None else {_KIND: here["kind"]})
        settings.update({name: machine[name] for name in _SAME_MACHINE})
        settings.update({f"version of {name}": machine["versions"][name] for name in ("dsconv", "python", "torch")})
    return settings


def _value(value: Any) -> Any:
    """What stands in JSON for one value of several parts is a list."""
    return tuple(value) if isinstance(value, list) else value


def spec_of(document: Mapping[str, Any]) -> ConvSpec:
    """The layer of a row."""
    fields: dict[str, Any] = {name: _value(value) for name, value in document["spec"].items() if name != "bias"}
    return ConvSpec(**fields, bias=Bias(**document["spec"]["bias"]))


def comparison_of(document: Mapping[str, Any]) -> Comparison:
    """The comparison that a row was written from."""
    closed = closed_forms(spec_of(document), document.get("name", ""))
    machine, each = document["environment"], document.get(RUNTIMES) or {}
    counters = tuple((machine["versions"]["profiler"] or "").split(" + "))
    here = machine.get("machine")
    keys = keys_of(tuple(each), shared=here is not None)
    return replace(
        closed,
        counted=_counted(document["measured"], counters),
        time=_timing(document["time"]),
        device=machine["device"],
        times=Times({name: _timing(section) for name, section in each.items()}, {}) if each else None,
        machine=None if here is None else Machine(**here),
        error=document.get("error") or "",
        # A row of an older version may lack a key.
        recorded={key: _value(at(document, key)) for key in keys if is_measured(key)},
    )


def _counted(section: Mapping[str, Any] | None, counters: tuple[str, ...]) -> Counted | None:
    if section is None:
        return None
    params, macs = (Counts({form: section[name][form] for form in FORMS}) for name in ("params", "macs"))
    return Counted(section["profiler"], params, macs, section["exact"], counters)


def _timing(section: Mapping[str, Any] | None) -> Timing | None:
    if section is None:
        return None
    runtime = section["runtime"]
    return Timing(
        **{f"{form}_s": section[form]["median_s"] for form in ("separable", *PerOperator._fields)},
        **{name: section[name] for name in ("verdict", "reliable", "device", "threads", "layout", "dtype")},
        speedup=Interval(**section["speedup"]),
        fastest=Fastest(**{**section["fastest"], "speedup": Interval(**section["fastest"]["speedup"])}),
        warnings=tuple(section["warnings"]),
        processes=section["samples"]["processes"],
        pairs=section["samples"]["pairs"],
        runtime=Executed(
            runtime["name"], runtime["version"], runtime["precision"] or "", runtime["chain"], runtime["build_s"]
        ),
    )


def _digest(spec: ConvSpec, name: str) -> bytes:
    """Sixteen bytes that stand for a layer: a million of them fit in memory, and no two layers share them."""
    return blake2b(f"{spec!r} {name}".encode(), digest_size=16).digest()

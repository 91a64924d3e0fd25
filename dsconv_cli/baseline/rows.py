"""Many layers beside those of an earlier sweep, matched by what they are, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from dsconv_cli.baseline.beside import Read, change, doubts, figure, is_gain, judged, timed_sections
from dsconv_cli.baseline.change import Change, Figure, Limit, is_cost
from dsconv_cli.baseline.file import documents, is_number
from dsconv_cli.baseline.same import conditions
from dsconv_cli.comparison.keys import KEYS, RUNTIMES
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.data import at
from dsconv_cli.errors import DsconvError
from dsconv_cli.gates import Verdict
from dsconv_cli.keys import Keys

#: Layers that are kept by name; the others are counted.
_NAMED: Final = 20
_SPEC: Final = tuple(key for key in KEYS if key.startswith("spec."))
#: Counts follow from what a layer is: only what is measured can have changed.
_MEASURED: Final = ("time.", f"{RUNTIMES}.")


class Row(NamedTuple):
    """A layer, and what of it changed beyond doubt."""

    label: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class RowsBeside:
    """A sweep beside an earlier one: how many layers are as before, changed, new and gone, some of them by name.

    `gone` is None where that cannot be told. `doubts` say why times are not compared, where they are not.
    """

    file: str
    same: int
    changed: int
    new: int
    gone: int | None
    rows: tuple[Row, ...]
    new_labels: tuple[str, ...]
    doubts: tuple[str, ...]


class _Kept(NamedTuple):
    """A layer of the earlier sweep: its name, and its figures in the order of the watched keys."""

    name: str
    figures: tuple[Figure | None, ...]


class EarlierRows:
    """The rows of an earlier sweep, of which each is met once."""

    def __init__(self, path: Path, limits: Iterable[Limit], keys: Keys[Comparison]) -> None:
        """Read `path`. `keys` are those of today's rows. Raises as `documents` does."""
        self._path, self._limits, self._keys = path, tuple(limits), keys
        measured = (key for key in keys if key.startswith(_MEASURED) and (is_cost(key) or is_gain(key)))
        self._watched = tuple(dict.fromkeys([*(limit.key for limit in self._limits), *measured]))
        self._kept: dict[bytes, deque[_Kept]] = {}
        self._conditions: dict[str, Any] = {}
        self._doubts: dict[str, str] | None = None
        self._left = self._same = self._changed = 0
        self._rows: list[Row] = []
        self._new: list[str] = []
        self._new_count = 0
        for number, document in enumerate(documents(path, "compare"), 1):
            self._keep(partial(at, document), f"the baseline {path} line {number}")

    def _keep(self, read: Read, where: str) -> None:
        for limit in self._limits:
            if not is_number(read(limit.key)):
                raise DsconvError(f"{limit.option}: {where} has no {limit.key}")
        self._left += 1
        kept = _Kept(str(read("name") or ""), tuple(figure(self._keys, key, read) for key in self._watched))
        self._kept.setdefault(_digest(map(read, _SPEC)), deque()).append(kept)
        for section in timed_sections(self._keys):
            for key in conditions(section):
                if (value := read(key)) is not None:
                    self._conditions.setdefault(key, value)

    def add(self, one: Comparison) -> Iterator[Verdict]:
        """One row of today: each limit against it, if it is a layer of the earlier sweep.

        Raises:
            DsconvError: what a limit is on cannot be compared.
        """
        kept = self._take(one)
        if kept is None:
            self._new_count += 1
            if len(self._new) < _NAMED:
                self._new.append(one.label)
            return
        read = partial(self._keys.read, one)
        if self._doubts is None:
            # All rows of a sweep are measured alike.
            self._doubts = doubts(self._keys, self._conditions.get, read)
        found = {
            key: change(self._keys, key, was, figure(self._keys, key, read))
            for key, was in zip(self._watched, kept.figures, strict=True)
        }
        self._remember(one, found)
        # What could not be measured at a layer is told and makes the run fail; there is nothing to compare.
        lost = tuple(f"{name}." for name in self._keys.missing(one))
        for limit in (limit for limit in self._limits if not limit.key.startswith(lost)):
            yield judged(limit, found[limit.key], self._doubts, f"{self._path} ({one.label})")

    def _take(self, one: Comparison) -> _Kept | None:
        """The same layer of the earlier sweep, the one of the same name if there are several; it is met no more."""
        alike = self._kept.get(_digest(self._keys.read_all(one, _SPEC)))
        if not alike:
            return None
        self._left -= 1
        same = next((kept for kept in alike if kept.name == one.name), alike[0])
        alike.remove(same)
        return same

    def _remember(self, one: Comparison, found: Mapping[str, Change | None]) -> None:
        apart = tuple(f"{section}." for section in self._doubts or ())
        changes = (change for key, change in found.items() if not key.startswith(apart))
        certain = tuple(change for change in changes if change is not None and change.certain)
        if not certain:
            self._same += 1
            return
        self._changed += 1
        if len(self._rows) < _NAMED:
            self._rows.append(Row(one.label, certain))

    def check_same(self, layers: Iterable[Comparison]) -> None:
        """Refuse a sweep of other layers, before anything of it is measured.

        Raises:
            DsconvError: none of `layers` is one of the earlier sweep.
        """
        if all(_digest(self._keys.read_all(one, _SPEC)) not in self._kept for one in layers):
            raise DsconvError(
                f"the baseline {self._path} is of other layers: none of its {self._left:,} is in this sweep; write a "
                f"new one with --output {self._path.stem}.jsonl"
            )

    def beside(self, *, whole: bool) -> RowsBeside:
        """What there is to say when all rows were met. Only a `whole` sweep can tell what is gone."""
        return RowsBeside(
            str(self._path),
            self._same,
            self._changed,
            self._new_count,
            self._left if whole else None,
            tuple(self._rows),
            tuple(self._new),
            tuple(dict.fromkeys((self._doubts or {}).values())),
        )


def _digest(spec: Iterable[Any]) -> bytes:
    """Sixteen bytes that stand for a layer: a million of them fit in memory."""
    return blake2b(
        repr([tuple(part) if isinstance(part, list) else part for part in spec]).encode(), digest_size=16
    ).digest()

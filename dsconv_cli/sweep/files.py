"""Layers from a file or a pipe: CSV as spreadsheets write it, JSON Lines, and what dsconv itself exports.

A file is read twice: once to count its layers and find every mistake, and once to run, so that a million layers
need no more memory than one.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, NamedTuple

from dsconv_cli.comparison import KEYS
from dsconv_cli.errors import DsconvError, quoted
from dsconv_cli.layer.fields import FIELDS, Field
from dsconv_cli.layer.reading import field_value
from dsconv_cli.layer.spec import Bias
from dsconv_cli.model.document import LAYER_COLUMNS
from dsconv_cli.sweep.grid import Fields

#: A pipe is kept in memory up to here, and on disk beyond.
_IN_MEMORY: Final = 2**24
_TRUE: Final = frozenset({"true", "yes", "1", "on"})
_FALSE: Final = frozenset({"false", "no", "0", "off"})
#: What is told of a layer beside its spec, in results of this program, as columns and as sections of JSON.
_RESULTS: Final = frozenset(KEYS) | frozenset(LAYER_COLUMNS)
_SECTIONS: Final = frozenset(key.partition(".")[0] for key in _RESULTS if not key.startswith("spec."))
_BIASES: Final = tuple(f"{name}_bias" for name in Bias._fields)


class Record(NamedTuple):
    """One layer of a file: where it stands, and what it says."""

    line: int
    fields: Fields


class LayerFile:
    """The layers of a file, counted and checked.

    `names` are the arguments that any of them sets, `ineligible` the layers of a model that have no replacement.
    """

    def __init__(self, source: str, required: Collection[str] = ("k", "c")) -> None:
        """Read `source`, a path or "-" for stdin, to its end. Every layer must set what is `required`.

        Raises:
            DsconvError: it cannot be read, has an unknown column or a bad or missing cell, or holds no layer.
        """
        self.name = "stdin" if source == "-" else source
        self._spooled = _spool(source, self.name)
        self.count = 0
        self.ineligible = 0
        names: dict[str, None] = {}
        values: dict[str, set[Any]] = {}
        for record in self._parse():
            if record is None:
                self.ineligible += 1
                continue
            self.count += 1
            missing = [name for name in required if name not in record.fields]
            if missing:
                raise DsconvError(f"{self.name} line {record.line} has no {missing[0]}; give it, or --{missing[0]}")
            for name, value in record.fields.items():
                names.setdefault(name)
                seen = values.setdefault(name, set())
                if len(seen) < 2:
                    seen.add(value)
        self.names = tuple(names)
        self.varying = tuple(name for name in names if len(values[name]) > 1)
        self.fixed = {name: next(iter(values[name])) for name in names if len(values[name]) == 1}
        if not self.count and not self.ineligible:
            raise DsconvError(f"{self.name} holds no layers")

    def records(self) -> Iterator[Record]:
        """The layers, in the order of the file."""
        return (record for record in self._parse() if record is not None)

    def _parse(self) -> Iterator[Record | None]:
        try:
            with self._opened() as stream:
                first = next((line for line in stream if line.strip()), "").lstrip()
                stream.seek(0)
                yield from (_json_records if first[:1] in {"{", "["} else _csv_records)(stream, self.name)
        except UnicodeDecodeError:
            raise DsconvError(f"{self.name} is not UTF-8 text; save it as CSV UTF-8") from None
        except csv.Error as error:
            raise DsconvError(f"{self.name} is not CSV: {error}") from None

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        """The text from its beginning. A byte-order mark, as spreadsheets write it, is dropped."""
        if self._spooled is None:
            with Path(self.name).open(encoding="utf-8-sig", newline="") as stream:
                yield stream
            return
        self._spooled.seek(0)
        text = io.TextIOWrapper(self._spooled, encoding="utf-8-sig", newline="")
        try:
            yield text
        finally:
            # Or else the pipe's bytes would be gone with the text.
            text.detach()


def _spool(source: str, name: str) -> Any:
    """What a pipe says, for reading it twice; None for a file, which can be read twice as it is."""
    if source == "-" and sys.stdin is None:
        raise DsconvError(f"cannot read {name}: it is closed")
    try:
        if source != "-" and Path(source).is_file():
            Path(source).open("rb").close()
            return None
        with ExitStack() as stack:
            raw = sys.stdin.buffer if source == "-" else stack.enter_context(Path(source).open("rb"))
            spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
            shutil.copyfileobj(raw, spooled)
            return spooled
    except OSError as error:
        raise DsconvError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None


def _csv_records(stream: IO[str], name: str) -> Iterator[Record | None]:
    header = ""
    while not header.strip():
        header = stream.readline()
        if not header:
            return
    # A spreadsheet separates by what its locale does not use in numbers.
    delimiter = max(",;\t", key=header.count)
    stream.seek(0)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    columns: list[str] = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{name} line {reader.line_num}"
        if not columns:
            columns = [_column(cell, where) for cell in cells]
            _refuse_twice([column for column in columns if column], where)
            continue
        if len(cells) != len(columns):
            raise DsconvError(f"{where} has {len(cells)} cells, and the header has {len(columns)}")
        filled = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell.strip()}
        yield _record(filled, reader.line_num, where)


def _json_records(stream: IO[str], name: str) -> Iterator[Record | None]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            document = json.loads(line, object_pairs_hook=partial(_object, where))
        except (ValueError, RecursionError) as error:
            if number == 1 or line.strip() in {"{", "["}:
                # One document over several lines, as --format json writes it.
                yield from _whole_document(stream, name)
                return
            raise DsconvError(f"{where} is not JSON: {getattr(error, 'msg', error)}") from None
        for one in _layers_of(document):
            yield _json_record(one, number, where)


def _whole_document(stream: IO[str], name: str) -> Iterator[Record | None]:
    stream.seek(0)
    try:
        document = json.load(stream, object_pairs_hook=partial(_object, name))
    except (ValueError, RecursionError) as error:
        raise DsconvError(f"{name} is neither JSON Lines nor one JSON document: {error}") from None
    for number, one in enumerate(_layers_of(document), 1):
        yield _json_record(one, number, f"{name} layer {number}")


def _layers_of(document: Any) -> list[Any]:
    """A list of layers, the layers of a model's document, or the one layer that it is."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("layers"), list):
        return document["layers"]  # type: ignore[no-any-return]
    return [document]


def _json_record(document: Any, line: int, where: str) -> Record | None:
    if not isinstance(document, dict):
        raise DsconvError(f'{where}: a layer is an object such as {{"k": 64, "c": 32}}, not {quoted(document)}')
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if key == "spec" and isinstance(value, dict):
            parts = {**value, **_prefixed(value.get("bias"))}
            if isinstance(value.get("bias"), dict):
                del parts["bias"]
            flat.update({_column(f"spec.{part}", where): inner for part, inner in parts.items()})
        elif key != "spec" and (column := _column(key, where, sections=True)):
            _refuse_twice([*flat, column], where)
            flat[column] = value
    return _record({key: value for key, value in flat.items() if value is not None}, line, where)


def _prefixed(bias: Any) -> dict[str, Any]:
    return {f"bias.{name}": on for name, on in bias.items()} if isinstance(bias, dict) else {}


def _object(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice([key for key, _ in pairs], where)
    return dict(pairs)


def _refuse_twice(names: Sequence[str], where: str) -> None:
    """Two values for one argument: which one is meant cannot be known."""
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DsconvError(f"{where}: {name} is there twice")


def _column(text: str, where: str, *, sections: bool = False) -> str:
    """The argument that a column sets, or "" for one of dsconv's own that sets none.

    Raises:
        DsconvError: the column is neither.
    """
    column = text.strip().lower().replace("-", "_")
    if column.startswith("spec.bias."):
        column = f"{column.removeprefix('spec.bias.')}_bias"
    name = column.removeprefix("spec.")
    if name in _COLUMNS or name == "eligible":
        return name
    if column in _RESULTS or (sections and column in _SECTIONS):
        return ""
    raise DsconvError(f"{where}: unknown column {quoted(text.strip())}; columns are {', '.join(_COLUMNS)}")


def _record(cells: Mapping[str, Any], line: int, where: str) -> Record | None:
    """The arguments in `cells`; None for a model's layer that has no replacement."""
    eligible = cells.get("eligible")
    if eligible is not None and not _truth(eligible, f"{where}, eligible"):
        return None
    fields: Fields = {}
    for column, cell in cells.items():
        if column != "eligible":
            fields[column] = _read(_COLUMNS[column], cell, f"{where}, {column}:")
    if "k" not in fields and "c" not in fields and eligible is not None:
        return None
    return Record(line, _with_bias(fields))


def _with_bias(fields: Fields) -> Fields:
    """`bias` and its three overrides as the one argument of `ConvSpec`."""
    if not any(name in fields for name in _BIASES):
        return fields
    every = fields.get("bias", False)
    merged = {name: value for name, value in fields.items() if name not in _BIASES}
    return {**merged, "bias": Bias(*(bool(fields.get(name, every)) for name in _BIASES))}


def _read(field: Field, cell: Any, label: str) -> Any:
    """A cell of CSV or a value of JSON, as `ConvSpec` takes it."""
    if field.kind == "flag":
        return _truth(cell, label)
    if field.kind == "number":
        return field_value(field, _whole(_text(cell)), label)
    return field_value(field, _joined(cell), label)


def _whole(text: str) -> str:
    """`16.0` is 16: so a spreadsheet writes a whole number in a column that has gaps."""
    whole, point, rest = text.strip().partition(".")
    return whole if point and rest.strip("0") == "" and whole else text


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(cell) if isinstance(cell, int | str) else repr(cell)


def _joined(cell: Any) -> str:
    return ",".join(map(_text, cell)) if isinstance(cell, list) else _text(cell).replace("x", ",")


def _truth(cell: Any, label: str) -> bool:
    word = _text(cell).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise DsconvError(f"{label} must be true or false, not {quoted(cell)}")


#: Every column. `padding_end` is no option: only dsconv itself writes it.
_COLUMNS: Final[Mapping[str, Field]] = MappingProxyType(
    {**FIELDS, "padding_end": replace(FIELDS["padding"], name="padding_end", words=())}
)

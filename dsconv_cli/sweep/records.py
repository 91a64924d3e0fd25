"""A text as layers: CSV as spreadsheets write it, JSON Lines, and what dsconv itself exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import IO, Any, BinaryIO, Final, NamedTuple

from dsconv_cli.errors import DsconvError, about, installed, quoted
from dsconv_cli.layer.fields import FIELDS, Field
from dsconv_cli.layer.reading import field_value
from dsconv_cli.layer.spec import Bias
from dsconv_cli.sweep import parquet
from dsconv_cli.sweep.grid import Arguments
from dsconv_cli.sweep.keys import KEYS
from dsconv_cli.text import printable

_TRUE: Final = frozenset({"true", "yes", "1", "on"})
_FALSE: Final = frozenset({"false", "no", "0", "off"})
_BIASES: Final = tuple(f"{name}_bias" for name in Bias._fields)
_MOST_DIGITS: Final = 1000
#: Longer than any program names a layer.
_LONGEST_NAME: Final = 1000

#: Every column. `padding_end` is no option: only dsconv itself writes it.
_COLUMNS: Final[Mapping[str, Field]] = MappingProxyType(
    {**FIELDS, "padding_end": replace(FIELDS["padding"], name="padding_end", words=())}
)
#: What a layer has beside its arguments: what it is called, and whether a network's layer has a replacement.
_BESIDE: Final = ("name", "eligible")
#: What dsconv tells of a layer beside its arguments, as columns and as sections of JSON.
_RESULTS: Final = frozenset(KEYS)
_SECTIONS: Final = frozenset(key.partition(".")[0] for key in KEYS if not key.startswith("spec."))


class Record(NamedTuple):
    """One layer of a file: where it stands, what it is called there (or ""), and what it says."""

    line: int
    name: str
    arguments: Arguments


def text_records(stream: BinaryIO, source: str) -> Iterator[Record | None]:
    """The layers in `stream`; None for one of a network that has no replacement."""
    # A byte-order mark, as spreadsheets write it, is dropped.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        first = next((line for line in text if line.strip()), "").lstrip()
        text.seek(0)
        yield from (_json_records if first[:1] in {"{", "["} else _csv_records)(text, source)
    finally:
        # Or else a pipe's bytes would be gone with the text.
        text.detach()


def parquet_records(stream: BinaryIO, source: str) -> Iterator[Record | None]:
    """The same in a file of Parquet, whose columns are called as those of CSV."""
    if not installed("pyarrow"):
        raise DsconvError(f"{source} needs pyarrow to be read; install it with pip install 'dsconv-cli[parquet]'")
    for number, row in enumerate(parquet.rows(stream, source, partial(_telling, source)), 1):
        yield _json_record(row, number, f"{source} row {number}")


def _telling(source: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that say something of a layer, and not what was found out about it."""
    with about(source):
        return tuple(name for name, column in zip(names, _columns(names), strict=True) if column)


def _csv_records(stream: IO[str], source: str) -> Iterator[Record | None]:
    header = next((line for line in stream if line.strip()), "")
    # A spreadsheet separates by what its locale does not use in numbers.
    delimiter = max(",;\t", key=header.count)
    stream.seek(0)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    columns: Sequence[str] = ()
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{source} line {reader.line_num}"
        if not columns:
            with about(where):
                columns = _columns(tuple(cells))
        elif len(cells) != len(columns):
            raise DsconvError(f"{where} has {len(cells)} cells, and the header has {len(columns)}")
        else:
            filled = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell.strip()}
            yield _record(filled, reader.line_num, where)


def _json_records(stream: IO[str], source: str) -> Iterator[Record | None]:
    met = False
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        where = f"{source} line {number}"
        try:
            document = _parsed(line, where)
        except (ValueError, RecursionError) as error:
            if not met or line.strip() in {"{", "["}:
                # One document over several lines, as --format json writes it.
                yield from _whole_document(stream, source)
                return
            raise DsconvError(f"{where} is not JSON: {getattr(error, 'msg', error)}") from None
        met = True
        for one in _layers_of(document):
            yield _json_record(one, number, where)


def _whole_document(stream: IO[str], source: str) -> Iterator[Record | None]:
    stream.seek(0)
    try:
        document = _parsed(stream.read(), source)
    except (ValueError, RecursionError) as error:
        raise DsconvError(f"{source} is neither JSON Lines nor one JSON document: {error}") from None
    for number, one in enumerate(_layers_of(document), 1):
        yield _json_record(one, number, f"{source} layer {number}")


def _parsed(text: str, where: str) -> Any:
    with about(where):
        return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse_twice(key for key, _ in pairs)
    return found


def _int(digits: str) -> int | str:
    """What Python would not convert stays a text, which is then no dimension."""
    return int(digits) if len(digits) < _MOST_DIGITS else digits


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int)


def _layers_of(document: Any) -> list[Any]:
    """A list of layers, the layers of a network's document, or the one layer that it is."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("layers"), list):
        return document["layers"]  # type: ignore[no-any-return]
    return [document]


def _json_record(document: Any, line: int, where: str) -> Record | None:
    if not isinstance(document, dict):
        raise DsconvError(f'{where}: a layer is an object such as {{"k": 64, "c": 32}}, not {quoted(document)}')
    flat = dict(_flat(document))
    with about(where):
        columns = _columns(tuple(flat), sections=True)
    cells = zip(columns, flat.values(), strict=True)
    return _record({column: value for column, value in cells if column and value is not None}, line, where)


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The document with the keys of the layer itself at the dots; other sections are results, which nobody reads."""
    for key, value in document.items():
        if key != "spec" or not isinstance(value, dict):
            yield key, value
            continue
        for inner, one in value.items():
            if inner == "bias" and isinstance(one, dict):
                yield from ((f"spec.bias.{part}", on) for part, on in one.items())
            else:
                yield f"spec.{inner}", one


# Row after row has the same.
@lru_cache(64)
def _columns(texts: tuple[str, ...], *, sections: bool = False) -> tuple[str, ...]:
    """What each column sets; "" for one of dsconv's own results, which sets nothing."""
    given = [_column(text) for text in texts]
    results = _RESULTS | _SECTIONS if sections else _RESULTS
    # Where dsconv tells of a network, it tells more of each layer than of a layer alone.
    of_network = "eligible" in given
    for text, column in zip(texts, given, strict=True):
        known = column in _COLUMNS or column in _BESIDE or column in results
        if not known and (not of_network or column.startswith("spec.")):
            raise DsconvError(f"unknown column {quoted(text.strip())}; columns are {', '.join(_COLUMNS)}")
    found = tuple(column if column in _COLUMNS or column in _BESIDE else "" for column in given)
    _refuse_twice([column for column in found if column])
    return found


def _column(text: str) -> str:
    """A column as arguments are called: `Depth-Multiplier` and `spec.depth_multiplier` are `depth_multiplier`."""
    column = text.strip().lower().replace("-", "_")
    if column.startswith("spec.bias."):
        return f"{column.removeprefix('spec.bias.')}_bias"
    name = column.removeprefix("spec.")
    return name if name in _COLUMNS else column


def _refuse_twice(names: Iterable[str]) -> None:
    """Two values for one argument: which one is meant cannot be known."""
    met: set[str] = set()
    for name in names:
        if name in met:
            raise DsconvError(f"{printable(name)} is there twice")
        met.add(name)


def _record(cells: Mapping[str, Any], line: int, where: str) -> Record | None:
    """The arguments in `cells`; None for a network's layer that has no replacement."""
    eligible = cells.get("eligible")
    if eligible is not None and not _truth(eligible, f"{where}, eligible"):
        return None
    read = {
        column: _read(_COLUMNS[column], cell, f"{where}, {column}:")
        for column, cell in cells.items()
        if column not in _BESIDE
    }
    if "k" not in read and "c" not in read and eligible is not None:
        return None
    return Record(line, _name(cells.get("name", ""), where), _with_bias(read))


def _name(cell: Any, where: str) -> str:
    """What a layer is called. It comes from anywhere and goes everywhere, so that what is not to be seen is spelt."""
    name = printable(_text(cell).strip())
    if len(name) > _LONGEST_NAME:
        raise DsconvError(f"{where}: the name is longer than {_LONGEST_NAME:,} characters")
    return name


def _with_bias(arguments: Arguments) -> Arguments:
    """`bias` and its three overrides as the one argument of `ConvSpec`."""
    if not any(name in arguments for name in _BIASES):
        return arguments
    every = arguments.get("bias", False)
    merged = {name: value for name, value in arguments.items() if name not in _BIASES}
    return {**merged, "bias": Bias(*(bool(arguments.get(name, every)) for name in _BIASES))}


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
    return str(cell) if isinstance(cell, int | str) else quoted(cell)


def _joined(cell: Any) -> str:
    return ",".join(map(_text, cell)) if isinstance(cell, list) else _text(cell).replace("x", ",")


def _truth(cell: Any, label: str) -> bool:
    word = _text(cell).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise DsconvError(f"{label} must be true or false, not {quoted(cell)}")

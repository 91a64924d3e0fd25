"""Rows as Parquet: columns with the names and the types of the keys, whatever a run has measured.

pyarrow is all that this is about; it is loaded when the first file is.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from dsconv_cli.comparison.result import Comparison
from dsconv_cli.data import json_line
from dsconv_cli.errors import CannotMeasureError, DsconvError
from dsconv_cli.keys import Apply, Type, applied
from dsconv_cli.sweep.keys import KEYS

if TYPE_CHECKING:
    import pyarrow as pa

#: What a file begins with.
MAGIC: Final = b"PAR1"
#: Characters of rows that are turned into columns together, and rows of a part of the file.
_TOGETHER: Final = 2**21
_GROUP_ROWS: Final = 2**15
#: The largest whole number of a column.
_MOST: Final = 2**63 - 1
#: Rows that are read at once.
_READ_ROWS: Final = 1024
#: What Arrow calls the types of JSON.
_PLAIN: Final = {"integer": "int64", "number": "float64", "boolean": "bool", "string": "string"}


def _type(type_: Type) -> pa.DataType:
    """The type of a column whose values, where they are there, are of `type_`."""
    import pyarrow as pa

    shape = type_.schema
    if "const" in shape or "enum" in shape:
        return pa.int64() if type_.kind == "number" else pa.string()
    if shape["type"] == "array":
        return pa.list_(pa.type_for_alias(_PLAIN[shape["items"]["type"]]))
    return pa.type_for_alias(_PLAIN[shape["type"]])


class Writer:
    """A file of rows that come one after the other. What is in memory does not grow with their number."""

    def __init__(self, write: Callable[[bytes], None], keys: tuple[str, ...]) -> None:
        """To where `write` puts it."""
        import pyarrow as pa
        from pyarrow import parquet

        self._keys = keys
        #: Short, for they stand in each row.
        self._names = [f"{number:x}" for number in range(len(keys))]
        self._schema = pa.schema([(key, _type(KEYS[key].type)) for key in keys])
        self._short = pa.schema(list(zip(self._names, self._schema.types, strict=True)))
        self._sink = _Sink(write)
        self._file = parquet.ParquetWriter(pa.PythonFile(self._sink, mode="w"), self._schema)
        self._texts: list[str] = []
        self._size = self._rows = 0
        self._tables: list[pa.Table] = []

    def line(self, one: Comparison, apply: Apply = applied) -> str:
        """A row as text, which `add` takes."""
        values = KEYS.read_all(one, self._keys, apply)
        # What is missing is null. A layer that has no name has none, and not an empty one.
        known = zip(self._names, values, strict=True)
        return json_line({name: value for name, value in known if value is not None and value != ""})

    def add(self, text: str) -> None:
        """More rows.

        Raises:
            CannotMeasureError: a count is larger than a column can hold.
        """
        self._texts.append(text)
        self._size += len(text)
        if self._size >= _TOGETHER:
            self._as_columns()
        if self._rows >= _GROUP_ROWS:
            self._as_group()

    def close(self) -> None:
        """There are no more."""
        self._as_columns()
        self._as_group()
        self._file.close()

    def drop(self) -> None:
        """Leave it as it is; nothing, where it was closed."""
        self._sink.close()
        self._file.close()

    def _as_columns(self) -> None:
        import pyarrow as pa
        from pyarrow import json as rows_of_json

        text, self._texts, self._size = "".join(self._texts), [], 0
        if not text:
            return
        data = text.encode()
        try:
            found = rows_of_json.read_json(
                io.BytesIO(data),
                rows_of_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                rows_of_json.ParseOptions(explicit_schema=self._short),
            )
        except pa.ArrowInvalid:
            self._refuse_large(text)
            raise
        self._tables.append(found.select(self._names).rename_columns(self._keys))
        self._rows += found.num_rows

    def _as_group(self) -> None:
        import pyarrow as pa

        if self._tables:
            self._file.write_table(pa.concat_tables(self._tables).combine_chunks(), row_group_size=self._rows)
            self._tables, self._rows = [], 0

    def _refuse_large(self, text: str) -> None:
        for line in text.splitlines():
            for name, value in json.loads(line).items():
                key = self._keys[self._names.index(name)]
                if any(type(part) is int and part > _MOST for part in (value if isinstance(value, list) else [value])):
                    raise CannotMeasureError(
                        f"{key} is {value}, and a column of Parquet holds no count above 2^63 - 1; "
                        "CSV and JSON Lines hold any"
                    )


class _Sink(io.RawIOBase):
    """What pyarrow takes for a file."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write, self._size = write, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        plain = bytes(data)
        if not self.closed:
            self._write(plain)
        self._size += len(plain)
        return len(plain)


def rows(stream: BinaryIO, source: str, wanted: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Iterator[Any]:
    """The rows of a file as objects of JSON are, of those of its columns that `wanted` picks from their names.

    Raises:
        DsconvError: it is not Parquet, or not all of it.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream)
        columns = list(wanted(tuple(file.schema_arrow.names)))
        for batch in file.iter_batches(_READ_ROWS, columns=columns, use_threads=False):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DsconvError(f"{source} is not Parquet, or not all of it: {str(error).splitlines()[0]}") from None

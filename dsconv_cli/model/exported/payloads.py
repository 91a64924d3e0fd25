"""Weights and constants: raw numbers in entries of their own, and a table that says which is what."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dsconv_cli.model.exported.checks import (
    RefusedError,
    Value,
    flag,
    mapped,
    matching,
    parse_json,
    pickled,
    record,
    whole,
)
from dsconv_cli.model.exported.program import path, tensor_meta

#: Bytes of an element by torch's numbers for its types (`ScalarType` in torch/_export/serde/schema.py).
ELEMENT_BYTES: Final[Mapping[int, int]] = {
    **dict.fromkeys([1, 2, 12, *range(29, 34)], 1),
    **dict.fromkeys([3, 6, 13, 28], 2),
    **dict.fromkeys([4, 7, 9, 34], 4),
    **dict.fromkeys([5, 8, 10, 35], 8),
    11: 16,
}
_STRIDED: Final = 7
_MOST_DIMENSIONS: Final = 64
#: Tensors may share their numbers: tied weights, a mask that is a row repeated. Not much more than that.
_SHARED: Final = 4
_SMALL: Final = 64 * 2**20


class View(NamedTuple):
    """A tensor's place in the bytes of an entry; sizes and strides in elements."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    element_bytes: int

    @property
    def claimed(self) -> int:
        """Bytes, once it is copied."""
        return math.prod(self.sizes, start=self.element_bytes)

    def check(self, held: int) -> None:
        """Refuse a tensor that reaches outside of the `held` bytes."""
        numbers = (*self.sizes, *self.strides, self.offset)
        if len(self.sizes) != len(self.strides) or len(self.sizes) > _MOST_DIMENSIONS or min(numbers) < 0:
            raise RefusedError("a tensor with impossible sizes or strides")
        reach = self.offset + sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True))
        needed = (reach + 1) * self.element_bytes if self.claimed else 0
        if needed > held:
            raise RefusedError(f"a tensor claims {needed:,} bytes, and the file holds {held:,} for it")


def check_total(views: list[View], held: int) -> None:
    """Refuse tensors that are together far larger than the `held` bytes that they are views of."""
    claimed = sum(view.claimed for view in views)
    if claimed > _SHARED * held + _SMALL:
        raise RefusedError(f"its tensors claim {claimed:,} bytes, and the file holds {held:,}")


def not_pickled(value: Value) -> Value:
    """`use_pickle`, which must be false and nothing that only counts as false."""
    if value is False:
        return value
    raise pickled("use_pickle")


def checked_table(data: bytes, prefix: str, sizes: Mapping[str, int]) -> tuple[bytes, list[str]]:
    """The table of weights or constants, whose JSON is `data`, and the entries that it names.

    Their names begin with `prefix`, such as "data/weights/weight_"; `sizes` are the bytes of every entry.

    Raises:
        RefusedError: it holds something that is not understood, or claims more than the entries hold.
    """
    folder, _, stem = prefix.rpartition("/")
    item = record(
        path_name=matching(rf"{stem}\d{{1,9}}", f"{stem} and a number"),
        is_param=flag,
        use_pickle=not_pickled,
        tensor_meta=tensor_meta(record(as_int=whole)),
    )
    table: Any = record(config=mapped(path, item))(parse_json(data))
    views: list[View] = []
    entries: dict[str, None] = {}
    for name, one in table.get("config", {}).items():
        try:
            entry = f"{folder}/{one['path_name']}"
            view = _view(one["tensor_meta"])
            view.check(sizes[entry])
        except KeyError as error:
            raise RefusedError(f"{name}: {error} is missing") from None
        except RefusedError as error:
            raise error.inside(str(name)) from None
        views.append(view)
        entries[entry] = None
    check_total(views, sum(sizes[entry] for entry in entries))
    return json.dumps(table).encode(), list(entries)


def _view(meta: Mapping[str, Any]) -> View:
    if meta["dtype"] not in ELEMENT_BYTES or meta["layout"] != _STRIDED:
        raise RefusedError(f"a tensor of type {meta['dtype']} and layout {meta['layout']}")
    return View(
        tuple(size["as_int"] for size in meta["sizes"]),
        tuple(stride["as_int"] for stride in meta["strides"]),
        meta["storage_offset"]["as_int"],
        ELEMENT_BYTES[meta["dtype"]],
    )

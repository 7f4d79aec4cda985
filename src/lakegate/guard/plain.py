"""Columns of any Arrow layout in the few layouts that rows can be taken from.

Views, run-end encoding and extension types say the same values another way, and Arrow has no
kernel that takes rows of some of them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.errors import GateError

__all__ = ["plain"]

Array: TypeAlias = Any  # pyarrow has no types

_NO_JSON = frozenset({"pandas.period", "pandas.interval", "arrow.opaque"})


def plain(column: Array, name: str) -> pa.ChunkedArray:
    """The same values in a layout without views, runs and extensions; itself where it is so.

    Raises:
        GateError: the column's type has no one form as JSON.
    """
    if _is_plain(column.type):
        return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    try:
        done = [_array(chunk) for chunk in chunks]
        kind = _array(pa.nulls(0, column.type)).type if not done else done[0].type
        return pa.chunked_array([chunk.cast(kind) for chunk in done], kind)
    except (pa.ArrowException, _NoForm) as error:
        raise GateError(
            f"the column {name!r} is of the type {column.type}, of which the gate cannot tell what "
            "it is as JSON: make it text or another plain type first"
        ) from error


class _NoForm(ValueError):
    """A type that has no one form as JSON."""


def _is_plain(kind: Any) -> bool:
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_run_end_encoded(kind):
        return False
    if pa.types.is_union(kind) or _is_view(kind):
        return False
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return all(_is_plain(kind.field(at).type) for at in range(kind.num_fields))


def _is_view(kind: Any) -> bool:
    return bool(
        kind in (pa.string_view(), pa.binary_view())
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _array(array: Array) -> Array:
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(array)
    if kind == pa.string_view():
        return array.cast(pa.large_string())
    if kind == pa.binary_view():
        return array.cast(pa.large_binary())
    if pa.types.is_union(kind):
        raise _NoForm(str(kind))
    if _is_plain(kind):
        return array
    if pa.types.is_run_end_encoded(kind):
        ends = array.run_ends.to_numpy(zero_copy_only=False)
        rows = np.arange(array.offset, array.offset + len(array))
        return _array(array.values).take(pa.array(np.searchsorted(ends, rows, side="right")))
    if pa.types.is_dictionary(kind):
        return _array(array.dictionary).take(array.indices)
    if pa.types.is_struct(kind):
        children = [_array(child) for child in array.flatten()]
        names = [field.name for field in kind]
        return pa.StructArray.from_arrays(children, names=names, mask=array.is_null())
    if pa.types.is_map(kind):
        return _map(array)
    return _list(array)


def _list(array: Array) -> Array:
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return pa.LargeListArray.from_arrays(
        pa.array(offsets, pa.int64()), _array(array.flatten()), mask=array.is_null()
    )


def _map(array: Array) -> Array:
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    keys, items = (_array(part.slice(first, last - first)) for part in (array.keys, array.items))
    moved = pc.subtract(offsets, first)
    return pa.MapArray.from_arrays(moved, keys, items, mask=array.is_null())


def _extension(array: Array) -> Array:
    name = getattr(array.type, "extension_name", "")
    if name in _NO_JSON:
        raise _NoForm(name)
    if name == "arrow.uuid":
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return pa.array(texts, pa.large_string())
    if name == "arrow.bool8":
        return array.storage.cast(pa.bool_())
    return _array(array.storage)

"""A 64-bit hash of each row's content that does not depend on where or how the row is stored.

The same row has the same hash in the log, in any Parquet file, after compaction, after a column
was added (as null), widened or reordered. Sums of hashes compare sets of rows. It is computed on
Arrow buffers with numpy, and is ours so that a sealed sum means the same in any later version.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["row_hash"]

_Hashes = npt.NDArray[np.uint64]
_NULL = np.uint64(0x6E756C6C6E756C6C)
_ODD = np.uint64(0x9E3779B97F4A7C15)


def row_hash(rows: pa.RecordBatch | pa.Table, columns: list[str]) -> _Hashes:
    """One hash per row over the named columns, in that order of names, sorted first.

    A column that ``rows`` does not have counts as null. Integers of all widths hash by value, so do
    decimals of one scale; timestamps by microseconds.
    """
    total = np.zeros(rows.num_rows, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in sorted(columns):
            seed = _name_seed(name)
            index = rows.schema.get_field_index(name)
            if index < 0:
                total += _mix(np.full(rows.num_rows, _NULL ^ seed, dtype=np.uint64))
                continue
            total += _mix(_hash(_flat(rows.column(index))) ^ seed)
    return total


@cache
def _name_seed(name: str) -> np.uint64:
    return np.uint64(int(_bytes_hash(pa.array([name], pa.binary()))[0]))


def _mix(x: _Hashes) -> _Hashes:
    """SplitMix64's finaliser."""
    x = x + _ODD
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _flat(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def _hash(array: pa.Array) -> _Hashes:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    values = _value_hash(array)
    if array.null_count:
        values = np.where(array.is_null().to_numpy(zero_copy_only=False), _NULL, values)
    return values


def _value_hash(array: pa.Array) -> _Hashes:
    """Hashes of the values; whatever stands for a null is replaced by the caller."""
    kind = array.type
    if pa.types.is_struct(kind):
        total = np.zeros(len(array), dtype=np.uint64)
        for field, child in zip(kind, array.flatten(), strict=True):
            total += _mix(_hash(child) ^ _name_seed(field.name))
        return _mix(total)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _list_hash(array)
    if pa.types.is_map(kind):
        return _map_hash(array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _bytes_hash(array.cast(pa.large_binary()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _bytes_hash(array)
    if pa.types.is_decimal(kind):
        words = np.frombuffer(array.buffers()[1], dtype=np.uint64)
        words = words[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)
        return _mix(words[:, 0] ^ _mix(words[:, 1]))
    if pa.types.is_floating(kind):
        doubles = array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        return _mix((doubles + 0.0).view(np.uint64))
    if pa.types.is_null(kind):
        return np.full(len(array), _NULL, dtype=np.uint64)
    return _mix(_as_int64(array).view(np.uint64))


def _as_int64(array: pa.Array) -> npt.NDArray[np.int64]:
    kind = array.type
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", tz=kind.tz))
    elif pa.types.is_date32(kind) or pa.types.is_time32(kind):
        array = array.cast(pa.int32())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    integers: npt.NDArray[np.int64] = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(
        zero_copy_only=False
    )
    return np.ascontiguousarray(integers)


def _list_hash(array: pa.Array) -> _Hashes:
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    items = _hash(array.values.slice(first, last - first))
    return _segments(items, offsets - first)


def _map_hash(array: pa.Array) -> _Hashes:
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    keys = _mix(_hash(array.keys.slice(first, count)) ^ _name_seed("key"))
    items = _mix(_hash(array.items.slice(first, count)) ^ _name_seed("value"))
    return _segments(_mix(keys + items), offsets - first)


def _bytes_hash(array: pa.Array) -> _Hashes:
    width = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    buffers = array.buffers()
    bounds = np.frombuffer(buffers[1], dtype=width)[array.offset : array.offset + len(array) + 1]
    offsets: npt.NDArray[np.int64] = bounds.astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + 8, dtype=np.uint8)  # room to read a whole word at the end
    if last > first:
        data[:-8] = np.frombuffer(buffers[2], dtype=np.uint8)[first:last]
    return _text_hash(data, offsets - first)


def _text_hash(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> _Hashes:
    """Segments of bytes, eight at a time: a word of zero-padded bytes per item."""
    lengths = np.diff(offsets)
    words = (lengths + 7) // 8
    bounds = np.zeros(len(offsets), dtype=np.int64)
    np.cumsum(words, out=bounds[1:])
    within = 8 * (np.arange(bounds[-1], dtype=np.int64) - np.repeat(bounds[:-1], words))
    unaligned: _Hashes = np.ndarray(len(data) - 7, np.uint64, buffer=data, strides=(1,))
    items = unaligned[np.repeat(offsets[:-1], words) + within]
    left = np.repeat(lengths, words) - within
    short = left < 8
    items[short] &= (np.uint64(1) << (8 * left[short]).astype(np.uint64)) - np.uint64(1)
    return _mix(_segments(items, bounds) ^ lengths.astype(np.uint64))


def _segments(items: _Hashes, offsets: npt.NDArray[np.int64]) -> _Hashes:
    """One hash per segment ``offsets[i]:offsets[i+1]``, of its items, their order and number."""
    lengths = np.diff(offsets)
    position = np.arange(len(items), dtype=np.int64) - np.repeat(offsets[:-1], lengths)
    terms = _mix(items ^ (position.astype(np.uint64) * _ODD))
    running = np.zeros(len(items) + 1, dtype=np.uint64)
    np.cumsum(terms, out=running[1:])
    sums = running[offsets[1:]] - running[offsets[:-1]]
    return _mix(sums ^ (lengths.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)))

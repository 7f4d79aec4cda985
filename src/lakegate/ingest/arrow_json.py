"""Arrow rows as JSON records, exactly, typed by the contract.

Decimals keep every digit, timestamps become RFC 3339 in UTC with as many digits as the column has,
and what JSON has no way to write (NaN) becomes a string, so that the gate names the field.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.type import (
    ArrayType,
    Field,
    IntegerType,
    MapType,
    ObjectType,
    StringType,
    Type,
)
from lakegate.gate.json_text import canonical
from lakegate.ingest.arrow_temporal import (
    date_texts,
    duration_text,
    duration_texts,
    time_texts,
    timestamp_texts,
)

__all__ = ["float_text", "row_texts", "value_texts"]

Array: TypeAlias = Any  # pyarrow has no types


def row_texts(
    batch: Any, types: Mapping[str, Type], written: Collection[str] = ()
) -> Iterator[bytes]:
    """One JSON object per row of a batch, its members in the order of the columns.

    Nulls are written. ``types`` are those the contract has for the columns it names; the columns
    ``written`` are JSON text already, without nulls.
    """
    names = [canonical(name) + ":" for name in batch.schema.names]
    columns = [
        column.to_pylist() if name in written else value_texts(column, types.get(name))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return _objects(names, columns, batch.num_rows)


def _objects(names: Sequence[str], columns: Sequence[Sequence[str]], count: int) -> Iterator[bytes]:
    template = "{" + ",".join(name.replace("%", "%%") + "%s" for name in names) + "}"
    rows = zip(*columns, strict=True) if columns else iter([()] * count)
    for row in rows:
        yield (template % row).encode("utf-8", "surrogateescape")


def value_texts(array: Array, type_: Type | None) -> list[str]:
    """The JSON text of each value; ``type_`` is what the contract says it is, if anything."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return value_texts(array.dictionary_decode(), type_)
    if pa.types.is_struct(kind):
        return _structs(array, type_)
    if pa.types.is_map(kind) and isinstance(type_, MapType):
        return _maps(array, type_)
    if pa.types.is_map(kind):
        return _lists(_pairs(array), type_)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(array, type_)
    if pa.types.is_fixed_size_list(kind):
        return _lists(array.cast(pa.list_(kind.value_type)), type_)
    if pa.types.is_union(kind):
        return _unions(array, type_)
    if pa.types.is_timestamp(kind):
        return timestamp_texts(array, type_)
    if pa.types.is_date(kind):
        return date_texts(array, type_)
    if pa.types.is_time(kind):
        return time_texts(array, type_)
    if pa.types.is_duration(kind):
        return duration_texts(array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ["null" if value is None else canonical(value) for value in _strings(array)]
    write = _writer(array.type, type_)
    return ["null" if value is None else write(value) for value in array.to_pylist()]


def _writer(kind: Any, type_: Type | None) -> Callable[[Any], str]:
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pa.types.is_integer(kind):
        return str
    if pa.types.is_decimal(kind):
        return lambda value: format(value, "f")
    if pa.types.is_floating(kind):
        short = pa.types.is_float32(kind) or pa.types.is_float16(kind)
        return lambda value: float_text(value, type_, short=short)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_fixed_binary(kind):
        return lambda value: _binary(value, type_)
    if kind == pa.month_day_nano_interval():
        return lambda value: f'"{duration_text(value.months, value.days, value.nanoseconds)}"'
    return lambda value: canonical(str(value))  # the gate shows it as it is


def _is_fixed_binary(kind: Any) -> bool:
    return bool(pa.types.is_fixed_size_binary(kind))


def float_text(value: float, type_: Type | None, *, short: bool = False) -> str:
    """A double as JSON, as short as reads back the same; ``short`` is for a ``float32``.

    NaN and infinity are strings; what is whole is an integer where the contract has one.
    """
    if not math.isfinite(value):
        return f'"{value}"'
    if isinstance(type_, IntegerType) and value.is_integer():
        return str(int(value))  # how pandas writes integers of which some are null
    return _shortest(value) if short else repr(value)


def _shortest(value: float) -> str:
    import numpy as np

    return repr(float(str(np.float32(value))))


def _binary(value: bytes, type_: Type | None) -> str:
    """Text where the contract has text and the bytes are it; base64 otherwise."""
    if isinstance(type_, StringType):
        try:
            return canonical(value.decode("utf-8"))
        except UnicodeDecodeError:
            pass
    return f'"{base64.b64encode(value).decode("ascii")}"'


def _strings(array: Array) -> list[str | None]:
    """The values as text; bytes that are no UTF-8 stand for themselves, as ``surrogateescape``."""
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        raw = array.cast(pa.large_binary()).to_pylist()
        return [None if one is None else one.decode("utf-8", "surrogateescape") for one in raw]


def _unions(array: Array, type_: Type | None) -> list[str]:
    """Each value by the type it has."""
    kinds = array.type.type_codes
    children = [value_texts(array.field(at), type_) for at in range(len(kinds))]
    # By buffer: `type_codes` and `offsets` of a slice are those of the whole.
    _, codes, *offsets = array.buffers()
    chosen = [kinds.index(code) for code in _held(codes, pa.int8(), array).to_pylist()]
    rows = range(len(array))
    if array.type.mode == "dense":
        rows = _held(offsets[0], pa.int32(), array).to_pylist()
    return [children[at][row] for at, row in zip(chosen, rows, strict=True)]


def _held(buffer: Any, kind: Any, array: Array) -> Array:
    return pa.Array.from_buffers(kind, len(array), [None, buffer], offset=array.offset)


def _structs(array: Array, type_: Type | None) -> list[str]:
    fields = type_.fields if isinstance(type_, ObjectType) else ()
    types = {field.name: field.type for field in fields}
    names = [field.name for field in array.type]
    columns = [
        value_texts(child, types.get(name))
        for name, child in zip(names, array.flatten(), strict=True)
    ]
    objects = _objects([canonical(name) + ":" for name in names], columns, len(array))
    valid = array.is_valid().to_pylist()
    return [
        text.decode("utf-8", "surrogateescape") if there else "null"
        for text, there in zip(objects, valid, strict=True)
    ]


def _maps(array: Array, type_: MapType) -> list[str]:
    """A map as an object, where the contract has one; a key that is there twice stays so."""
    ends = array.offsets.to_pylist()
    count = ends[-1] - ends[0]
    keys = _keys(array.keys.slice(ends[0], count))
    items = value_texts(array.items.slice(ends[0], count), type_.value.type)
    entries = [f"{key}:{item}" for key, item in zip(keys, items, strict=True)]
    bounds = zip(ends[:-1], ends[1:], array.is_valid().to_pylist(), strict=True)
    return [
        "{" + ",".join(entries[start - ends[0] : stop - ends[0]]) + "}" if there else "null"
        for start, stop, there in bounds
    ]


def _pairs(array: Array) -> Array:
    """A map as the list of its ``{"key": …, "value": …}``."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    parts = [part.slice(first, last - first) for part in (array.keys, array.items)]
    pairs = pa.StructArray.from_arrays(parts, ["key", "value"])
    return pa.ListArray.from_arrays(pc.subtract(offsets, first), pairs, mask=array.is_null())


def _keys(array: Array) -> list[str]:
    """JSON text of each, a string whatever the key is."""
    if pa.types.is_temporal(array.type):
        return value_texts(array, None)
    return [canonical(text or "") for text in _strings(array.cast(pa.string()))]


def _lists(array: Array, type_: Type | None) -> list[str]:
    item: Field | None = type_.item if isinstance(type_, ArrayType) else None
    items = value_texts(array.flatten(), None if item is None else item.type)
    lengths = pc.list_value_length(array).to_pylist()
    texts = []
    at = 0
    for length in lengths:
        if length is None:
            texts.append("null")
            continue
        texts.append("[" + ",".join(items[at : at + length]) + "]")
        at += length
    return texts

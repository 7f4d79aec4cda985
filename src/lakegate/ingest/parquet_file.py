"""Rows of a Parquet file as JSON records, exactly, typed by the contract.

Decimals keep every digit, timestamps become RFC 3339 in UTC with as many digits as the file has,
and what JSON has no way to write (NaN) becomes a string, so that the gate names the field.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakegate.contract.stream import Stream
from lakegate.contract.type import (
    ArrayType,
    Field,
    IntegerType,
    ObjectType,
    StringType,
    TimestampType,
    Type,
)
from lakegate.gate.json_text import canonical
from lakegate.ingest.file import DamagedFile

__all__ = ["parquet_records"]

Array: TypeAlias = Any  # pyarrow has no types
_ROWS = 8_192
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def parquet_records(
    path: Path, stream: Stream, *, on_rows: Callable[[float], None]
) -> Iterator[bytes]:
    """One JSON object per row, its members in the order of the columns; nulls are written.

    ``on_rows`` is told which fraction of the file has been read.

    Raises:
        DamagedFile: no Parquet, or a row group cannot be read; names it.
    """
    types = {field.name: field.type for field in stream.fields}
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"it is no Parquet file: {_first_line(error)}") from error
    with file:
        total = max(file.metadata.num_rows, 1)
        done = 0
        for group in range(file.num_row_groups):
            for batch in _batches(file, group):
                yield from _records(batch, types)
                done += batch.num_rows
                on_rows(done / total)


def _batches(file: Any, group: int) -> Iterator[Any]:
    try:
        yield from file.iter_batches(_ROWS, row_groups=[group], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"row group {group} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _records(batch: Any, types: dict[str, Type]) -> Iterator[bytes]:
    names = [canonical(name) + ":" for name in batch.schema.names]
    columns = [
        _texts(column, types.get(name))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return _objects(names, columns, batch.num_rows)


def _objects(names: Sequence[str], columns: Sequence[Sequence[str]], count: int) -> Iterator[bytes]:
    template = "{" + ",".join(name.replace("%", "%%") + "%s" for name in names) + "}"
    rows = zip(*columns, strict=True) if columns else iter([()] * count)
    for row in rows:
        yield (template % row).encode("utf-8", "surrogateescape")


def _texts(array: Array, type_: Type | None) -> list[str]:
    """The JSON text of each value."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _texts(array.dictionary_decode(), type_)
    if pa.types.is_struct(kind):
        return _structs(array, type_)
    if pa.types.is_map(kind):
        return _lists(_pairs(array), type_)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(array, type_)
    if pa.types.is_fixed_size_list(kind):
        return _lists(array.cast(pa.list_(kind.value_type)), type_)
    if pa.types.is_timestamp(kind):
        array = _timestamps(array, type_)
    elif pa.types.is_time(kind):
        array = array.cast(pa.string())
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
        return lambda value: _float(value, type_, short=short)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_fixed_binary(kind):
        return lambda value: _binary(value, type_)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return canonical
    return lambda value: canonical(str(value))  # dates are ISO; others the gate shows as they are


def _is_fixed_binary(kind: Any) -> bool:
    return bool(pa.types.is_fixed_size_binary(kind))


def _float(value: float, type_: Type | None, *, short: bool) -> str:
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


def _timestamps(array: Array, type_: Type | None) -> Array:
    """Text of each: with Z if the file's times are in UTC, without a zone if they are local."""
    kind = array.type
    zone = kind.tz
    local = zone is None
    if zone is not None and isinstance(type_, TimestampType) and not type_.zoned:
        array = array.cast(pa.timestamp(kind.unit, tz=type_.default_timezone))
        array = pc.local_timestamp(array)
        local = True
    elif zone is not None:
        array = array.cast(pa.timestamp(kind.unit, tz="UTC"))
    text = pc.strftime(array, format="%Y-%m-%dT%H:%M:%S", locale="C")
    return text if local else pc.binary_join_element_wise(text, "Z", "")


def _structs(array: Array, type_: Type | None) -> list[str]:
    fields = type_.fields if isinstance(type_, ObjectType) else ()
    types = {field.name: field.type for field in fields}
    names = [field.name for field in array.type]
    columns = [
        _texts(child, types.get(name)) for name, child in zip(names, array.flatten(), strict=True)
    ]
    objects = _objects([canonical(name) + ":" for name in names], columns, len(array))
    valid = array.is_valid().to_pylist()
    return [
        text.decode("utf-8", "surrogateescape") if there else "null"
        for text, there in zip(objects, valid, strict=True)
    ]


def _pairs(array: Array) -> Array:
    """A map as the list of its ``{"key": …, "value": …}``."""
    pair = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    return pa.array(
        [
            None if entries is None else [{"key": key, "value": value} for key, value in entries]
            for entries in array.to_pylist()
        ],
        pa.list_(pair),
    )


def _lists(array: Array, type_: Type | None) -> list[str]:
    item: Field | None = type_.item if isinstance(type_, ArrayType) else None
    items = _texts(array.flatten(), None if item is None else item.type)
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

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

from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import (
    ArrayType,
    DateType,
    Field,
    IntegerType,
    MapType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.json_text import canonical

__all__ = ["float_text", "row_texts", "value_texts"]

Array: TypeAlias = Any  # pyarrow has no types

_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


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
    if _has_format(type_) and pa.types.is_temporal(kind) and _says_zone(kind, type_):
        return _formatted(array, type_)
    if pa.types.is_timestamp(kind):
        array = _timestamps(array, type_)
    elif pa.types.is_time(kind):
        array = array.cast(pa.string())
    elif pa.types.is_duration(kind):
        return _durations(array)
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
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return canonical
    if kind == pa.month_day_nano_interval():
        return lambda value: f'"{_duration(value.months, value.days, value.nanoseconds)}"'
    return lambda value: canonical(str(value))  # dates are ISO; others the gate shows as they are


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


def _durations(array: Array) -> list[str]:
    scale = _NANOSECONDS[array.type.unit]
    return [
        "null" if value is None else f'"{_duration(0, 0, value * scale)}"'
        for value in array.cast(pa.int64()).to_pylist()
    ]


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """ISO 8601; the parts stay apart, because a month is no number of days."""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    text = "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if nanoseconds or text == "P":
        text += f"T{sign}{seconds}{fraction}S"
    return text


def _has_format(type_: Type | None) -> bool:
    return isinstance(type_, DateType | TimeType | TimestampType) and type_.format is not None


def _says_zone(kind: Any, type_: Type | None) -> bool:
    """Whether it is known which moment a value is; a local time where a zone is wanted is not."""
    if isinstance(type_, TimestampType):
        return bool(pa.types.is_timestamp(kind)) and (kind.tz is not None or not type_.zoned)
    return bool(pa.types.is_date(kind) if isinstance(type_, DateType) else pa.types.is_time(kind))


def _formatted(array: Array, type_: Any) -> list[str]:
    """Each value as the contract's format writes it: a value has no format, its text has."""
    name, zone = "date", "UTC"
    if isinstance(type_, TimestampType):
        name, local = "timestamp", array.type.tz is None
        zone = "UTC" if local else type_.default_timezone
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)
    elif isinstance(type_, TimeType):
        name, array = "time", array.cast(pa.time64("us"), safe=False)
    write = compile_format(type_.format, name).write
    values = array.to_pylist() if name == "date" else array.cast(pa.int64()).to_pylist()
    return ["null" if value is None else canonical(write(value, zone)) for value in values]


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
    keys = array.keys.slice(ends[0], count).cast(pa.string()).to_pylist()
    items = value_texts(array.items.slice(ends[0], count), type_.value.type)
    entries = [f"{canonical(key)}:{item}" for key, item in zip(keys, items, strict=True)]
    bounds = zip(ends[:-1], ends[1:], array.is_valid().to_pylist(), strict=True)
    return [
        "{" + ",".join(entries[start - ends[0] : stop - ends[0]]) + "}" if there else "null"
        for start, stop, there in bounds
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

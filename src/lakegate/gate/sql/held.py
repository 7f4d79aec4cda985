"""How columns are held while a rule is evaluated over them, and rows of them for the reference.

Integers, dates, times, timestamps and intervals are int64, lists hold what their items are held as.
A struct stays as it is until one of its members is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.rule import Column, Kind, SqlType
from lakegate.contract.sql.vector import Answer, to_mask

__all__ = ["arrow_type", "as_rows", "held", "held_array"]

_TYPES = {
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.NULL: pa.null(),
}
_WHOLE = (Kind.INTEGER, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.INTERVAL)


def arrow_type(type_: SqlType) -> pa.DataType:
    """The Arrow type of a held value; structs have none of their own."""
    if type_.kind is Kind.DECIMAL:
        return pa.decimal128(min(max(type_.precision, 1), 38), type_.scale)
    if type_.kind is Kind.LIST and type_.item is not None:
        return pa.list_(arrow_type(type_.item))
    return _TYPES.get(type_.kind, pa.int64())


def held(table: pa.Table, column: Column) -> Answer:
    """The column of a rule, null where a step of its path is null.

    In doubt where a value is beyond 64 bits: unsigned integers are, and lists of them as a whole.
    """
    name, *rest = column.path
    array = table.column(name).combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    for step in rest:
        array = pc.struct_field(array, step)
    try:
        return Answer(held_array(array, column.type))
    except pa.ArrowInvalid:
        if column.type.kind is not Kind.INTEGER:
            return Answer(pa.nulls(len(array), arrow_type(column.type)), to_mask(array.is_valid()))
    beyond = to_mask(pc.greater(array, pa.scalar(2**63 - 1, array.type)))
    kept = pc.if_else(pa.array(beyond), pa.scalar(None, array.type), array)
    return Answer(held_array(kept, column.type), beyond)


def held_array(array: pa.Array, type_: SqlType) -> pa.Array:
    """Values of a contract's type as the kernels hold them."""
    kind = type_.kind
    if kind in (Kind.OPAQUE, Kind.STRUCT):
        return array
    if kind is Kind.DATE:
        return array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    if kind is Kind.LIST and type_.item is not None:
        sizes = pc.list_value_length(array).fill_null(0).to_numpy()
        offsets = np.zeros(len(array) + 1, dtype=np.int32)
        np.cumsum(sizes, out=offsets[1:])
        items = held_array(array.flatten(), type_.item)
        absent = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(pa.array(offsets), items, mask=absent)
    if kind in _WHOLE:
        return array.cast(pa.int64())
    target = arrow_type(type_)
    return array if array.type == target else array.cast(target)


def as_rows(table: pa.Table, columns: Iterable[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Rows as the reference takes them, with the columns a rule looks at."""
    names = list(dict.fromkeys(path[0] for path in columns))
    lists = [_plain(table.column(name).combine_chunks()) for name in names]
    if not names:
        yield from ({} for _ in range(table.num_rows))
    for values in zip(*lists, strict=True):
        yield dict(zip(names, values, strict=True))


def _plain(array: Any) -> list[Any]:
    return [_value(value) for value in array] if _is_odd(array.type) else array.to_pylist()


def _is_odd(type_: pa.DataType) -> bool:
    return bool(pa.types.is_nested(type_) or pa.types.is_temporal(type_))


def _value(value: pa.Scalar) -> Any:
    """Dates as days, times and timestamps as microseconds: also those Python has no value for."""
    if not value.is_valid:
        return None
    if pa.types.is_temporal(value.type):
        return value.value
    if pa.types.is_struct(value.type):
        return {name: _value(member) for name, member in value.items()}
    if pa.types.is_list(value.type):
        return [_value(item) for item in value]
    return value.as_py()

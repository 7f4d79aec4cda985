"""Columns of a frame that have the contract's types already, as a decoder would hand them over."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
from lakegate.contract.type import (
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
    TimeType,
)
from lakegate.gate.decode.base import Decoded
from lakegate.gate.json_text import is_utf8
from lakegate.gate.schema import arrow_type
from lakegate.gate.value import integer_range

__all__ = ["typed"]

_Mask: TypeAlias = npt.NDArray[np.bool_]

# What dates, times and timestamps of a record can be, in the numbers of their columns: years 1 to
# 9999, and less than a day.
_RANGES = (
    (DateType, pa.int32(), -719_162, 2_932_896),
    (TimeType, pa.int64(), 0, 86_399_999_999),
    (TimestampType, pa.int64(), -62_135_596_800_000_000, 253_402_300_799_999_999),
)


def typed(batch: pa.RecordBatch, stream: Stream) -> Decoded | None:
    """The rows whose every column says what its JSON would; None when a column does not.

    Such a column has the contract's type, or a narrower one that is cast without loss. A frame with
    columns nobody declared is never taken.
    """
    declared = {field.name for field in stream.fields}
    if not declared.issuperset(batch.schema.names):
        return None
    certain = np.ones(batch.num_rows, dtype=bool)
    columns = []
    for field in stream.fields:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            columns.append(pa.nulls(batch.num_rows, arrow_type(field.type)))
            continue
        read = _read(batch.column(at), field)
        if read is None:
            return None
        column, good = read
        if good is not None:
            certain &= good
        columns.append(column)
    if certain.all():
        return Decoded(np.arange(batch.num_rows, dtype=np.int64), columns, {})
    kept = pa.array(certain)
    return Decoded(np.flatnonzero(certain), [column.filter(kept) for column in columns], {})


def _read(array: pa.Array, field: Field) -> tuple[pa.Array, _Mask | None] | None:
    """The column in the contract's type, and which rows are certain."""
    target, kind = arrow_type(field.type), array.type
    match field.type:
        case StringType():
            good = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        case IntegerType():
            good = pa.types.is_integer(kind)
        case NumberType():
            good = pa.types.is_float64(kind)
        case DecimalType():
            good = pa.types.is_decimal(kind) or pa.types.is_integer(kind)
        case BooleanType():
            good = pa.types.is_boolean(kind)
        case DateType():
            good = pa.types.is_date32(kind)
        case TimeType():
            good = pa.types.is_time(kind) and kind != pa.time64("ns")
        case TimestampType():
            good = pa.types.is_timestamp(kind) and kind.tz is not None and kind.unit != "ns"
        case _:
            return None
    if not good:
        return None
    try:
        column = array.cast(target)
    except pa.ArrowInvalid:
        return None  # a value beyond the type: the record says which
    if isinstance(field.type, IntegerType) and not _fits(column, field.type):
        return None
    if isinstance(field.type, NumberType):
        column = pc.add(column, 0.0)  # -0 is 0
        return column, _mask(pc.is_finite(column))
    if isinstance(field.type, StringType):
        return column, _decodable(column)
    for type_, width, first, last in _RANGES:
        if isinstance(field.type, type_):
            number = column.cast(width)
            within = pc.and_(pc.greater_equal(number, first), pc.less_equal(number, last))
            return column, _mask(within)
    return column, None


def _fits(column: pa.Array, type_: IntegerType) -> bool:
    """Whether every value is within the contract's width, which the column's may exceed."""
    low, high = integer_range(type_)
    found = pc.min_max(column).as_py()
    return found["min"] is None or (low <= found["min"] and found["max"] <= high)


def _decodable(column: pa.Array) -> _Mask | None:
    """Which texts are UTF-8, which nothing before has looked at; None if all are."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary()).to_pylist()
        return np.array([one is None or is_utf8(one) for one in raw], dtype=bool)
    return None


def _mask(holds: pa.BooleanArray) -> _Mask:
    """True where it holds, and where there is no value to hold it."""
    return holds.fill_null(True).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]

"""The Arrow schema of accepted rows: the contract's types, exactly (SEMANTICS, "The verdict")."""

from __future__ import annotations

from typing import assert_never

import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)

__all__ = ["UNKNOWN_FIELDS", "arrow_field", "arrow_schema", "arrow_type"]

UNKNOWN_FIELDS = "_unknown_fields"

# What a change has beside its row (docs/reference/cdc.md); the order is that of CDC_COLUMNS.
_CHANGE = (
    pa.field("_op", pa.string(), nullable=False),
    pa.field("_source_position", pa.string(), nullable=False),
    pa.field("_source_ts", pa.timestamp("us", tz="UTC")),
    pa.field("_transaction", pa.string()),
    pa.field("_source_table", pa.string(), nullable=False),
    pa.field("_unavailable", pa.list_(pa.field("element", pa.string(), nullable=False))),
)


def arrow_schema(stream: Stream) -> pa.Schema:
    """Columns as declared, then ``_unknown_fields`` (JSON text, nullable) where they are kept.

    A column is not nullable when the record is rejected without it. In a stream of changes each
    may be null, and the columns of a change follow. The metadata names the judge:
    ``lakegate.contract.id``, ``.version`` and ``.digest``.
    """
    columns = [arrow_field(field) for field in stream.fields]
    if stream.unknown_fields is UnknownFields.KEEP:
        columns.append(pa.field(UNKNOWN_FIELDS, pa.string()))
    if stream.cdc is not None:  # a delete has its key only, a truncate not even that
        columns = [*(column.with_nullable(True) for column in columns), *_CHANGE]
    contract = stream.contract
    return pa.schema(
        columns,
        metadata={
            "lakegate.contract.id": contract.id,
            "lakegate.contract.version": contract.version,
            "lakegate.contract.digest": contract.digest,
        },
    )


def arrow_field(field: Field) -> pa.Field:
    """One column, list element or member of a struct; nested ones likewise."""
    never_null = field.required and field.required_severity.rejects and field.type_severity.rejects
    return pa.field(field.name, arrow_type(field.type), nullable=not never_null)


def arrow_type(type_: Type) -> pa.DataType:
    """The Arrow type that holds every value of a contract type, exactly.

    ``string``, ``int32`` (up to 32 bits signed or 16 unsigned), ``int64``, ``decimal128(20, 0)``
    (64 bits unsigned), ``double``, ``decimal128(p, s)``, ``bool``, ``date32``, ``time64[us]``,
    ``timestamp[us, UTC]``, ``list<element>``, ``struct``, ``map<string, value>``; ``AnyType`` is
    JSON text in a ``string``.
    """
    match type_:
        case StringType() | AnyType():
            return pa.string()
        case IntegerType(bits=bits, signed=signed):
            if bits <= (32 if signed else 16):
                return pa.int32()
            return pa.int64() if signed or bits < 64 else pa.decimal128(20, 0)
        case NumberType():
            return pa.float64()
        case DecimalType(precision=precision, scale=scale):
            return pa.decimal128(precision, scale)
        case BooleanType():
            return pa.bool_()
        case DateType():
            return pa.date32()
        case TimeType():
            return pa.time64("us")
        case TimestampType():
            return pa.timestamp("us", tz="UTC")
        case ArrayType(item=item):
            return pa.list_(arrow_field(item).with_name("element"))
        case ObjectType(fields=fields):
            return pa.struct([arrow_field(member) for member in fields])
        case MapType(value=value):
            key = pa.field("key", pa.string(), nullable=False)
            return pa.map_(key, arrow_field(value).with_name("value"))
        case _:
            assert_never(type_)

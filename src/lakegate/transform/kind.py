"""What of DuckDB's types a table stores, and as which: docs/reference/models.md, "Types".

Anything narrower than what Iceberg has is widened, anything without a faithful counterpart is an
error that names the column and the cast that would do.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from lakegate.transform.failure import ModelFailed

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType

__all__ = ["Unstorable", "stored_type"]

_REPAIRS = {
    "map": "use map_entries(…), a list of structs",
    "interval": "use extract(epoch FROM …), seconds",
    "time with time zone": "cast it to TIME",
    "bit": "cast it to VARCHAR",
    "bignum": "cast it to DECIMAL(38, 0)",
    "varint": "cast it to DECIMAL(38, 0)",
    "union": "use union_extract(…)",
    "sqlnull": "cast it to the type it should have",
    "null": "cast it to the type it should have",
    "time_ns": "cast it to TIME",
}


class Unstorable(ModelFailed):
    """A column has a type that no table can store; says which column and what to do."""


def stored_type(kind: Any, column: str) -> IcebergType:
    """The Iceberg type of a DuckDB type (``DuckDBPyType``); field ids inside mean nothing.

    Raises:
        Unstorable: there is no faithful one.
    """
    return _type(kind, column, itertools.count(1))


def _type(kind: Any, path: str, ids: itertools.count[int]) -> IcebergType:
    from pyiceberg.types import (
        DecimalType,
        ListType,
        MapType,
        NestedField,
        PrimitiveType,
        StructType,
    )

    match str(kind.id):
        case "decimal":
            said = dict(kind.children)
            return DecimalType(int(said["precision"]), int(said["scale"]))
        case "struct":
            return StructType(
                *(
                    NestedField(next(ids), name, _type(child, f"{path}.{name}", ids), False)
                    for name, child in kind.children
                )
            )
        case "list" | "array":
            item = _type(kind.children[0][1], f"{path}[]", ids)
            return ListType(next(ids), item, False)
        case "map":
            (_, of_key), (_, of_value) = kind.children
            key = _type(of_key, f"{path}.key", ids)
            if not isinstance(key, PrimitiveType):
                raise Unstorable(f"column {path} has keys that are no single values; make them so")
            inside = _type(of_value, f"{path}.value", ids)
            return MapType(next(ids), key, next(ids), inside, value_required=False)
        case simple:
            return _simple(simple, path, str(kind))


def _simple(name: str, path: str, said: str) -> IcebergType:
    from pyiceberg import types as iceberg

    match name:
        case "boolean":
            return iceberg.BooleanType()
        case "tinyint" | "smallint" | "integer" | "utinyint" | "usmallint":
            return iceberg.IntegerType()
        case "bigint" | "uinteger":
            return iceberg.LongType()
        case "ubigint":
            return iceberg.DecimalType(20, 0)
        case "hugeint" | "uhugeint":
            return iceberg.DecimalType(38, 0)
        case "float":
            return iceberg.FloatType()
        case "double":
            return iceberg.DoubleType()
        case "varchar" | "enum" | "json" | "uuid":
            return iceberg.StringType()
        case "blob":
            return iceberg.BinaryType()
        case "date":
            return iceberg.DateType()
        case "time":
            return iceberg.TimeType()
        case "timestamp" | "timestamp_s" | "timestamp_ms" | "timestamp_ns":
            return iceberg.TimestampType()
        case "timestamp with time zone":
            return iceberg.TimestamptzType()
    repair = _REPAIRS.get(name, "cast it to a type that has a counterpart")
    raise Unstorable(f"column {path} has type {said}, which no table can store; {repair}")

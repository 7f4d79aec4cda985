"""SQL over Parquet files whose nested fields changed, and the spelling of types and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakegate.lake.spelling import identifier, literal

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

__all__ = ["BY_CONTENT", "generations", "nested_changed", "type_name"]

_FIELD_ID = b"PARQUET:field_id"

# Otherwise DuckDB takes a column from the file's path if that names it (`region=a%2Fb/`), encoded.
BY_CONTENT = "hive_partitioning = false"


def type_name(kind: IcebergType) -> str:
    """The DuckDB type of an Iceberg type."""
    from pyiceberg import types as iceberg

    match kind:
        case iceberg.StructType():
            inside = ", ".join(
                f"{identifier(item.name)} {type_name(item.field_type)}" for item in kind.fields
            )
            return f"STRUCT({inside})"
        case iceberg.ListType():
            return f"{type_name(kind.element_type)}[]"
        case iceberg.MapType():
            return f"MAP({type_name(kind.key_type)}, {type_name(kind.value_type)})"
        case iceberg.DecimalType():
            return f"DECIMAL({kind.precision}, {kind.scale})"
        case _:
            return _NAMES[str(kind)]


_NAMES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def nested_changed(schemas: Iterable[Schema], now: Schema) -> bool:
    """Whether a struct or list of the table ever looked otherwise than it does now."""
    current = {item.field_id: item.field_type for item in now.fields}
    return any(
        not item.field_type.is_primitive
        and item.field_id in current
        and _layout(item.field_type) != _layout(current[item.field_id])
        for schema in schemas
        for item in schema.fields
    )


def _layout(kind: IcebergType) -> Any:
    """What matters to a reader: ids, names and types; not documentation, nor what is required."""
    from pyiceberg.types import ListType, MapType, StructType

    match kind:
        case StructType():
            return tuple((f.field_id, f.name, _layout(f.field_type)) for f in kind.fields)
        case ListType():
            return (kind.element_id, _layout(kind.element_type))
        case MapType():
            return (kind.key_id, kind.value_id, _layout(kind.value_type))
        case _:
            return str(kind)


def generations(io: FileIO, paths: Iterable[str], schema: Schema) -> Iterator[str]:
    """One SELECT per group of files written with one schema, giving the columns of ``schema``.

    Reads the footer of every file.
    """
    groups: dict[str, tuple[pa.Schema, list[str]]] = {}
    for path in paths:
        with io.new_input(path).open() as stream:
            written = pq.read_schema(stream)
        key = written.to_string(show_field_metadata=True, show_schema_metadata=False)
        groups.setdefault(key, (written, []))[1].append(path)
    for written, group in groups.values():
        by_id = {_field_id(item): item for item in written}
        columns = ", ".join(
            f"{_top(by_id.get(item.field_id), item.field_type)} AS {identifier(item.name)}"
            for item in schema.fields
        )
        files = ", ".join(literal(path) for path in group)
        yield f"SELECT {columns} FROM read_parquet([{files}], {BY_CONTENT})"  # noqa: S608


def _field_id(item: pa.Field) -> int:
    return int((item.metadata or {}).get(_FIELD_ID, b"-1"))


def _top(found: pa.Field | None, wanted: IcebergType) -> str:
    if found is None:
        return f"CAST(NULL AS {type_name(wanted)})"
    return f"CAST({_value(identifier(found.name), found.type, wanted, 0)} AS {type_name(wanted)})"


def _value(expression: str, found: pa.DataType, wanted: IcebergType, depth: int) -> str:
    """An expression for a value as ``wanted``, given one for the value as the file has it."""
    from pyiceberg.types import ListType, MapType, StructType

    match wanted:
        case StructType():
            by_id = {_field_id(item): item for item in found}
            parts = []
            for item in wanted.fields:
                old = by_id.get(item.field_id)
                value = (
                    f"CAST(NULL AS {type_name(item.field_type)})"
                    if old is None
                    else _value(
                        f"{expression}[{literal(old.name)}]", old.type, item.field_type, depth
                    )
                )
                parts.append(f"{identifier(item.name)} := {value}")
            packed = f"struct_pack({', '.join(parts)})"
            return f"CASE WHEN {expression} IS NULL THEN NULL ELSE {packed} END"
        case ListType():
            each = f"e{depth}"
            value = _value(each, found.value_type, wanted.element_type, depth + 1)
            return f"list_transform({expression}, lambda {each}: {value})"
        case MapType():
            each = f"e{depth}"
            value = _value(f"{each}.value", found.item_type, wanted.value_type, depth + 1)
            entry = f"struct_pack(key := {each}.key, value := {value})"
            entries = f"list_transform(map_entries({expression}), lambda {each}: {entry})"
            made = f"map_from_entries({entries})"
            return f"CASE WHEN {expression} IS NULL THEN NULL ELSE {made} END"
        case _:
            return expression

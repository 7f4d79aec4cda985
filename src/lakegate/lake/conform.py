"""Reading rows of one schema of a table as rows of another, by field id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.errors import LakeError

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType, NestedField

__all__ = ["arrow_fields", "conform"]

_FIELD_ID = b"PARQUET:field_id"


def arrow_fields(schema: Schema) -> pa.Schema:
    """The Arrow schema in which a table's Parquet files are written: field ids in the metadata."""
    return pa.schema([_arrow_field(item) for item in schema.fields])


def _arrow_field(item: NestedField) -> pa.Field:
    return pa.field(
        item.name,
        _arrow_type(item.field_type),
        nullable=not item.required,
        metadata={_FIELD_ID: str(item.field_id).encode()},
    )


def _arrow_type(kind: IcebergType) -> pa.DataType:
    from pyiceberg.io.pyarrow import schema_to_pyarrow
    from pyiceberg.types import BinaryType, ListType, MapType, StringType, StructType

    match kind:
        case StructType():
            return pa.struct([_arrow_field(item) for item in kind.fields])
        case ListType():
            return pa.list_(_arrow_field(kind.element_field))
        case MapType():
            return pa.map_(_arrow_field(kind.key_field), _arrow_field(kind.value_field))
        case StringType():
            return pa.string()
        case BinaryType():
            return pa.binary()
        case _:
            return schema_to_pyarrow(kind)


def conform(rows: pa.Table, source: Schema, target: Schema) -> pa.Table:
    """``rows``, whose columns are named as in ``source``, with the columns and types of ``target``.

    Columns are matched by field id, at every depth; what ``rows`` lacks is null, what ``target``
    lacks is left out.

    Raises:
        LakeError: a column that the table requires is missing or null.
        pyarrow.ArrowInvalid: a value does not fit the column's type.
    """
    by_id = {item.field_id: item for item in source.fields}
    wanted = arrow_fields(target)
    columns = []
    for item, arrow in zip(target.fields, wanted, strict=True):
        found = by_id.get(item.field_id)
        if found is None or found.name not in rows.column_names:
            column = pa.chunked_array([pa.nulls(rows.num_rows, arrow.type)])
        else:
            column = _chunked(rows[found.name], found.field_type, item.field_type, arrow.type)
        if item.required and column.null_count:
            raise LakeError(
                f"column {item.name} is required in the table and {column.null_count} of "
                f"{rows.num_rows} rows have none: they were not judged by this stream's contract"
            )
        columns.append(column)
    return pa.table(columns, schema=wanted)


def _chunked(column: pa.ChunkedArray, old: IcebergType, new: IcebergType, arrow: Any) -> Any:
    if new.is_primitive or old == new:
        return column if column.type == arrow else column.cast(arrow)
    return pa.chunked_array([_array(chunk, old, new, arrow) for chunk in column.chunks], type=arrow)


def _array(array: pa.Array, old: IcebergType, new: IcebergType, arrow: Any) -> Any:
    from pyiceberg.types import ListType, MapType, StructType

    match old, new:
        case StructType(), StructType():
            position = {item.field_id: index for index, item in enumerate(old.fields)}
            children = []
            for index, item in enumerate(new.fields):
                at = position.get(item.field_id)
                child = arrow.field(index).type
                children.append(
                    pa.nulls(len(array), child)
                    if at is None
                    else _array(array.field(at), old.fields[at].field_type, item.field_type, child)
                )
            mask = array.is_null() if array.null_count else None
            return pa.StructArray.from_arrays(children, fields=list(arrow), mask=mask)
        case ListType(), ListType():
            values = _array(array.flatten(), old.element_type, new.element_type, arrow.value_type)
            lengths = pc.fill_null(pc.list_value_length(array), 0)
            ends = pc.cumulative_sum(lengths.cast(pa.int32()))
            offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
            mask = array.is_null() if array.null_count else None
            return pa.ListArray.from_arrays(offsets, values, type=arrow, mask=mask)
        case MapType(), MapType():
            ends = array.offsets
            first, count = ends[0].as_py(), ends[-1].as_py() - ends[0].as_py()
            keys, items = array.keys.slice(first, count), array.items.slice(first, count)
            return pa.MapArray.from_arrays(
                pc.subtract(ends, pa.scalar(first, pa.int32())),
                keys.cast(arrow.key_type),
                _array(items, old.value_type, new.value_type, arrow.item_type),
                type=arrow,
                mask=array.is_null() if array.null_count else None,
            )
        case _:
            return array.cast(arrow)

"""From contract to table: the Iceberg schema and partitioning, and how they follow the contract.

A table follows its contract by *field id*. Each element of a contract has a key, its ODCS ``id`` or
else its name, within the key of what encloses it (``order/lines/[]/qty``); the table remembers
which field id each key got. So a rename keeps its data, and an old column never comes back as a
different one. What is never done to a table: dropping a column (it stays, optional), narrowing a
type, making an optional column required.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakegate.contract.stream import Partition, Stream
from lakegate.contract.type import ArrayType, Field, MapType, ObjectType, Type
from lakegate.errors import LakeError
from lakegate.gate.schema import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType, NestedField, PrimitiveType

__all__ = ["Column", "TableShape", "columns_of", "partition_spec", "shape"]

_SYSTEM = {
    "_topic": (pa.string(), "Topic of the raw record: with partition and offset, its identity."),
    "_source_partition": (pa.int32(), "Partition of the raw record."),
    "_offset": (pa.int64(), "Offset of the raw record."),
    "_ingested_at": (pa.timestamp("us", tz="UTC"), "When the raw record was appended to its log."),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, struct field or list element that the contract wants; ``key`` is its identity."""

    key: str
    name: str
    type: Any  # pa.DataType
    required: bool
    doc: str | None = None
    children: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class TableShape:
    """A schema, and the field id of every key (table property ``lakegate.fields``)."""

    schema: Schema
    keys: Mapping[str, int]


def columns_of(stream: Stream) -> tuple[Column, ...]:
    """The columns of a stream's table: the contract's, in order, then the system columns."""
    declared = {item.name: item for item in stream.fields}
    wanted = [_column(item, declared.get(item.name), "") for item in arrow_schema(stream)]
    system = [
        Column(key=name, name=name, type=type_, required=True, doc=doc)
        for name, (type_, doc) in _SYSTEM.items()
    ]
    return (*wanted, *system)


def _column(arrow: pa.Field, declared: Field | None, inside: str) -> Column:
    name = arrow.name if declared is None else declared.name
    key = inside + (name if declared is None or declared.id is None else declared.id)
    return Column(
        key=key,
        name=name,
        type=arrow.type,
        required=not arrow.nullable,
        doc=None if declared is None else declared.description,
        children=tuple(_children(arrow.type, None if declared is None else declared.type, key)),
    )


def _children(arrow: pa.DataType, declared: Type | None, key: str) -> Iterator[Column]:
    if pa.types.is_struct(arrow):
        fields = declared.fields if isinstance(declared, ObjectType) else ()
        by_name = {item.name: item for item in fields}
        for item in arrow:
            yield _column(item, by_name.get(item.name), f"{key}/")
    elif pa.types.is_map(arrow):
        yield from _entries(arrow, declared if isinstance(declared, MapType) else None, key)
    elif pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        element = declared.item if isinstance(declared, ArrayType) else None
        yield Column(
            key=f"{key}/[]",
            name="element",
            type=arrow.value_type,
            required=not arrow.value_field.nullable,
            doc=None if element is None else element.description,
            children=tuple(
                _children(arrow.value_type, None if element is None else element.type, f"{key}/[]")
            ),
        )


def _entries(arrow: pa.MapType, declared: MapType | None, key: str) -> Iterator[Column]:
    """Key and value of a map."""
    ends = (("key", arrow.key_field), ("value", arrow.item_field))
    for name, item in ends:
        of: Field | None = None if declared is None else getattr(declared, name)
        identity = f"{key}/{{{name}}}"
        yield Column(
            key=identity,
            name=name,
            type=item.type,
            required=not item.nullable,
            doc=None if of is None else of.description,
            children=tuple(_children(item.type, None if of is None else of.type, identity)),
        )


def shape(
    stream: Stream, table: Schema | None, keys: Mapping[str, int], last_id: int
) -> TableShape:
    """The schema a stream's table should have, given the one it has (None: it does not exist yet).

    ``last_id`` is the highest field id ever given out in the table. Equal to ``table`` when nothing
    is to be done.

    Raises:
        LakeError: the contract changed in a way that the table cannot follow; says which column,
            and what to do.
    """
    from pyiceberg.schema import Schema

    builder = _Builder(stream=stream, known=keys, last_id=last_id, fresh=table is None)
    columns = columns_of(stream)
    fields = builder.fields(columns, () if table is None else table.fields, stream.table)
    made = Schema(*fields, identifier_field_ids=_identifiers(stream, fields))
    if table is None:
        return _as_catalogs_number(made, builder.keys)
    return TableShape(schema=made, keys=dict(sorted(builder.keys.items())))


def _as_catalogs_number(made: Schema, keys: Mapping[str, int]) -> TableShape:
    """With the field ids that a catalog gives to a new table, whatever ids it is asked for."""
    from pyiceberg.schema import assign_fresh_schema_ids

    given = assign_fresh_schema_ids(made)
    numbered = {
        key: given.find_field(str(made.find_column_name(field_id))).field_id
        for key, field_id in keys.items()
    }
    return TableShape(schema=given, keys=dict(sorted(numbered.items())))


def _identifiers(stream: Stream, fields: list[NestedField]) -> list[int]:
    from pyiceberg.types import DoubleType, FloatType

    by_name = {item.name: item for item in fields}
    key = [by_name[name] for name in stream.primary_key if name in by_name]
    if len(key) < len(stream.primary_key):
        return []
    identifying = all(
        item.required
        and item.field_type.is_primitive
        and not isinstance(item.field_type, (FloatType, DoubleType))
        for item in key
    )
    return (
        [item.field_id for item in key]
        if len(key) == len(stream.primary_key) and identifying
        else []
    )


@dataclass(slots=True)
class _Builder:
    stream: Stream
    known: Mapping[str, int]
    last_id: int
    fresh: bool
    keys: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = dict(self.known)

    def fields(
        self, columns: tuple[Column, ...], old: tuple[NestedField, ...], where: str
    ) -> list[NestedField]:
        from pyiceberg.types import NestedField

        wanted = {column.key for column in columns}
        matched = {column.key: self._match(column, old, wanted) for column in columns}
        result = [self._field(column, matched[column.key], where) for column in columns]
        taken = {item.name for item in result}
        kept = {item.field_id for item in matched.values() if item is not None}
        for item in old:
            if item.field_id not in kept:
                name = item.name if item.name not in taken else f"{item.name}__{item.field_id}"
                result.append(
                    NestedField(item.field_id, name, item.field_type, required=False, doc=item.doc)
                )
        return result

    def _match(
        self, column: Column, old: tuple[NestedField, ...], wanted: set[str]
    ) -> NestedField | None:
        field_id = self.known.get(column.key)
        for item in old:
            if item.field_id == field_id:
                return item
        names = {identity: key for key, identity in self.known.items()}
        for item in old:
            before = names.get(item.field_id)
            # An element that gained or lost its id is the same element; one with another id is not.
            same = before is None or item.name in (_last(before), _last(column.key))
            if item.name == column.name and same and before not in wanted:
                return item
        return None

    def _field(self, column: Column, old: NestedField | None, where: str) -> NestedField:
        from pyiceberg.types import NestedField

        field_id = old.field_id if old is not None else self._next_id()
        self.keys[column.key] = field_id
        return NestedField(
            field_id,
            column.name,
            self._type(column, None if old is None else old.field_type, f"{where}.{column.name}"),
            required=column.required and (self.fresh or (old is not None and old.required)),
            doc=column.doc,
        )

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def _type(self, column: Column, old: IcebergType | None, where: str) -> IcebergType:
        from pyiceberg.types import ListType, PrimitiveType, StructType
        from pyiceberg.types import MapType as IcebergMap

        if pa.types.is_struct(column.type):
            if old is not None and not isinstance(old, StructType):
                raise self._incompatible(where, old, "a struct")
            return StructType(
                *self.fields(column.children, () if old is None else old.fields, where)
            )
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            if old is not None and not isinstance(old, ListType):
                raise self._incompatible(where, old, "a list")
            element = column.children[0]
            made = self._field(element, None if old is None else old.element_field, where)
            return ListType(made.field_id, made.field_type, element_required=made.required)
        if pa.types.is_map(column.type):
            if old is not None and not isinstance(old, IcebergMap):
                raise self._incompatible(where, old, "a map")
            key, value = (
                self._field(child, None if old is None else part, where)
                for child, part in zip(
                    column.children,
                    (None, None) if old is None else (old.key_field, old.value_field),
                    strict=True,
                )
            )
            return IcebergMap(
                key.field_id,
                key.field_type,
                value.field_id,
                value.field_type,
                value_required=value.required,
            )
        new = _primitive(column.type, where)
        if old is None or old == new or (isinstance(old, PrimitiveType) and _holds(old, new)):
            return new if old is None else old
        if not (isinstance(old, PrimitiveType) and _holds(new, old)):
            raise self._incompatible(where, old, str(new))
        return new

    def _incompatible(self, where: str, old: IcebergType, new: str) -> LakeError:
        return LakeError(
            f"column {where} is {old} in the table, and contract {self.stream.contract.id} "
            f"{self.stream.contract.version} makes it {new}: a table can widen int to long, float "
            "to double and a decimal's precision, nothing else. Give the property a new `id` (or "
            "another name): the old column stays, with its history, and a new one is added"
        )


def _last(key: str) -> str:
    return key.rpartition("/")[2]


def _primitive(arrow: pa.DataType, where: str) -> PrimitiveType:
    from pyiceberg import types as iceberg

    if pa.types.is_decimal(arrow):
        return iceberg.DecimalType(arrow.precision, arrow.scale)
    if pa.types.is_timestamp(arrow):
        return iceberg.TimestamptzType() if arrow.tz else iceberg.TimestampType()
    if pa.types.is_uint64(arrow):
        return iceberg.DecimalType(20, 0)
    for holds, made in (
        (pa.types.is_boolean, iceberg.BooleanType),
        (lambda kind: kind in _SMALL_INTEGERS, iceberg.IntegerType),
        (pa.types.is_integer, iceberg.LongType),
        (pa.types.is_float32, iceberg.FloatType),
        (pa.types.is_float64, iceberg.DoubleType),
        (pa.types.is_date, iceberg.DateType),
        (pa.types.is_time, iceberg.TimeType),
        (
            lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
            iceberg.StringType,
        ),
        (
            lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
            iceberg.BinaryType,
        ),
    ):
        if holds(arrow):
            return made()
    raise LakeError(f"column {where}: an Iceberg table has no type for Arrow's {arrow}")


_SMALL_INTEGERS = {pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()}


def _holds(wide: PrimitiveType, narrow: PrimitiveType) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``, by a promotion Iceberg allows."""
    from pyiceberg import types as iceberg

    match wide, narrow:
        case iceberg.LongType(), iceberg.IntegerType():
            return True
        case iceberg.DoubleType(), iceberg.FloatType():
            return True
        case iceberg.DecimalType(), iceberg.DecimalType():
            return wide.scale == narrow.scale and wide.precision >= narrow.precision
        case _:
            return False


def partition_spec(
    partitions: tuple[Partition, ...], schema: Schema, old: PartitionSpec | None, last_id: int
) -> PartitionSpec:
    """Hidden partitioning as the contract says; a field that was there before keeps its id.

    ``last_id`` is the highest partition field id ever given out (999 for a new table).

    Raises:
        LakeError: no such column, or a transform that does not fit its type.
    """
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import UnknownTransform, parse_transform

    before = {} if old is None else {(f.source_id, str(f.transform)): f for f in old.fields}
    fields = []
    for partition in partitions:
        try:
            source = schema.find_field(partition.column)
        except ValueError:
            raise LakeError(
                f"partition column {partition.column!r} is not in the table: expected one of "
                f"{', '.join(schema.column_names)}"
            ) from None
        transform = parse_transform(partition.transform)
        if isinstance(transform, UnknownTransform) or not transform.can_transform(
            source.field_type
        ):
            raise LakeError(
                f"partition transform {partition.transform!r} does not fit column "
                f"{partition.column} of type {source.field_type}: use day, month, hour or year for "
                "times, bucket[N] or truncate[N] for keys, identity for few values"
            )
        kept = before.get((source.field_id, str(transform)))
        if kept is None:
            last_id += 1
        fields.append(
            kept
            or PartitionField(
                source.field_id, last_id, transform, _partition_name(partition, schema)
            )
        )
    return PartitionSpec(*fields, spec_id=0 if old is None else old.spec_id + 1)


def _partition_name(partition: Partition, schema: Schema) -> str:
    base = partition.column.replace(".", "_")
    if partition.transform == "identity":
        return base
    name = f"{base}_{partition.transform.split('[')[0]}"
    return name if name not in schema.column_names else f"{name}_partition"

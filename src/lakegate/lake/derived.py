"""Tables made by models: created from columns, evolved only when what was written is published.

A derived table is written whole or in part by one writer at a time, on ``staged``, and published
like any other. A new schema is *added* to the table when the first rows of it are written and
becomes the table's own in the commit that publishes them, so that readers of ``main`` never see a
column of a model that did not pass its tests.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate.contract.stream import Partition
from lakegate.errors import LakeError
from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.create import create_table
from lakegate.lake.failure import translated
from lakegate.lake.generation import type_name
from lakegate.lake.schema import partition_spec
from lakegate.lake.update import assert_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate
    from pyiceberg.types import IcebergType, NestedField

__all__ = ["DerivedColumn", "as_of", "prepare"]

_PROMOTIONS = {("int", "long"), ("float", "double")}


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column of a model. The field ids inside ``type`` mean nothing; it is always optional."""

    name: str
    type: IcebergType
    doc: str | None = None


def as_of(table: Table, snapshot_id: int) -> Table:
    """The table with the schema of a snapshot as its current one: what to read that snapshot with.

    Raises:
        LakeError: no such snapshot.
    """
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise LakeError(
            f"table {'.'.join(table.name())} has no snapshot {snapshot_id}: it has expired or "
            "never was; read the head of a branch"
        )
    if snapshot.schema_id is None:
        return table
    return _seen(table, {"current_schema_id": snapshot.schema_id})


def prepare(
    lake: Catalog, name: str, columns: Sequence[DerivedColumn], partitions: Sequence[Partition]
) -> tuple[Table, bool]:
    """The table, ready to be written with these columns; made if it is not there. Idempotent.

    Returns it *as seen by the writer*, with the wanted schema and partitioning as the current ones,
    and whether they differ from what is published.

    Raises:
        LakeError: a change that the table cannot follow; nothing was changed; says what to do.
        CommitConflict: another commit came between; try again.
    """
    with translated(f"cannot prepare table {name}"):
        table = _load_or_create(lake, name, columns, partitions)
        schema, known = _schema(table, columns)
        spec = partition_spec(
            tuple(partitions), schema, table.spec(), table.metadata.last_partition_id or 999
        )
        spec_id = _known_spec(table, spec)
        updates: list[TableUpdate] = []
        if known is None:
            from pyiceberg.table.update import AddSchemaUpdate

            known = max(table.schemas()) + 1
            updates.append(AddSchemaUpdate(schema=_numbered(schema, known)))
        if spec_id is None:
            from pyiceberg.table.update import AddPartitionSpecUpdate

            spec_id = max(table.specs()) + 1
            added = spec.model_copy(update={"spec_id": spec_id})
            updates.append(AddPartitionSpecUpdate(spec=added))
        if updates:
            metadata = table.metadata
            reach("lake.model.evolve")
            asserted = assert_schema(metadata.current_schema_id, metadata.last_column_id)
            catalog.commit(table, asserted, updates)
        wanted = {"current_schema_id": known, "default_spec_id": spec_id}
        differs = any(getattr(table.metadata, key) != value for key, value in wanted.items())
        return _seen(table, wanted), differs


def _seen(table: Table, wanted: dict[str, int]) -> Table:
    seen = copy.copy(table)
    seen.metadata = table.metadata.model_copy(update=wanted)
    return seen


def _load_or_create(
    lake: Catalog, name: str, columns: Sequence[DerivedColumn], partitions: Sequence[Partition]
) -> Table:
    table = catalog.look_up(lake, name)
    if table is None:
        schema = _fresh(columns, itertools.count(1))
        spec = partition_spec(tuple(partitions), schema, None, 999)
        table = create_table(lake, name, schema, spec, properties={}, summary={})
    catalog.staged_id(table)
    return table


def _schema(table: Table, columns: Sequence[DerivedColumn]) -> tuple[Schema, int | None]:
    """The schema the columns make in this table, and its id if the table has it already."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    current = {item.name: item for item in table.schema().fields}
    for known_id, known in table.schemas().items():
        if _says(known) == _asked(columns) and _agree(known, current):
            return known, known_id
    ids = itertools.count(table.metadata.last_column_id + 1)
    fields = []
    for column in columns:
        old = current.get(column.name)
        if old is not None and type_name(old.field_type) == type_name(column.type):
            fields.append(old.model_copy(update={"doc": column.doc}))
        elif old is not None and _promotes(old.field_type, column.type):
            fields.append(old.model_copy(update={"doc": column.doc, "field_type": column.type}))
        else:
            kind = with_ids(column.type, ids)
            fields.append(NestedField(next(ids), column.name, kind, False, column.doc))
    _keep_partitioned(table, fields)
    return Schema(*fields), None


def _asked(columns: Sequence[DerivedColumn]) -> list[tuple[str, str, str | None]]:
    return [(column.name, type_name(column.type), column.doc) for column in columns]


def _says(schema: Schema) -> list[tuple[str, str, str | None]]:
    return [(item.name, type_name(item.field_type), item.doc) for item in schema.fields]


def _agree(schema: Schema, current: dict[str, NestedField]) -> bool:
    """Whether columns that both have are one column: same id exactly when the type went along."""
    for item in schema.fields:
        now = current.get(item.name)
        if now is None:
            continue
        same = type_name(now.field_type) == type_name(item.field_type)
        if (same or _promotes(now.field_type, item.field_type)) != (now.field_id == item.field_id):
            return False
    return True


def _promotes(old: IcebergType, new: IcebergType) -> bool:
    """Whether Iceberg reads old files of the one type as the other (spec, "Schema Evolution")."""
    from pyiceberg.types import DecimalType

    if isinstance(old, DecimalType) and isinstance(new, DecimalType):
        return old.scale == new.scale and old.precision < new.precision
    return (str(old), str(new)) in _PROMOTIONS


def _keep_partitioned(table: Table, fields: Sequence[NestedField]) -> None:
    there = {item.field_id for item in fields}
    for spec in table.specs().values():
        for part in spec.fields:
            if part.source_id not in there:
                name = table.schema().find_column_name(part.source_id)
                raise LakeError(
                    f"column {name} partitions table {'.'.join(table.name())} and cannot be "
                    "dropped or change its type: older snapshots are found by it; keep it, or give "
                    "the model a new name"
                )


def _fresh(columns: Sequence[DerivedColumn], ids: Iterator[int]) -> Schema:
    """As a catalog numbers a new table: top-level columns first."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    numbers = [next(ids) for _ in columns]
    return Schema(
        *(
            NestedField(number, column.name, with_ids(column.type, ids), False, column.doc)
            for number, column in zip(numbers, columns, strict=True)
        )
    )


def with_ids(kind: IcebergType, ids: Iterator[int]) -> IcebergType:
    """The type with fresh field ids inside, at every depth."""
    from pyiceberg.types import ListType, MapType, NestedField, StructType

    match kind:
        case StructType():
            return StructType(
                *(
                    NestedField(next(ids), item.name, with_ids(item.field_type, ids), False)
                    for item in kind.fields
                )
            )
        case ListType():
            return ListType(next(ids), with_ids(kind.element_type, ids), False)
        case MapType():
            key, value = next(ids), next(ids)
            inside = with_ids(kind.value_type, ids)
            return MapType(key, kind.key_type, value, inside, value_required=False)
        case _:
            return kind


def _numbered(schema: Schema, schema_id: int) -> Schema:
    return schema.model_copy(update={"schema_id": schema_id})


def _known_spec(table: Table, spec: PartitionSpec) -> int | None:
    def said(of: PartitionSpec) -> list[tuple[Any, str]]:
        return [(item.source_id, str(item.transform)) for item in of.fields]

    return next((key for key, known in table.specs().items() if said(known) == said(spec)), None)

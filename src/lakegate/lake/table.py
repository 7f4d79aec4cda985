"""A stream's table: made from the contract, and made to follow it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict
from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.create import create_table
from lakegate.lake.failure import translated
from lakegate.lake.schema import TableShape, partition_spec, shape
from lakegate.lake.snapshot import OFFSETS, contract_properties
from lakegate.lake.update import assert_schema, set_schema, set_spec

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate

__all__ = ["ensure", "schema_of_digest"]

# table properties
FIELDS = "lakegate.fields"  # JSON {key of a contract's element: field id}
CONTRACTS = "lakegate.contracts"  # JSON {contract digest: schema id}

_ATTEMPTS = 5


def ensure(lake: Catalog, stream: Stream) -> Table:
    """The table of a stream, created or evolved to the stream's contract; idempotent.

    Safe for two at once.

    Raises:
        LakeError: the table cannot follow the contract, or is somebody else's; nothing was changed.
        CommitConflict: others kept committing; try again.
    """
    refused: CommitConflict | None = None
    for _ in range(_ATTEMPTS):
        try:
            table = _load_or_create(lake, stream)
            catalog.staged_id(table)
            _evolve(table, stream)
        except CommitConflict as conflict:
            refused = conflict
        else:
            return table
    raise CommitConflict(
        f"table {stream.table} could not be brought to contract {stream.contract.version} in "
        f"{_ATTEMPTS} attempts, others kept committing: try again"
    ) from refused


def _load_or_create(lake: Catalog, stream: Stream) -> Table:
    with translated(f"cannot create table {stream.table}"):
        if catalog.look_up(lake, stream.table) is not None:
            return catalog.load(lake, stream.table)
        made = shape(stream, None, {}, 0)
        return create_table(
            lake,
            stream.table,
            made.schema,
            partition_spec(stream.partitions, made.schema, None, 999),
            properties=_properties(made, {stream.contract.digest: 0}),
            summary={OFFSETS: "{}", **contract_properties(stream.contract)},
        )


def _properties(made: TableShape, contracts: Mapping[str, int]) -> dict[str, str]:
    return {
        FIELDS: json.dumps(dict(made.keys), separators=(",", ":")),
        CONTRACTS: json.dumps(dict(contracts), separators=(",", ":")),
    }


def schema_of_digest(table: Table, digest: str) -> Schema | None:
    """The schema the table had under a contract, or None if it never followed that one."""
    schema_id = json.loads(table.properties.get(CONTRACTS, "{}")).get(digest)
    return None if schema_id is None else table.schemas().get(schema_id)


def _evolve(table: Table, stream: Stream) -> None:
    from pyiceberg.table.update import (
        AddPartitionSpecUpdate,
        AddSchemaUpdate,
        SetPropertiesUpdate,
    )

    metadata = table.metadata
    keys = json.loads(table.properties.get(FIELDS, "{}"))
    contracts = json.loads(table.properties.get(CONTRACTS, "{}"))
    made = shape(stream, table.schema(), keys, metadata.last_column_id)
    spec = partition_spec(
        stream.partitions, made.schema, table.spec(), metadata.last_partition_id or 999
    )
    schema_id = _known_schema(table, made.schema)
    new_schema = schema_id is None
    if schema_id is None:
        schema_id = max(table.schemas()) + 1
    properties = _properties(made, contracts | {stream.contract.digest: schema_id})
    updates: list[TableUpdate] = []
    if new_schema:
        new = made.schema.model_copy(update={"schema_id": schema_id})
        updates.append(AddSchemaUpdate(schema=new))
    if schema_id != metadata.current_schema_id:
        updates.append(set_schema(schema_id))
    if not _same_fields(spec, table.spec()):
        spec_id = _known_spec(table, spec)
        if spec_id is None:
            spec_id = max(table.specs()) + 1
            updates.append(
                AddPartitionSpecUpdate(spec=spec.model_copy(update={"spec_id": spec_id}))
            )
        updates.append(set_spec(spec_id))
    if any(table.properties.get(name) != value for name, value in properties.items()):
        updates.append(SetPropertiesUpdate(updates=properties))
    if updates:
        reach("lake.evolve.before")
        with translated(f"cannot evolve table {stream.table}"):
            catalog.commit(
                table,
                assert_schema(metadata.current_schema_id, metadata.last_column_id),
                updates,
            )


def _known_schema(table: Table, schema: Schema) -> int | None:
    for schema_id, known in table.schemas().items():
        if (
            known.fields == schema.fields
            and known.identifier_field_ids == schema.identifier_field_ids
        ):
            return schema_id
    return None


def _known_spec(table: Table, spec: PartitionSpec) -> int | None:
    return next((key for key, known in table.specs().items() if _same_fields(known, spec)), None)


def _same_fields(one: PartitionSpec, other: PartitionSpec) -> bool:
    return [(f.source_id, str(f.transform)) for f in one.fields] == [
        (f.source_id, str(f.transform)) for f in other.fields
    ]

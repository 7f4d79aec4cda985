"""Iceberg's table updates and requirements, spelt once (REST spec, ``CommitTableRequest``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table.update import TableRequirement, TableUpdate

__all__ = [
    "assert_branch",
    "assert_schema",
    "forget_snapshots",
    "remove_reference",
    "set_branch",
    "set_schema",
    "set_spec",
    "set_tag",
]


def set_branch(name: str, snapshot_id: int) -> TableUpdate:
    """Make or move a branch."""
    return _set_reference(name, "branch", snapshot_id)


def set_tag(name: str, snapshot_id: int) -> TableUpdate:
    """Make or move a tag."""
    return _set_reference(name, "tag", snapshot_id)


def _set_reference(name: str, kind: str, snapshot_id: int) -> TableUpdate:
    from pyiceberg.table.update import SetSnapshotRefUpdate

    return SetSnapshotRefUpdate.model_validate(
        {"ref-name": name, "type": kind, "snapshot-id": snapshot_id}
    )


def remove_reference(name: str) -> TableUpdate:
    """Remove a branch or tag."""
    from pyiceberg.table.update import RemoveSnapshotRefUpdate

    return RemoveSnapshotRefUpdate.model_validate({"ref-name": name})


def forget_snapshots(snapshot_ids: Iterable[int]) -> TableUpdate:
    """Expire snapshots; their files stay until swept."""
    from pyiceberg.table.update import RemoveSnapshotsUpdate

    return RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(snapshot_ids)})


def set_schema(schema_id: int) -> TableUpdate:
    """Make a schema of the table the current one."""
    from pyiceberg.table.update import SetCurrentSchemaUpdate

    return SetCurrentSchemaUpdate.model_validate({"schema-id": schema_id})


def set_spec(spec_id: int) -> TableUpdate:
    """Make a partition spec of the table the one that is written with."""
    from pyiceberg.table.update import SetDefaultSpecUpdate

    return SetDefaultSpecUpdate.model_validate({"spec-id": spec_id})


def assert_branch(name: str, snapshot_id: int | None) -> TableRequirement:
    """A branch (or tag) is at that snapshot; None: it does not exist."""
    from pyiceberg.table.update import AssertRefSnapshotId

    return AssertRefSnapshotId.model_validate({"ref": name, "snapshot-id": snapshot_id})


def assert_schema(schema_id: int, last_field_id: int) -> tuple[TableRequirement, ...]:
    """The schema, and the highest field id given out, are those that were seen."""
    from pyiceberg.table.update import AssertCurrentSchemaId, AssertLastAssignedFieldId

    return (
        AssertCurrentSchemaId.model_validate({"current-schema-id": schema_id}),
        AssertLastAssignedFieldId.model_validate({"last-assigned-field-id": last_field_id}),
    )

"""The two branches: what is on them, and moving ``main`` to an audited snapshot of ``staged``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakegate.errors import LakeError, PublishRefused
from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.commit import lineage, unmoved
from lakegate.lake.delete import quarantined
from lakegate.lake.failure import translated
from lakegate.lake.snapshot import MAIN, STAGED, SnapshotInfo
from lakegate.lake.update import assert_branch, remove_reference, set_branch, set_tag

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

__all__ = ["head", "history", "pin", "publish", "unpin"]

_PIN = "lakegate.pin."


def head(table: Table, branch: str) -> SnapshotInfo | None:
    """The newest snapshot of a branch, or None if it has none."""
    snapshot = table.metadata.snapshot_by_name(branch)
    return None if snapshot is None else _info(snapshot)


def history(table: Table, branch: str) -> list[SnapshotInfo]:
    """The snapshots of a branch that are still kept, newest first."""
    reference = table.metadata.refs.get(branch)
    if reference is None:
        return []
    return [_info(item) for item in lineage(table.metadata, reference.snapshot_id)]


def _info(snapshot: Snapshot) -> SnapshotInfo:
    summary = snapshot.summary
    properties = {} if summary is None else dict(summary.additional_properties)
    return SnapshotInfo(
        snapshot_id=snapshot.snapshot_id,
        parent_id=snapshot.parent_snapshot_id,
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        operation="" if summary is None else summary.operation.value,
        rows=int(properties.get("total-records", "0")),
        properties=properties,
    )


def publish(table: Table, *, snapshot_id: int, expected_main: int | None) -> None:
    """Move ``main`` to exactly ``snapshot_id``, asserting in the commit that it is where expected.

    ``main`` only moves forward: it must be an ancestor of the snapshot. Publishing what ``main``
    already is does nothing, whatever was expected.

    Raises:
        PublishRefused: ``main`` is not ``expected_main``, or not an ancestor of the snapshot; or
            the snapshot holds rows that were quarantined since.
        LakeError: no such snapshot.
        CommitConflict: another commit came between; nothing happened: load the table and try again.
    """
    name = ".".join(table.name())
    metadata = table.metadata
    main = metadata.current_snapshot_id
    if main == snapshot_id:
        return
    if main != expected_main:
        raise PublishRefused(
            f"cannot publish {name}: expected main at snapshot {expected_main}, found {main}; "
            "somebody published meanwhile: audit the newest snapshot of `staged` again"
        )
    if metadata.snapshot_by_id(snapshot_id) is None:
        raise LakeError(
            f"cannot publish {name}: no snapshot {snapshot_id}, it has expired or never was: "
            "audit the newest snapshot of `staged` and publish that"
        )
    if main is not None and main not in {
        item.snapshot_id for item in lineage(metadata, snapshot_id)
    }:
        raise PublishRefused(
            f"cannot publish {name}: main (snapshot {main}) is not an ancestor of snapshot "
            f"{snapshot_id}, so moving it there would lose what was published; main only moves "
            "forward: publish a newer snapshot of `staged`"
        )
    staged = metadata.refs.get(STAGED)
    if staged is not None and quarantined(table, staged.snapshot_id) != quarantined(
        table, snapshot_id
    ):
        raise PublishRefused(
            f"cannot publish {name}: rows of snapshot {snapshot_id} were quarantined since it was "
            "audited: audit the newest snapshot of `staged` and publish that"
        )
    reach("lake.publish.before")
    with translated(f"cannot publish {name}"):
        catalog.commit(
            table,
            (assert_branch(MAIN, main), unmoved(table, STAGED)),
            (set_branch(MAIN, snapshot_id),),
        )
    reach("lake.publish.committed")


def pin(table: Table, *, snapshot_id: int, name: str) -> None:
    """Keep a snapshot, however old, until :func:`unpin`: by the tag ``lakegate.pin.<name>``.

    A pin of that name moves.

    Raises:
        LakeError: no such snapshot.
        CommitConflict: another commit came between; try again.
    """
    tag = _PIN + name
    if table.metadata.snapshot_by_id(snapshot_id) is None:
        raise LakeError(
            f"cannot pin snapshot {snapshot_id} of {'.'.join(table.name())}: it has expired or "
            "never was; take the newest of the branch"
        )
    before = table.metadata.refs.get(tag)
    with translated(f"cannot pin snapshot {snapshot_id}"):
        catalog.commit(
            table,
            (assert_branch(tag, None if before is None else before.snapshot_id),),
            (set_tag(tag, snapshot_id),),
        )


def unpin(table: Table, *, name: str) -> None:
    """Let go of a pinned snapshot; nothing happens if there is no such pin."""
    if _PIN + name in table.metadata.refs:
        with translated(f"cannot unpin {name}"):
            catalog.commit(table, (), (remove_reference(_PIN + name),))

"""Writing a derived table: files out, files in, one snapshot; and publishing it with its schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from lakegate.errors import CommitConflict, PublishRefused
from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.commit import Change, commit_change, lineage
from lakegate.lake.datafile import discard, write_rows
from lakegate.lake.failure import translated
from lakegate.lake.snapshot import KIND, MAIN, STAGED
from lakegate.lake.update import assert_branch, set_branch, set_schema, set_spec

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate

__all__ = ["FAULT_POINTS", "MODEL", "overwrite", "publish_derived", "write_batches"]

MODEL = "model"  # lakegate.kind of the snapshots made here

FAULT_POINTS = (
    "lake.model.evolve",
    "lake.model.written",
    "lake.model.committed",
    "lake.model.publish",
    "lake.model.published",
)

_FILE_ROWS = 1 << 20


def write_batches(table: Table, batches: Iterable[pa.RecordBatch]) -> list[DataFile]:
    """Write rows (in the columns of ``table`` as its writer sees it), a million or so at a time.

    Files belong to no snapshot until committed. When reading or writing fails, those written are
    deleted.

    Raises:
        LakeUnavailable: no room.
    """
    from lakegate.lake.conform import arrow_fields

    schema = arrow_fields(table.schema())
    written: list[DataFile] = []
    try:
        for rows in _gathered(batches):
            with translated(f"cannot write rows of table {'.'.join(table.name())}"):
                written.extend(write_rows(table, rows.cast(schema)))
    except BaseException:
        discard(table, written)
        raise
    return written


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= _FILE_ROWS:
            yield pa.Table.from_batches(held)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held)


def overwrite(
    table: Table,
    *,
    added: Sequence[DataFile],
    removed: Sequence[DataFile],
    properties: Mapping[str, str],
    keep: int,
) -> int:
    """Replace files of ``staged`` by others in one snapshot; return its id.

    ``table`` is as :func:`lakegate.lake.derived.prepare` gave it. ``properties`` go into the
    snapshot; ``keep`` snapshots of the branch stay. When nothing was committed, ``added`` are
    deleted.

    Raises:
        CommitConflict: another commit came between; nothing happened; run again.
    """
    from pyiceberg.exceptions import CommitFailedException

    change = Change(
        properties={KIND: MODEL, **properties},
        added=added,
        removed=removed,
        keep=keep,
        takes_rows_off=bool(removed),
    )
    reach("lake.model.written")
    with translated(f"cannot write table {'.'.join(table.name())}"):
        try:
            snapshot_id = commit_change(table, change)
        except (CommitConflict, CommitFailedException):
            # Only these say that no snapshot refers to the files; after any other one may.
            discard(table, added)
            raise
    reach("lake.model.committed")
    return snapshot_id


def publish_derived(table: Table, *, snapshot_id: int, expected_main: int | None) -> None:
    """Move ``main`` to a snapshot, its schema and partitioning becoming the table's own with it.

    Publishing what ``main`` already is does nothing.

    Raises:
        PublishRefused: ``main`` is not ``expected_main``, or not an ancestor of the snapshot.
        CommitConflict: another commit came between; nothing happened; run again.
    """
    name = ".".join(table.name())
    catalog.refresh(table)
    metadata = table.metadata
    if metadata.current_snapshot_id == snapshot_id:
        return
    ancestors = {item.snapshot_id for item in lineage(metadata, snapshot_id)}
    if metadata.current_snapshot_id != expected_main or expected_main not in ancestors:
        raise PublishRefused(
            f"cannot publish {name}: expected main at snapshot {expected_main}, an ancestor of "
            f"{snapshot_id}; found {metadata.current_snapshot_id}; somebody published meanwhile: "
            "run the model again"
        )
    snapshot = metadata.snapshot_by_id(snapshot_id)
    updates: list[TableUpdate] = [set_branch(MAIN, snapshot_id)]
    if snapshot is not None and snapshot.schema_id not in (None, metadata.current_schema_id):
        updates.append(set_schema(snapshot.schema_id or 0))
    spec_id = _newest_spec(table, snapshot_id)
    if spec_id not in (None, metadata.default_spec_id):
        updates.append(set_spec(spec_id or 0))
    reach("lake.model.publish")
    with translated(f"cannot publish {name}"):
        catalog.commit(
            table,
            (assert_branch(MAIN, expected_main), assert_branch(STAGED, snapshot_id)),
            updates,
        )
    reach("lake.model.published")


def _newest_spec(table: Table, snapshot_id: int) -> int | None:
    """The partitioning that the newest files of a snapshot were written with."""
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    live = [item for item in manifests if item.has_added_files() or item.has_existing_files()]
    newest = max(live, key=lambda item: item.sequence_number, default=None)
    return None if newest is None else newest.partition_spec_id

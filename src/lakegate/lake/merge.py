"""The merged table of a stream of changes: each row as the source has it now.

It is derived from the *published* changes and published in the same step. Each merge takes the
changes published since the last one, so its cost is that of what changed: data files in which no
changed key stands are left alone. The newest snapshot says which changes are in it (table of
snapshot properties below), so that a merge that dies, or runs twice, changes nothing.

============================ =======================================================================
snapshot property            meaning
============================ =======================================================================
``lakegate.merge.source``    the snapshot of the changes' ``main`` that is merged
``lakegate.merge.positions`` JSON like ``lakegate.offsets``: below which offset of the topics of
                             events changes are merged; one that comes later for an offset below is
                             a replay, and its key is derived from its whole history
``lakegate.merge.emptied``   JSON: the newest truncate, as a place in the order of changes
``lakegate.merge.key``       JSON: the key by which rows are told apart
============================ =======================================================================
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict, LakeError
from lakegate.fault import reach
from lakegate.lake.lake import Lake
from lakegate.lake.merge_sql import CurrentRows, distinct_changes
from lakegate.lake.merge_step import MergeReport, Step, merged_of
from lakegate.lake.snapshot import MAIN, STAGED
from lakegate.lake.spelling import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["FAULT_POINTS", "MergeReport", "current_stream", "current_view", "merge"]

FAULT_POINTS = ("lake.merge.written", "lake.merge.committed", "lake.merge.published")

_PIN = "merged"
_ATTEMPTS = 5
_MAINTAIN_EVERY = 20


def current_stream(stream: Stream) -> Stream:
    """The merged table of a stream of changes, as a stream to the lake: other table, no partitions.

    Raises:
        LakeError: the stream takes no changes.
    """
    if stream.cdc is None:
        raise LakeError(
            f"{stream.name} takes plain records, so there is nothing to merge; a stream of changes "
            "says `lakegate.cdc: debezium` in its contract"
        )
    return replace(stream, table=stream.cdc.current_table, partitions=())


def current_view(
    connection: DuckDBPyConnection, stream: Stream, changes: str, *, name: str
) -> None:
    """Make ``name`` a temporary view of the rows of now, derived from a relation of all changes."""
    columns = [row[0] for row in connection.execute(f"DESCRIBE {identifier(changes)}").fetchall()]
    first = f"{name}__distinct"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {identifier(first)} AS "
        + distinct_changes(identifier(changes), stream.primary_key)
    )
    rows = CurrentRows(columns, stream.primary_key).select(identifier(first))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS {rows}")


def merge(lake: Lake, stream: Stream, *, memory_limit: str = "1GB") -> MergeReport:
    """Bring the merged table to what is published of the stream's changes; exactly once.

    Raises:
        CommitConflict: others kept merging; nothing of this merge happened; try again.
        LakeError: the stream takes no changes, or files cannot be read.
    """
    target = current_stream(stream)
    refused: CommitConflict | None = None
    for _ in range(_ATTEMPTS):
        head = lake.head(stream, MAIN) if lake.exists(stream) else None
        if head is None:
            return MergeReport(stream.name, target.table)
        lake.ensure(target)
        try:
            _publish(lake, target)
            merged = merged_of(lake.table(target))
            if merged.source == head.snapshot_id and merged.key == stream.primary_key:
                rows = lake.head(target, MAIN)
                return MergeReport(
                    stream.name,
                    target.table,
                    rows=0 if rows is None else rows.rows,
                    source_snapshot_id=head.snapshot_id,
                )
            report = Step(lake, stream, target, merged, head.snapshot_id, memory_limit).run()
            _publish(lake, target)
        except CommitConflict as conflict:
            refused = conflict
            continue
        _keep(lake, stream, target, head.snapshot_id)
        return report
    raise CommitConflict(
        f"table {target.table} could not be merged in {_ATTEMPTS} attempts, others kept "
        "committing; nothing of this merge happened: try again"
    ) from refused


def _publish(lake: Lake, target: Stream) -> None:
    """Move ``main`` to the head of ``staged``: also what a killed merge left behind."""
    staged, main = lake.head(target, STAGED), lake.head(target, MAIN)
    if staged is None or main is None or staged.snapshot_id == main.snapshot_id:
        return
    lake.publish(target, snapshot_id=staged.snapshot_id, expected_main=main.snapshot_id)
    reach("lake.merge.published")


def _keep(lake: Lake, stream: Stream, target: Stream, snapshot_id: int) -> None:
    """Pin what the next merge compares with, and keep the merged table small now and then.

    Without the pin, an expired snapshot costs the next merge a look at the whole history.
    """
    try:
        lake.pin(stream, snapshot_id=snapshot_id, name=_PIN)
        if len(lake.history(target, MAIN)) % _MAINTAIN_EVERY == 0:
            lake.maintain(target)
            _publish(lake, target)
    except CommitConflict:
        return

"""Retention: dropping what is old or too much, never what a registered group has yet to read.

Index rows go first, a limited number per transaction so that writers never wait long; then the
files in which no row is left. A crash in between leaves files without rows, which the next run
removes: nobody can ever commit into a segment whose lock is free.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from lakegate.fault import reach
from lakegate.topic.base import TopicPartition
from lakegate.topic.edge import translated
from lakegate.topic.index import Index, PartitionRow, to_us
from lakegate.topic.segment import abandoned

__all__ = ["drop", "reap"]

_CHUNK = 10_000  # index rows per transaction: about 30 ms


def drop(index: Index, now: datetime) -> dict[TopicPartition, int]:
    """Drop whole batches from the start of each partition, as its topic's retention says.

    Returns the new start offset of each partition that was cut.
    """
    cut = {}
    for topic, number, age_us, size_bytes in index.all(
        "SELECT t.name, p.number, t.retention_us, t.retention_bytes "
        "FROM topic t JOIN partition p ON p.topic = t.id "
        "WHERE t.retention_us IS NOT NULL OR t.retention_bytes IS NOT NULL "
        "ORDER BY t.name, p.number"
    ):
        source = TopicPartition(topic, number)
        partition = index.partition(source)
        target = partition.start
        if age_us is not None:
            before_us = to_us(now - timedelta(microseconds=age_us))
            target = max(target, _first_since(index, partition, before_us))
        if size_bytes is not None:
            target = max(target, _first_within(index, partition, size_bytes))
        if target > partition.start:
            start = _cut(index, source, target)
            if start > partition.start:
                cut[source] = start
    return cut


def _first_since(index: Index, partition: PartitionRow, before_us: int) -> int:
    row = index.one(
        "SELECT base FROM batch WHERE partition = ? AND appended_us >= ? ORDER BY base LIMIT 1",
        partition.id,
        before_us,
    )
    return partition.next if row is None else int(row[0])


def _first_within(index: Index, partition: PartitionRow, size_bytes: int) -> int:
    """The first of the newest batches that together fit into ``size_bytes``."""
    (size,) = index.one(
        "SELECT coalesce(sum(size), 0) FROM batch WHERE partition = ?", partition.id
    )
    first = partition.start
    while size > size_bytes:
        rows = index.all(
            "SELECT base + count, size FROM batch WHERE partition = ? AND base >= ? "
            "ORDER BY base LIMIT ?",
            partition.id,
            first,
            _CHUNK,
        )
        for until, batch_size in rows:
            if size <= size_bytes:
                break
            size -= batch_size
            first = until
        if not rows:
            break
    return first


def _cut(index: Index, source: TopicPartition, target: int) -> int:
    """Drop the batches that end at or before ``target`` and every group's offset."""
    partition = index.partition_id(source)
    while True:
        with index.immediate():
            start = index.partition(source).start
            (group,) = index.one(
                "SELECT min(next_offset) FROM consumer WHERE partition = ?", partition
            )
            limit = target if group is None else min(target, group)
            rows = index.all(
                "SELECT base + count FROM batch WHERE partition = ? AND base < ? "
                "AND base + count <= ? ORDER BY base LIMIT ?",
                partition,
                limit,
                limit,
                _CHUNK,
            )
            if rows:
                start = rows[-1][0]
                index.execute(
                    "DELETE FROM batch WHERE partition = ? AND base < ?", partition, start
                )
                index.execute(
                    "UPDATE partition SET start_offset = ? WHERE id = ?", start, partition
                )
        reach("topic.retain.dropped")
        if len(rows) < _CHUNK:
            return int(start)


def reap(index: Index, segments: Path) -> None:
    """Remove segments that no batch is in and nobody writes, known to the index or not."""
    for segment, topic, name in index.all(
        "SELECT s.id, t.name, s.name FROM segment s JOIN topic t ON t.id = s.topic "
        "WHERE NOT EXISTS (SELECT 1 FROM batch b WHERE b.segment = s.id)"
    ):
        path = segments / topic / name
        with translated(path), abandoned(path) as free:
            if free and _forgotten(index, segment):
                reach("topic.retain.indexed")
                path.unlink(missing_ok=True)
                reach("topic.retain.unlinked")
    for path in segments.glob("*/*.seg"):
        with translated(path), abandoned(path) as free:
            # Looked up under the lock: a commit that came first has put the row there.
            if free and index.one("SELECT 1 FROM segment WHERE name = ?", path.name) is None:
                path.unlink(missing_ok=True)


def _forgotten(index: Index, segment: int) -> bool:
    with index.immediate():
        if index.one("SELECT 1 FROM batch WHERE segment = ?", segment) is not None:
            return False
        index.execute("DELETE FROM scrub WHERE segment = ?", segment)
        index.execute("DELETE FROM segment WHERE id = ?", segment)
    return True

"""Re-reading a partition whole: every byte, every count, no offset missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lakegate.topic.base import TopicPartition
from lakegate.topic.fresh import Fresh
from lakegate.topic.index import Index
from lakegate.topic.reading import Reading

__all__ = ["damages"]

_ROWS = 256


def damages(index: Index, segments: Path, source: TopicPartition) -> Iterator[str]:
    """One sentence per damage, in order of offset; those of a missing segment are one.

    Records that retention takes, or that are appended, while this reads are no damage.

    Raises:
        UnknownTopic: no such partition.
    """
    reading = Reading(index, segments, Fresh())  # what is on disk
    try:
        yield from _walk(index, segments, source, reading)
    finally:
        reading.close()


def _walk(index: Index, segments: Path, source: TopicPartition, reading: Reading) -> Iterator[str]:
    partition = index.partition(source)
    offset = partition.start
    missing: set[int] = set()
    while offset < partition.next:
        rows = index.batches(partition.id, offset, limit=_ROWS)
        if not rows:
            break
        for row in rows:
            if row.base >= partition.next:
                break
            if row.base > offset and offset >= index.partition(source).start:
                yield _absent(index, source, offset, row.base)
            if row.base < offset:
                yield (
                    f"{index.path} has two batches for offsets {row.base} to {offset - 1} of "
                    f"{source}."
                )
            offset = row.next
            if row.segment in missing or (damage := reading.damage(source, row)) is None:
                continue
            if index.batches(partition.id, row.base, limit=1)[:1] != [row]:
                continue  # moved by retention or erasure since the row was read
            if not (segments / source.topic / row.file).exists():
                missing.add(row.segment)
                damage = _whole(index, segments, source, partition.id, row.segment, row.file)
            yield damage[0].upper() + damage[1:] + "."
    if offset < partition.next and offset >= index.partition(source).start:
        yield _absent(index, source, offset, partition.next)


def _absent(index: Index, source: TopicPartition, offset: int, until: int) -> str:
    return f"{index.path} has no batch for offsets {offset} to {until - 1} of {source}."


def _whole(
    index: Index, segments: Path, source: TopicPartition, partition: int, segment: int, file: str
) -> str:
    first, until, count = index.one(
        "SELECT min(base), max(base + count), sum(count) FROM batch "
        "WHERE partition = ? AND segment = ?",
        partition,
        segment,
    )
    return (
        f"segment {segments / source.topic / file} is missing, which held {count} records between "
        f"offsets {first} and {until - 1} of {source}"
    )

"""Reading batches back: index rows first, then the bytes they name, checked before they are used.

Files are read, never mapped: a mapped file that somebody truncates kills the process.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from lakegate.errors import DamagedLog, TopicError
from lakegate.topic.base import Batch, TopicPartition
from lakegate.topic.codec import decode
from lakegate.topic.fresh import Fresh
from lakegate.topic.index import BatchRow, Index, from_us
from lakegate.topic.segment import SegmentReader

__all__ = ["Reading"]

_ROWS = 64  # index rows fetched at a time


class Reading:
    """Reads the partitions of one log."""

    def __init__(self, index: Index, segments: Path, fresh: Fresh) -> None:
        self._index = index
        self._segments = segments
        self._fresh = fresh
        self._reader = SegmentReader()

    def batches(
        self, source: TopicPartition, offset: int, *, max_records: int, max_bytes: int
    ) -> Iterator[Batch]:
        """Batches from ``offset`` to the end as it is now; see :meth:`TopicLog.read`.

        Raises:
            UnknownTopic, TopicError: at once; DamagedLog: when the damaged batch is reached.
        """
        partition = self._index.partition(source)
        if not partition.start <= offset <= partition.next:
            raise TopicError(
                f"{source} holds offsets {partition.start} to {partition.next}, "
                f"asked for {offset}; "
                + (
                    "retention took the others: begin at the start offset"
                    if offset < partition.start
                    else "the next record will be the last of these: read from there"
                )
            )
        return self._iterate(source, offset, partition.next, max(max_records, 1), max_bytes)

    def _iterate(
        self, source: TopicPartition, offset: int, end: int, records: int, size: int
    ) -> Iterator[Batch]:
        partition = self._index.partition_id(source)
        while offset < end:
            found = self._index.batches(partition, offset, limit=_ROWS)
            if not found or found[0].base > offset:
                raise self._hole(source, offset, found[0].base if found else end)
            for row in found:
                if row.base >= end:
                    return
                if row.base > offset:
                    break  # a hole: look again, and say so
                rows = self.load(source, row)
                rows = rows.slice(offset - row.base, records)
                yield Batch(source, offset, from_us(row.appended_us), rows)
                offset += rows.num_rows
                records -= rows.num_rows
                size -= rows.nbytes
                if records <= 0 or size <= 0:
                    return

    def _hole(self, source: TopicPartition, offset: int, until: int) -> TopicError:
        start = self._index.partition(source).start
        if offset < start:
            return TopicError(
                f"retention took offsets {offset} to {start} of {source} while they were being "
                "read; register the group to keep what it has not read"
            )
        return DamagedLog(
            f"{self._index.path} has no batch for offsets {offset} to {until} of {source}; restore "
            "the log from a backup, or read on from the later offset"
        )

    def load(self, source: TopicPartition, row: BatchRow) -> pa.RecordBatch:
        """The rows of one batch, proven to be those that were committed; see :class:`Fresh`.

        Raises:
            DamagedLog: they are not; names segment, position and offsets.
            TopicError: retention or the disk took them meanwhile.
        """
        held = self._fresh.take(source, row.base, (row.file, row.position, row.crc))
        if held is not None:
            return held
        while True:
            damage, rows = self._try(source, row)
            if rows is not None:
                return rows
            # Retention and erasure move batches, and may have done so after the row was read.
            again = self._index.batches(self._index.partition_id(source), row.base, limit=1)
            if not again or again[0].base != row.base:
                raise self._hole(source, row.base, row.next)
            if again[0] == row:
                raise DamagedLog(f"{damage}; restore the file from a backup, or read on after it")
            row = again[0]

    def damage(self, source: TopicPartition, row: BatchRow) -> str | None:
        """What is wrong with the batch, as a sentence without its end, or None."""
        return self._try(source, row)[0]

    def _try(
        self, source: TopicPartition, row: BatchRow
    ) -> tuple[str | None, pa.RecordBatch | None]:
        path = self._segments / source.topic / row.file
        offsets = f"which held offsets {row.base} to {row.next - 1} of {source}"
        where = f"segment {path} at position {row.position}, {offsets}"
        try:
            data = self._reader.read(path, row.position, row.size)
        except FileNotFoundError:
            return f"segment {path} is missing, {offsets}", None
        except OSError as error:
            return f"{where}, cannot be read: {error}", None
        if len(data) < row.size:
            return f"{where}, is cut off: {len(data)} of {row.size} bytes are left", None
        if zlib.crc32(data) != row.crc:
            return f"{where}, is damaged: its CRC-32 is not what was committed", None
        try:
            rows = decode(data)
        except pa.ArrowException as error:
            return f"{where}, cannot be decoded: {error}", None
        if rows.num_rows != row.count:
            return f"{where}, has {rows.num_rows} rows, expected {row.count}", None
        return None, rows

    def close(self) -> None:
        """Close all files."""
        self._reader.forget()

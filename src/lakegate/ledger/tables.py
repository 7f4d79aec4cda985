"""What the proof asks of the lake, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import LedgerError
from lakegate.topic.base import TopicPartition

__all__ = ["Overtaken", "Tables"]


class Overtaken(LedgerError):
    """What was being read is gone because others went on, not because it was lost: begin again."""

    transient = True


class Tables(Protocol):
    """What the proof reads of the lake."""

    def snapshot(self, stream: Stream, branch: str) -> int | None:
        """The newest snapshot of a branch, or None if the table is not there yet."""
        ...

    def kept(self, stream: Stream, snapshot_id: int) -> bool:
        """Whether the table still has that snapshot now: if not, its files may go."""
        ...

    def landed(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        """Next offset of each validated partition, by the newest snapshot that records it."""
        ...

    def quarantined(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        """Per dead letter partition: below which offset the quarantined are off the branch."""
        ...

    def count(self, stream: Stream, branch: str) -> int:
        """Rows of the branch, as its metadata says."""
        ...

    def rows(
        self, stream: Stream, snapshot_id: int, *, since: Mapping[int, int]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of that snapshot with ``_offset >= since[_source_partition]``, all columns.

        Raises:
            LakeError: a data file is missing or damaged; names it. A transient one says nothing of
                the rows.
        """
        ...

    def damage(self, stream: Stream, snapshot_id: int) -> Iterator[str]:
        """A sentence per data file of that snapshot that is not what was written, to the byte."""
        ...

    def conform(self, stream: Stream, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Validated rows under the names the table gives their columns now.

        Rows that cannot have landed in the table as it is come back as they are.
        """
        ...

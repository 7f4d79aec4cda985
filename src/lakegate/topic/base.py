"""What a durable log is to Lakegate: topics of partitions of batches, and transactions over them.

The same Protocol stands in front of the embedded log and of Kafka; one conformance suite
(``tests/conformance/topic``) holds every implementation to it. Rows are Arrow record batches whose
formats are in :mod:`lakegate.topic.schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import pyarrow as pa

from lakegate.contract.stream import ContractRef

__all__ = [
    "Batch",
    "LedgerEntry",
    "Prepared",
    "ProducerStamp",
    "Record",
    "Retention",
    "TopicLog",
    "TopicPartition",
    "Transaction",
]


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """A partition of a topic, numbered from 0."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a producer gives it; kept byte for byte.

    ``headers`` are ordered and may repeat a name. ``timestamp_ms`` is Unix time in milliseconds,
    None for "now".
    """

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ProducerStamp:
    """Makes a retry harmless: ``sequence`` of the first record, per producer and partition.

    A batch whose last sequence was already taken is acknowledged again with its first offset, and
    appends nothing. ``epoch`` fences an older producer of the same id.
    """

    producer_id: str
    sequence: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition: row ``i`` has offset ``base_offset + i``."""

    source: TopicPartition
    base_offset: int
    appended_at: datetime  # aware, UTC; never goes back within a partition
    rows: pa.RecordBatch

    @property
    def next_offset(self) -> int:
        """The offset after the last row."""
        return self.base_offset + int(self.rows.num_rows)


@dataclass(frozen=True, slots=True)
class Retention:
    """What may be dropped: older than ``age``, or beyond ``size_bytes`` per partition.

    None keeps.
    """

    age: timedelta | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one hop did with the offsets ``[first_offset, next_offset)`` of one partition.

    ``accepted + rejected + tombstones == next_offset - first_offset``. Each checksum is the sum,
    modulo 2**64, of :func:`lakegate.topic.checksum.offset_hash` over the offsets so judged.
    ``observed``: they were judged only, and nothing was written (``lakegate.enforcement``).
    """

    stream: str
    source: TopicPartition
    first_offset: int
    next_offset: int
    accepted: int
    rejected: int
    tombstones: int
    accepted_checksum: int
    rejected_checksum: int
    tombstone_checksum: int
    contract: ContractRef
    noted: int = 0
    observed: bool = False
    at: datetime | None = None  # set by the log at commit


class Prepared(Protocol):
    """Appends that are durable and that nothing names yet; see :meth:`TopicLog.prepare`."""

    def discard(self) -> None:
        """They will not be committed. Nothing happens if they were."""
        ...


class Transaction(Protocol):
    """Appends, ledger entries and consumer offsets that become visible together, or not at all."""

    def append(self, target: TopicPartition, rows: pa.RecordBatch) -> None:
        """Add rows to a partition; offsets are given out at commit."""
        ...

    def publish(self, prepared: Prepared) -> None:
        """Add the appends of :meth:`TopicLog.prepare`, in their order."""
        ...

    def account(self, entry: LedgerEntry) -> None:
        """Add a ledger entry."""
        ...

    def advance(
        self,
        group: str,
        source: TopicPartition,
        *,
        expected: int,
        to: int,
        epoch: int | None = None,
    ) -> None:
        """Move the group's offset from ``expected`` to ``to``; checked at commit.

        ``epoch`` is that of the lease under which the work was done (:meth:`TopicLog.claim`).

        Raises (at commit):
            Fenced: the committed offset is not ``expected``, or somebody has claimed the partition
                since that epoch.
        """
        ...


@runtime_checkable
class TopicLog(Protocol):
    """A durable log. Safe for use by many processes at once; one instance belongs to one thread."""

    def create(
        self,
        topic: str,
        *,
        partitions: int = 1,
        retention: Retention = Retention(),
        groups: Sequence[str] = (),
    ) -> None:
        """Create a topic; nothing happens if it exists with as many partitions.

        ``groups`` are known to it from its first record on, so that retention waits for them.

        Raises:
            TopicError: it exists with another number of partitions, or the name is not legal.
        """
        ...

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions, by name."""
        ...

    def append(
        self, target: TopicPartition, rows: pa.RecordBatch, *, stamp: ProducerStamp | None = None
    ) -> int:
        """Append rows durably; return the offset of the first. Durable when it returns.

        Raises:
            UnknownTopic: no such partition.
            LogFull: no room; nothing was appended.
            Fenced: the stamp's epoch is old.
            TopicError: the stamp leaves a gap in the sequence.
        """
        ...

    def send(
        self, topic: str, records: Sequence[Record], *, stamp: ProducerStamp | None = None
    ) -> list[tuple[TopicPartition, int]]:
        """Append records to the partitions their keys choose (murmur2; no key: round robin).

        All of them become visible in one commit. Returns the coordinates of each, in input order.
        """
        ...

    def read(
        self,
        source: TopicPartition,
        offset: int,
        *,
        max_records: int = 10_000,
        max_bytes: int = 64 << 20,
    ) -> Iterator[Batch]:
        """Batches from ``offset`` on, in order, as far as committed now; the first is cut to fit.

        Stops once ``max_records`` or ``max_bytes`` (of stored payload) are reached, but always
        yields at least one record if there is one. Batches are cut so as not to pass
        ``max_records``.

        Raises:
            UnknownTopic: no such partition.
            DamagedLog: a batch is not what was committed; says which segment, position, offsets.
            TopicError: ``offset`` is below :meth:`start_offset` (retention took it), or past the
                end.
        """
        ...

    def start_offset(self, source: TopicPartition) -> int:
        """The first offset still kept."""
        ...

    def end_offset(self, source: TopicPartition) -> int:
        """The offset the next record will get."""
        ...

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """The group's offset (of the next record it wants), or None if it never committed."""
        ...

    def register(self, group: str, topic: str) -> None:
        """Make a group known on every partition of a topic, at the start, if it is not.

        Retention never passes a registered group.
        """
        ...

    def claim(self, group: str, source: TopicPartition) -> int:
        """Take the partition over for the group; return the new fencing epoch, from 1 up.

        From now on no commit that names an older epoch of this partition succeeds, whatever its
        offsets are. No clock has a part in it.

        Raises:
            UnknownTopic: no such partition.
        """
        ...

    def prepare(self, appends: Sequence[tuple[TopicPartition, pa.RecordBatch]]) -> Prepared:
        """Encode rows and make them durable ahead of a transaction that publishes them.

        The only method that a second thread may call, while the log's own does other things. What
        is prepared and not published must be discarded; after a crash nothing is left of it.

        Raises:
            UnknownTopic: no such partition.
            LogFull, TopicError: no room, or the disk failed. Nothing was prepared.
        """
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction that commits when the block ends and vanishes when it raises.

        Raises (on leaving the block):
            Fenced: an offset was not where :meth:`Transaction.advance` expected it.
            LogFull: no room.
        """
        ...

    def ledger(self, stream: str) -> Iterator[LedgerEntry]:
        """Every entry of the stream, by topic, partition and first offset."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something was committed by anybody (True) or the time is up (False)."""
        ...

    def retain(self) -> dict[TopicPartition, int]:
        """Apply retention; return the new start offset of each partition that was cut."""
        ...

    def erase(self, source: TopicPartition, offsets: Sequence[int]) -> int:
        """Replace those records by stubs (null key and value, a ``lakegate.erased`` header with the
        SHA-256 of what was there); offsets stay. Returns how many were not stubs before.
        """
        ...

    def verify(self, source: TopicPartition) -> Iterator[str]:
        """Re-read everything kept; yield one sentence per damage, naming segment and offsets."""
        ...

    def close(self) -> None:
        """Release files and locks; the instance is of no use afterwards."""
        ...

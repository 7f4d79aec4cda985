"""The embedded log: segment files for payload, one SQLite database as index and commit log.

::

    index.db                      what counts: batches, offsets, groups, producers, the ledger
    segments/<topic>/<name>.seg   payloads, LZ4-compressed Arrow IPC, one writer per file

docs/reference/topics.md has the guarantees, docs/decisions/0001-embedded-log.md the reasons.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from lakegate.errors import TopicError, UnknownTopic
from lakegate.topic.base import (
    Batch,
    LedgerEntry,
    Prepared,
    ProducerStamp,
    Record,
    Retention,
    TopicPartition,
    Transaction,
)
from lakegate.topic.books import LedgerTotals, entries, recent, totals
from lakegate.topic.codec import record_batch
from lakegate.topic.commit import Advance, Commits, Placed, Stamped, Work
from lakegate.topic.delivery import Deliveries, Delivery, Receipt
from lakegate.topic.erase import Erasure, scrub
from lakegate.topic.fresh import Fresh
from lakegate.topic.index import Index
from lakegate.topic.lease import claim
from lakegate.topic.partitioner import assign, sticky
from lakegate.topic.producer import Scope
from lakegate.topic.reading import Reading
from lakegate.topic.retention import drop, reap
from lakegate.topic.verify import damages
from lakegate.topic.writing import WrittenSegments

__all__ = ["FAULT_POINTS", "EmbeddedLog"]

FAULT_POINTS = (
    "topic.segment.created",
    "topic.segment.rolled",
    "topic.payload.write",
    "topic.payload.written",
    "topic.payload.synced",
    "topic.commit.before",
    "topic.commit.after",
    "topic.retain.dropped",
    "topic.retain.indexed",
    "topic.retain.unlinked",
    "topic.erase.before",
    "topic.erase.committed",
    "topic.erase.scrubbed",
)
"""Every point at which the kill harness may end a process that uses the log."""

_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_KEEP = Retention()
_POLL_S = 0.005


class EmbeddedLog:
    """A :class:`~lakegate.topic.base.TopicLog` in a directory, for the processes of one machine.

    Durable means: on disk, by ``fdatasync`` of the payload and a synchronous commit of the index.
    An instance belongs to one thread (but for :meth:`prepare`) and must not be used after a fork.
    The file system must be local: SQLite's WAL and ``flock`` are not to be had over a network.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        segment_bytes: int = 64 << 20,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        fresh: Fresh | None = None,
    ) -> None:
        """Open the log in directory ``path``, creating it if there is none.

        A new segment is begun once one has ``segment_bytes``. ``clock`` (aware) stamps what is
        appended and tells retention the time. Logs of one directory that share a ``fresh`` hand
        batches on in memory.

        Raises:
            NewerState: a newer Lakegate wrote it.
            DamagedLog: the index is damaged, or missing while segments are there.
            LogFull, TopicError: no room, or read-only.
        """
        root = Path(path)
        self._index = Index(root)
        self._segments = root / "segments"
        self._clock = clock
        self._written = WrittenSegments(self._index, self._segments, segment_bytes=segment_bytes)
        held = Fresh() if fresh is None else fresh
        self._commits = Commits(self._index, self._written, clock=clock, fresh=held)
        self._reading = Reading(self._index, self._segments, held)
        self._erasure = Erasure(self._index, self._segments, self._commits, self._reading)
        # Processes that send one record each should not all choose the same partition.
        self._turn = os.getpid()
        self._deliveries = Deliveries(self._index, self._commits, clock=clock, turn=self._turn)
        self._seen = (self._index.data_version(), 0)

    def create(
        self,
        topic: str,
        *,
        partitions: int = 1,
        retention: Retention = _KEEP,
        groups: Sequence[str] = (),
    ) -> None:
        """Create a topic; see :meth:`TopicLog.create`. Names are legal as in Kafka."""
        if not _LEGAL_NAME.fullmatch(topic) or topic in {".", ".."}:
            raise TopicError(
                f"topic name {topic!r} is not legal: use 1 to 249 letters, digits, '.', '_' or '-'"
            )
        if partitions < 1:
            raise TopicError(f"topic {topic} needs at least 1 partition, asked for {partitions}")
        age_us = None if retention.age is None else retention.age // timedelta(microseconds=1)
        with self._index.immediate():
            row = self._index.one("SELECT partitions FROM topic WHERE name = ?", topic)
            if row is not None:
                if row[0] != partitions:
                    raise TopicError(
                        f"topic {topic} has {row[0]} partitions, asked for {partitions}; its keys "
                        "would move: keep the number, or create a topic of another name"
                    )
                return
            number = self._index.insert(
                "INSERT INTO topic (name, partitions, retention_us, retention_bytes) "
                "VALUES (?, ?, ?, ?)",
                topic,
                partitions,
                age_us,
                retention.size_bytes,
            )
            for partition in range(partitions):
                self._index.execute(
                    "INSERT INTO partition (topic, number) VALUES (?, ?)", number, partition
                )
            for group in groups:
                self._register(group, number)

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions, by name."""
        return dict(self._index.all("SELECT name, partitions FROM topic ORDER BY name"))

    def append(
        self, target: TopicPartition, rows: pa.RecordBatch, *, stamp: ProducerStamp | None = None
    ) -> int:
        """Append rows durably; see :meth:`TopicLog.append`. No rows: the end offset."""
        staged = self._commits.stage(target, rows)
        if not staged.count:
            return self.end_offset(target)
        work = Work(staged=[staged])
        if stamp is not None:
            work.stamped = Stamped(stamp, Scope(staged.partition, str(target)))
        return self._commits.commit(work)[0]

    def send(
        self, topic: str, records: Sequence[Record], *, stamp: ProducerStamp | None = None
    ) -> list[tuple[TopicPartition, int]]:
        """Append records by key; see :meth:`TopicLog.send`.

        The sequence of a stamp counts the records this producer has sent to the topic.
        """
        number, partitions = self._topic(topic)
        if not records:
            return []
        if stamp is None:
            self._turn += 1
            keyless = self._turn % partitions
        else:
            keyless = sticky(stamp, partitions)
        now = self._clock()
        positions = assign(records, partitions, keyless)
        work = Work()
        for partition, chosen in positions.items():
            rows = record_batch([records[position] for position in chosen], now=now)
            work.staged.append(self._commits.stage(TopicPartition(topic, partition), rows))
        if stamp is not None:
            work.stamped = Stamped(stamp, Scope(-number, f"topic {topic}"))
        bases = self._commits.commit(work)
        coordinates: dict[int, tuple[TopicPartition, int]] = {}
        for staged, base, chosen in zip(work.staged, bases, positions.values(), strict=True):
            for step, position in enumerate(chosen):
                coordinates[position] = (staged.target, base + step)
        return [coordinates[position] for position in range(len(records))]

    def deliver(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Append deliveries in one commit; return the receipt of each, in order.

        Records go to the partitions their keys choose; those without key to one partition, another
        with each call. A delivery whose token is known (or came earlier in ``deliveries``) appends
        nothing: it gets the receipt of the first again, or a conflict if its digest differs.

        Raises:
            UnknownTopic: no such topic.
            LogFull, TopicError: no room, or the disk failed. Nothing was appended in any case.
        """
        return self._deliveries.deliver(deliveries)

    def forget_deliveries(self, age: timedelta) -> int:
        """Forget the tokens of deliveries older than ``age``; return how many there were."""
        return self._deliveries.forget(age)

    def taken(self, topic: str, producer_id: str) -> tuple[int, int]:
        """The newest epoch of a producer that sends to the topic, and its next sequence.

        (0, 0) if nothing of it was ever taken.
        """
        number, _ = self._topic(topic)
        row = self._index.one(
            "SELECT epoch, sequence FROM producer WHERE id = ? AND scope = ?", producer_id, -number
        )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def _topic(self, topic: str) -> tuple[int, int]:
        row = self._index.one("SELECT id, partitions FROM topic WHERE name = ?", topic)
        if row is None:
            raise UnknownTopic(f"{self._index.root} has no topic {topic}; create it first")
        return row[0], row[1]

    def read(
        self,
        source: TopicPartition,
        offset: int,
        *,
        max_records: int = 10_000,
        max_bytes: int = 64 << 20,
    ) -> Iterator[Batch]:
        """Batches from ``offset`` on; see :meth:`TopicLog.read`.

        Bytes are counted as decoded, so that memory is bounded however well they compressed: at
        most ``max_bytes`` and one stored batch, which is 16 MiB unless one record is larger.
        """
        return self._reading.batches(source, offset, max_records=max_records, max_bytes=max_bytes)

    def start_offset(self, source: TopicPartition) -> int:
        """The first offset still kept."""
        return self._index.partition(source).start

    def end_offset(self, source: TopicPartition) -> int:
        """The offset the next record will get."""
        return self._index.partition(source).next

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """The group's offset, or None if it neither committed nor registered."""
        row = self._index.one(
            "SELECT next_offset FROM consumer WHERE name = ? AND partition = ?",
            group,
            self._index.partition_id(source),
        )
        return None if row is None else int(row[0])

    def register(self, group: str, topic: str) -> None:
        """Make a group known at the start of each partition; a group that commits is known too."""
        number, _ = self._topic(topic)
        with self._index.immediate():
            self._register(group, number)

    def _register(self, group: str, topic: int) -> None:
        self._index.execute(
            "INSERT OR IGNORE INTO consumer "
            "SELECT ?, id, start_offset FROM partition WHERE topic = ?",
            group,
            topic,
        )

    def claim(self, group: str, source: TopicPartition) -> int:
        """Take a partition over; see :meth:`TopicLog.claim`."""
        return claim(self._index, group, source)

    def prepare(self, appends: Sequence[tuple[TopicPartition, pa.RecordBatch]]) -> Prepared:
        """Encode rows and make them durable, from any one thread; see :meth:`TopicLog.prepare`."""
        staged = [self._commits.stage(target, rows) for target, rows in appends]
        return _Prepared(
            self._commits, self._commits.write([each for each in staged if each.count])
        )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing; see :meth:`TopicLog.transaction`."""
        work = Work()
        try:
            yield _Open(self._commits, work)
        except BaseException:
            self._commits.give_up(work.placed)
            raise
        if work.placed or work.staged or work.entries or work.advances:
            self._commits.commit(work)

    def ledger(self, stream: str) -> Iterator[LedgerEntry]:
        """Every entry of the stream, by topic, partition and first offset."""
        return entries(self._index, stream)

    def ledger_totals(self, stream: str, source: TopicPartition, *, since: int = 0) -> LedgerTotals:
        """Sums over the ledger of one partition from offset ``since`` on; cheap, for live views."""
        return totals(self._index, stream, source, since=since)

    def ledger_after(self, position: int, *, since: datetime) -> tuple[list[LedgerEntry], int]:
        """Entries of all streams committed after a position and not before ``since``.

        In order of commit, with the position to go on from; position 0 is the beginning.
        """
        return recent(self._index, position, since)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something was committed since the last call (or since opening)."""
        deadline = time.monotonic() + timeout_s
        while True:
            now = (self._index.data_version(), self._commits.count)
            if now != self._seen:
                self._seen = now
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _POLL_S))

    def retain(self) -> dict[TopicPartition, int]:
        """Apply retention and remove segments nobody needs; see :meth:`TopicLog.retain`."""
        cut = drop(self._index, self._clock())
        scrub(self._index, self._segments)
        reap(self._index, self._segments)
        return cut

    def erase(self, source: TopicPartition, offsets: Sequence[int]) -> int:
        """Replace records by stubs and overwrite their bytes; see :meth:`TopicLog.erase`.

        Raises:
            TopicError: an offset is not kept, or the rows have no headers to mark a stub in.
        """
        return self._erasure.erase(source, offsets)

    def verify(self, source: TopicPartition) -> Iterator[str]:
        """One sentence per damage; see :meth:`TopicLog.verify`."""
        return damages(self._index, self._segments, source)

    def close(self) -> None:
        """Release files and locks."""
        self._written.close()
        self._reading.close()
        self._index.close()


class _Prepared:
    """Appends on disk, until they are published or discarded."""

    def __init__(self, commits: Commits, placed: list[Placed]) -> None:
        self._commits = commits
        self._placed = placed

    def take(self) -> list[Placed]:
        placed, self._placed = self._placed, []
        return placed

    def discard(self) -> None:
        self._commits.give_up(self.take())


class _Open:
    """A transaction being filled."""

    def __init__(self, commits: Commits, work: Work) -> None:
        self._commits = commits
        self._work = work

    def append(self, target: TopicPartition, rows: pa.RecordBatch) -> None:
        staged = self._commits.stage(target, rows)
        if staged.count:
            self._work.staged.append(staged)

    def publish(self, prepared: Prepared) -> None:
        if not isinstance(prepared, _Prepared):
            raise TopicError(f"{prepared!r} was prepared by another log; publish it there")
        self._work.placed += prepared.take()

    def account(self, entry: LedgerEntry) -> None:
        self._work.entries.append(entry)

    def advance(
        self,
        group: str,
        source: TopicPartition,
        *,
        expected: int,
        to: int,
        epoch: int | None = None,
    ) -> None:
        self._work.advances.append(Advance(group, source, expected, to, epoch))

"""The commit: payloads made durable without a lock, then one transaction that makes them count.

What is appended, accounted for and advanced in one :class:`Work` becomes visible together or not
at all, to every process, and survives the death of any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from lakegate.errors import Fenced, TopicError
from lakegate.topic.base import LedgerEntry, ProducerStamp, TopicPartition
from lakegate.topic.books import account
from lakegate.topic.codec import Payload, encode
from lakegate.topic.fresh import Fresh
from lakegate.topic.index import BatchRow, Index, to_us
from lakegate.topic.lease import check_epoch
from lakegate.topic.producer import Scope, acknowledged, remember
from lakegate.topic.segment import SegmentWriter
from lakegate.topic.writing import WrittenSegments

__all__ = ["Advance", "Commits", "Placed", "Staged", "Stamped", "Work"]


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows for one partition, encoded."""

    target: TopicPartition
    partition: int
    count: int
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Advance:
    """A group's offset, from ``expected`` to ``to``; ``epoch`` is that of its lease, if any."""

    group: str
    source: TopicPartition
    expected: int
    to: int
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Stamped:
    """A producer's stamp and what its sequence counts: a partition, or all of a topic."""

    stamp: ProducerStamp
    scope: Scope


@dataclass(frozen=True, slots=True)
class Placed:
    """A staged append whose payloads are on disk at ``positions`` of ``writer``'s segment."""

    staged: Staged
    writer: SegmentWriter
    positions: Sequence[int]


@dataclass(slots=True)
class Work:
    """Everything one commit does. What is ``placed`` already comes first, then ``staged``."""

    placed: list[Placed] = field(default_factory=list)
    staged: list[Staged] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)
    stamped: Stamped | None = None
    # Called inside the commit with the first offsets and its time; nothing happens if it raises.
    keep: Callable[[Sequence[int], int], None] | None = None


class Commits:
    """Commits work to one log."""

    def __init__(
        self,
        index: Index,
        segments: WrittenSegments,
        *,
        clock: Callable[[], datetime],
        fresh: Fresh,
    ) -> None:
        self._index = index
        self._segments = segments
        self._clock = clock
        self._fresh = fresh
        self.count = 0  # commits made, for those who wait for one

    def stage(self, target: TopicPartition, rows: pa.RecordBatch) -> Staged:
        """Encode rows for a partition.

        Raises:
            UnknownTopic: no such partition.
        """
        partition = self._index.partition_id(target)
        return Staged(target, partition, rows.num_rows, tuple(encode(rows)))

    def commit(self, work: Work) -> list[int]:
        """Do it all durably; return the first offset of each append.

        Raises:
            Fenced: a consumer's offset is not where expected, or the producer's epoch is old.
            LogFull: no room.
            TopicError: the producer's sequence has a gap, or the disk failed.
                Nothing happened in any of these cases.
        """
        if work.stamped is not None and (bases := self._acknowledged(work)) is not None:
            return bases
        placed = [*work.placed, *self.write(work.staged)]
        try:
            return self._commit(work, placed)
        finally:
            self.give_up(placed)

    def _commit(self, work: Work, placed: Sequence[Placed]) -> list[int]:
        with self._segments.committing():
            if work.stamped is not None and (bases := self._acknowledged(work)) is not None:
                return bases
            now_us = to_us(self._clock())
            bases = self._publish(placed, now_us)
            for advance in work.advances:  # last: one may move over what this commit appends
                self._advance(advance)
            for entry in work.entries:
                account(self._index, entry, now_us)
            if work.stamped is not None:
                targets = [(staged.partition, staged.count) for staged in work.staged]
                stamped = work.stamped
                remember(
                    self._index,
                    stamped.stamp,
                    stamped.scope,
                    list(zip(targets, bases, strict=True)),
                )
            if work.keep is not None:
                work.keep(bases, now_us)
        self.count += 1
        self._hold(placed, bases)
        return bases

    def _hold(self, placed: Sequence[Placed], bases: Sequence[int]) -> None:
        """What was committed, for a reader in this process."""
        for place, base in zip(placed, bases, strict=True):
            for payload, position in zip(place.staged.payloads, place.positions, strict=True):
                where = (place.writer.path.name, position, payload.crc)
                self._fresh.put(place.staged.target, base, where, payload.rows)
                base += payload.count

    def _acknowledged(self, work: Work) -> list[int] | None:
        assert work.stamped is not None
        targets = [(staged.partition, staged.count) for staged in work.staged]
        return acknowledged(self._index, work.stamped.stamp, work.stamped.scope, targets)

    def write(self, staged: Sequence[Staged]) -> list[Placed]:
        """Put the payloads on disk, one write and one sync per topic; see :meth:`give_up`."""
        by_topic: dict[str, list[Staged]] = {}
        for append in staged:
            by_topic.setdefault(append.target.topic, []).append(append)
        placed: dict[int, Placed] = {}
        try:
            for topic, appends in by_topic.items():
                payloads = [payload for append in appends for payload in append.payloads]
                writer, positions = self._segments.append(topic, payloads, count=len(appends))
                at = 0
                for append in appends:
                    count = len(append.payloads)
                    placed[id(append)] = Placed(append, writer, positions[at : at + count])
                    at += count
        except BaseException:
            self.give_up(placed.values())
            raise
        return [placed[id(append)] for append in staged]

    def give_up(self, placed: Iterable[Placed]) -> None:
        """They are committed, or never will be: their segments need not be kept for them."""
        for place in placed:
            self._segments.release(place.writer)

    def replace(
        self, source: TopicPartition, partition: int, row: BatchRow, payload: Payload
    ) -> bool:
        """Let the batch's offsets have another payload, and its bytes be scrubbed.

        False if the batch is not where ``row`` says any more; then nothing happened.
        """
        writer, (position,) = self._segments.append(source.topic, [payload], count=1)
        try:
            return self._replace(source, partition, row, payload, (writer, position))
        finally:
            self._segments.release(writer)

    def _replace(
        self,
        source: TopicPartition,
        partition: int,
        row: BatchRow,
        payload: Payload,
        place: tuple[SegmentWriter, int],
    ) -> bool:
        writer, position = place
        with self._segments.committing():
            if self._index.batches(partition, row.base, limit=1)[:1] != [row]:
                return False
            segment = self._segments.register(writer, source.topic)
            self._index.execute(
                "UPDATE batch SET segment = ?, position = ?, size = ?, crc = ? "
                "WHERE partition = ? AND base = ?",
                segment,
                position,
                len(payload.data),
                payload.crc,
                partition,
                row.base,
            )
            self._index.execute(
                "INSERT INTO scrub VALUES (?, ?, ?)", row.segment, row.position, row.size
            )
        self.count += 1
        return True

    def _publish(self, placed: Sequence[Placed], now_us: int) -> list[int]:
        """Give out offsets and insert the batch rows."""
        index = self._index
        bases = []
        for place in placed:
            staged = place.staged
            segment = self._segments.register(place.writer, staged.target.topic)
            row = index.partition(staged.target)
            appended_us = max(now_us, row.appended_us)
            base = row.next
            bases.append(base)
            for payload, position in zip(staged.payloads, place.positions, strict=True):
                index.execute(
                    "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    row.id,
                    base,
                    payload.count,
                    appended_us,
                    segment,
                    position,
                    len(payload.data),
                    payload.crc,
                )
                base += payload.count
            index.execute(
                "UPDATE partition SET next_offset = ?, appended_us = ? WHERE id = ?",
                base,
                appended_us,
                row.id,
            )
        return bases

    def _advance(self, advance: Advance) -> None:
        index = self._index
        partition = index.partition(advance.source)
        if advance.epoch is not None:
            check_epoch(index, advance.group, advance.source, advance.epoch)
        row = index.one(
            "SELECT next_offset FROM consumer WHERE name = ? AND partition = ?",
            advance.group,
            partition.id,
        )
        found = partition.start if row is None else row[0]
        if found != advance.expected:
            raise Fenced(
                f"group {advance.group} is at offset {found} of {advance.source}, expected "
                f"{advance.expected}: another worker committed first; nothing of this commit "
                "happened; read the committed offset again and go on from there"
            )
        if not partition.start <= advance.to <= partition.next:
            raise TopicError(
                f"group {advance.group} cannot move to offset {advance.to} of {advance.source}: it "
                f"holds {partition.start} to {partition.next}; nothing of this commit happened"
            )
        index.execute(
            "INSERT OR REPLACE INTO consumer VALUES (?, ?, ?)",
            advance.group,
            partition.id,
            advance.to,
        )

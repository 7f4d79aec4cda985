"""The commit: payloads made durable without a lock, then one transaction that makes them count.

What is appended, accounted for and advanced in one :class:`Work` becomes visible together or not
at all, to every process, and survives the death of any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from lakegate.errors import Fenced, TopicError
from lakegate.fault import reach
from lakegate.topic.base import LedgerEntry, ProducerStamp, TopicPartition
from lakegate.topic.books import account
from lakegate.topic.codec import Payload, encode
from lakegate.topic.edge import translated
from lakegate.topic.index import BatchRow, Index, to_us
from lakegate.topic.producer import Scope, acknowledged, remember
from lakegate.topic.segment import SegmentWriter

__all__ = ["Advance", "Commits", "Staged", "Stamped", "Work"]

_ADOPTABLE = 4  # the newest segments of a topic, tried in turn


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows for one partition, encoded."""

    target: TopicPartition
    partition: int
    count: int
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Advance:
    """A group's offset, from ``expected`` to ``to``."""

    group: str
    source: TopicPartition
    expected: int
    to: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """A producer's stamp and what its sequence counts: a partition, or all of a topic."""

    stamp: ProducerStamp
    scope: Scope


@dataclass(slots=True)
class Work:
    """Everything one commit does."""

    staged: list[Staged] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    advances: list[Advance] = field(default_factory=list)
    stamped: Stamped | None = None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A staged append whose payloads are on disk at ``positions`` of ``writer``'s segment."""

    staged: Staged
    writer: SegmentWriter
    positions: Sequence[int]


class Commits:
    """Commits work to one log; owns the segments this process writes."""

    def __init__(
        self, index: Index, segments: Path, *, segment_bytes: int, clock: Callable[[], datetime]
    ) -> None:
        self._index = index
        self._segments = segments
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._writers: dict[str, SegmentWriter] = {}
        self.count = 0  # commits made, for those who wait for one

    def stage(self, target: TopicPartition, rows: pa.RecordBatch) -> Staged:
        """Encode rows for a partition.

        Raises:
            UnknownTopic: no such partition.
        """
        partition = self._index.partition_id(target)
        return Staged(target, partition, rows.num_rows, tuple(encode(rows)))

    def commit(self, work: Work) -> list[int]:
        """Do it all durably; return the first offset of each staged append.

        Raises:
            Fenced: a consumer's offset is not where expected, or the producer's epoch is old.
            LogFull: no room.
            TopicError: the producer's sequence has a gap, or the disk failed.
                Nothing happened in any of these cases.
        """
        if work.stamped is not None and (bases := self._acknowledged(work)) is not None:
            return bases
        placed = self._write(work.staged)
        registered: list[tuple[SegmentWriter, int]] = []
        with self._index.immediate():
            if work.stamped is not None and (bases := self._acknowledged(work)) is not None:
                return bases
            for advance in work.advances:
                self._advance(advance)
            now_us = to_us(self._clock())
            bases = self._publish(placed, now_us, registered)
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
            reach("topic.commit.before")
        reach("topic.commit.after")
        self._done(registered)
        return bases

    def _acknowledged(self, work: Work) -> list[int] | None:
        assert work.stamped is not None
        targets = [(staged.partition, staged.count) for staged in work.staged]
        return acknowledged(self._index, work.stamped.stamp, work.stamped.scope, targets)

    def _write(self, staged: Sequence[Staged]) -> list[_Placed]:
        """Put the payloads on disk, one write and one sync per topic."""
        by_topic: dict[str, list[Staged]] = {}
        for append in staged:
            by_topic.setdefault(append.target.topic, []).append(append)
        placed = {}
        for topic, appends in by_topic.items():
            payloads = [payload for append in appends for payload in append.payloads]
            writer, positions = self._append(topic, payloads)
            at = 0
            for append in appends:
                count = len(append.payloads)
                placed[id(append)] = _Placed(append, writer, positions[at : at + count])
                at += count
        return [placed[id(append)] for append in staged]

    def _append(self, topic: str, payloads: Sequence[Payload]) -> tuple[SegmentWriter, list[int]]:
        """Make payloads durable in a segment of the topic; nothing refers to them yet.

        Raises:
            LogFull, TopicError: no room, read-only, or the disk failed.
        """
        directory = self._segments / topic
        with translated(directory):
            writer = self._writer(directory, topic, sum(len(payload.data) for payload in payloads))
            try:
                return writer, writer.append(payloads)
            except OSError:
                self._writers.pop(topic).close()
                raise

    def _writer(self, directory: Path, topic: str, size: int) -> SegmentWriter:
        writer = self._writers.get(topic)
        if writer is not None and writer.end and writer.end + size > self._segment_bytes:
            # Everything in it is committed or given up, so its lock is no longer needed.
            self._writers.pop(topic).close()
            reach("topic.segment.rolled")
            writer = None
        if writer is None:
            writer = self._adopted(directory, topic, size) or SegmentWriter.create(directory)
            self._writers[topic] = writer
            reach("topic.segment.created")
        return writer

    def _adopted(self, directory: Path, topic: str, size: int) -> SegmentWriter | None:
        """A segment that a former process left with room for ``size`` bytes, if there is one."""
        for segment, name in self._index.all(
            "SELECT s.id, s.name FROM segment s JOIN topic t ON t.id = s.topic "
            "WHERE t.name = ? ORDER BY s.id DESC LIMIT ?",
            topic,
            _ADOPTABLE,
        ):
            writer = SegmentWriter.adopt(directory / name, segment)
            if writer is None:
                continue
            if writer.end + size <= self._segment_bytes and self._knows(segment):
                return writer
            writer.close()
        return None

    def _knows(self, segment: int) -> bool:
        return self._index.one("SELECT 1 FROM segment WHERE id = ?", segment) is not None

    def replace(
        self, source: TopicPartition, partition: int, row: BatchRow, payload: Payload
    ) -> bool:
        """Let the batch's offsets have another payload, and its bytes be scrubbed.

        False if the batch is not where ``row`` says any more; then nothing happened.
        """
        writer, (position,) = self._append(source.topic, [payload])
        registered: list[tuple[SegmentWriter, int]] = []
        with self._index.immediate():
            if self._index.batches(partition, row.base, limit=1)[:1] != [row]:
                return False
            segment = self._segment_id(writer, source.topic, registered)
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
        self._done(registered)
        return True

    def _done(self, registered: list[tuple[SegmentWriter, int]]) -> None:
        for writer, segment in registered:
            writer.id = segment
        self.count += 1

    def _segment_id(
        self, writer: SegmentWriter, topic: str, registered: list[tuple[SegmentWriter, int]]
    ) -> int:
        """The writer's segment in the index, put there now if this is its first commit.

        Raises:
            TopicError: it was there and is gone.
        """
        for known, segment in registered:
            if known is writer:
                return segment
        if writer.id is None:
            segment = self._index.insert(
                "INSERT INTO segment (topic, name) SELECT id, ? FROM topic WHERE name = ?",
                writer.path.name,
                topic,
            )
            registered.append((writer, segment))
            return segment
        if not self._knows(writer.id):
            self._writers.pop(topic).close()
            raise TopicError(
                f"{writer.path} was removed while this process writes it; nothing was appended; "
                "does the file system support flock? then try again"
            )
        return writer.id

    def _publish(
        self,
        placed: Sequence[_Placed],
        now_us: int,
        registered: list[tuple[SegmentWriter, int]],
    ) -> list[int]:
        """Give out offsets and insert the batch rows."""
        index = self._index
        bases = []
        for place in placed:
            staged = place.staged
            segment = self._segment_id(place.writer, staged.target.topic, registered)
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

    def close(self) -> None:
        """Give up the segments; retention may have them once nothing is in them."""
        while self._writers:
            self._writers.popitem()[1].close()

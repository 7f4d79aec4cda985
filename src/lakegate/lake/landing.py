"""From the validated topic to the table: whoever runs a lander calls :meth:`Lander.run_once`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict, Fenced, LakeError
from lakegate.fault import reach
from lakegate.gate.schema import arrow_schema
from lakegate.lake.failure import LakeUnavailable
from lakegate.lake.lake import Lake
from lakegate.topic.base import TopicLog, TopicPartition
from lakegate.topic.schema import validated_schema
from lakegate.topic.stub import stubs

__all__ = ["GROUP", "Lander"]

GROUP = "lakegate.landing"

_DIGEST = b"lakegate.contract.digest"
_KIND, _TOMBSTONES = b"lakegate.kind", b"tombstones"


@dataclass(frozen=True, slots=True)
class _Read:
    """Rows of one contract, and the offsets ``[from, next)`` that they are."""

    batches: list[pa.RecordBatch]
    offsets: dict[TopicPartition, tuple[int, int]]


class Lander:
    """Lands ``<stream>.validated`` in the stream's table, exactly once, in order per partition.

    The newest snapshot of ``staged`` says what has landed, and nothing else does: the consumer
    group ``lakegate.landing`` follows it, so that retention keeps what has not landed, and is put
    right at the start. ``stream_for`` gives the stream under the contract in force; the table is
    brought to it before the first batch that it judged lands. Batches of an older contract land in
    the newer table.

    A commit takes at most ``max_rows`` rows and ``max_bytes`` of payload, so memory is bounded
    whatever the lag. Every ``maintain_every`` commits the table is maintained (0: never). One
    instance belongs to one thread; a second lander on the stream is refused, never doubles.
    """

    def __init__(
        self,
        log: TopicLog,
        lake: Lake,
        stream_for: Callable[[], Stream],
        *,
        max_rows: int = 250_000,
        max_bytes: int = 64 << 20,
        maintain_every: int = 50,
    ) -> None:
        self._log = log
        self._lake = lake
        self._stream_for = stream_for
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._maintain_every = maintain_every
        self._commits = 0
        self._followed: str | None = None
        self._next: dict[TopicPartition, int] | None = None

    def run_once(self) -> int:
        """Land the rows that wait, up to one commit's worth; return how many landed.

        Tombstones and stubs of erased rows are passed over: 0 does not mean that nothing waits.

        Raises:
            CommitConflict: another lander committed first; nothing happened; call again.
            LakeUnavailable: no room, or the catalog is locked; nothing happened; call again.
            LakeError: the rows cannot land, or rows that never landed are gone from the log.
            TopicError: the log refused or failed.
        """
        stream = self._stream_for()
        partitions = self._partitions(stream)
        if not partitions:
            return 0
        self._follow(stream)
        try:
            read = self._read(self._positions(stream, partitions))
            if read is None:
                return 0
            rows = self._lake.land(stream, _table(stream, read.batches), offsets=read.offsets)
        except LakeError:
            self._next = None
            raise
        self._next = self._positions(stream, partitions) | {
            source: after for source, (_, after) in read.offsets.items()
        }
        self._advance({source: after for source, (_, after) in read.offsets.items()})
        reach("lake.land.advanced")
        self._maintain(stream)
        return rows

    def rest(self) -> None:
        """Give back what commits needed; call before waiting for more to land.

        A lander lives for months, and Arrow's allocator keeps what one big commit once had. Between
        commits that follow one another, taking it anew would cost more than it saves.
        """
        pa.default_memory_pool().release_unused()

    def ends(self) -> dict[TopicPartition, int]:
        """Where each partition of the validated topic ends now."""
        partitions = self._partitions(self._stream_for())
        return {source: self._log.end_offset(source) for source in partitions}

    def waiting(self, upto: Mapping[TopicPartition, int] | None = None) -> int:
        """How many validated rows, of all or of those below ``upto``, have not landed.

        Whoever lands until nothing waits while data flows commits without a pause, a few rows each
        time: land up to where the topic ended (:meth:`ends`), then rest.
        """
        stream = self._stream_for()
        partitions = self._partitions(stream)
        if not partitions:
            return 0
        landed = self._lake.landed(stream) if self._lake.exists(stream) else {}
        ends = self.ends() if upto is None else upto
        return sum(
            max(0, ends.get(source, 0) - landed.get(source, self._log.start_offset(source)))
            for source in partitions
        )

    def _partitions(self, stream: Stream) -> list[TopicPartition]:
        topic = stream.topic("validated")
        return [TopicPartition(topic, n) for n in range(self._log.topics().get(topic, 0))]

    def _follow(self, stream: Stream) -> None:
        if self._followed == stream.contract.digest:
            return
        self._log.register(GROUP, stream.topic("validated"))
        self._lake.ensure(stream)
        self._followed = stream.contract.digest
        self._next = None

    def _positions(
        self, stream: Stream, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Where to read on, as the table says; the group is put right when the table is asked."""
        known = self._next
        if known is None:
            landed = self._lake.landed(stream)
            known = {source: landed[source] for source in partitions if source in landed}
            self._check(known)
            self._next = known
            self._advance(known)  # which forgets `_next` again where another lander was sooner
        return {source: known.get(source, self._log.start_offset(source)) for source in partitions}

    def _check(self, landed: Mapping[TopicPartition, int]) -> None:
        for source, position in landed.items():
            start, end = self._log.start_offset(source), self._log.end_offset(source)
            if position < start:
                raise LakeError(
                    f"{source} has landed up to {position}, and the log begins at {start}: offsets "
                    f"[{position}, {start}) are gone and never landed; restore the log, or a later "
                    "snapshot of the lake"
                )
            if position > end:
                raise LakeError(
                    f"{source} has landed up to {position}, and the log ends at {end}: it is older "
                    "than the lake; restore the log that belongs to it"
                )

    def _read(self, positions: Mapping[TopicPartition, int]) -> _Read | None:
        """One commit's worth: from each partition in turn, as long as the contract is the same."""
        read = _Read([], {})
        digest: bytes | None = None
        rows, size = self._max_rows, self._max_bytes
        for source, position in positions.items():
            if rows <= 0 or size <= 0:
                break
            after = position
            for batch in self._log.read(source, position, max_records=rows, max_bytes=size):
                metadata = batch.rows.schema.metadata or {}
                if metadata.get(_KIND) != _TOMBSTONES:
                    judge = metadata.get(_DIGEST, b"")
                    if judge != (digest := judge if digest is None else digest):
                        break
                    read.batches.append(_without_stubs(batch.rows))
                after = batch.next_offset
                rows -= batch.rows.num_rows
                size -= batch.rows.nbytes
            if after > position:
                read.offsets[source] = (position, after)
        return read if read.offsets else None

    def _advance(self, to: Mapping[TopicPartition, int]) -> None:
        """Let retention go on behind what has landed; another lander may have done it already."""
        moves = {}
        for source, offset in to.items():
            committed = self._log.committed(GROUP, source)
            if committed is not None and committed != offset:
                moves[source] = (committed, offset)
        if not moves:
            return
        try:
            with self._log.transaction() as transaction:
                for source, (committed, offset) in moves.items():
                    transaction.advance(GROUP, source, expected=committed, to=offset)
        except Fenced:
            self._next = None

    def _maintain(self, stream: Stream) -> None:
        self._commits += 1
        if self._maintain_every == 0 or self._commits % self._maintain_every:
            return
        try:
            self._lake.maintain(stream)
        except (CommitConflict, LakeUnavailable):
            self._next = None  # the next run tries again; landing does not wait for it


def _without_stubs(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that were not erased from the topic."""
    found = stubs(rows)
    return rows.filter(pa.array(~found)) if found.any() else rows


def _table(stream: Stream, batches: list[pa.RecordBatch]) -> pa.Table:
    if not batches:  # tombstones only: nothing lands, the offsets advance
        return validated_schema(arrow_schema(stream)).empty_table()
    try:
        return pa.Table.from_batches(batches)
    except pa.ArrowInvalid as error:
        raise LakeError(
            f"validated batches of one contract have different columns: {error}; the topic holds "
            "rows that Lakegate did not write"
        ) from error

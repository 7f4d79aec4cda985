"""Rounds: what a worker reads, judges and commits at once, bounded in records and in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from lakegate.contract.stream import Enforcement, Stream
from lakegate.runner.judge import Judged, Piece, join
from lakegate.topic.base import Prepared, TopicLog, TopicPartition

__all__ = ["Round", "Rounds", "prepare"]


@dataclass(frozen=True, slots=True)
class Round:
    """Pieces of one gate, judged, that commit together; ``prepared`` is their output, on disk."""

    stream: Stream
    pieces: tuple[tuple[Piece, Judged], ...]
    prepared: Future[Prepared]

    @property
    def critical(self) -> bool:
        """Whether nothing may be judged after it."""
        return any(judged.critical is not None for _, judged in self.pieces)

    def discard(self) -> None:
        """It will not be committed."""
        if not self.prepared.cancel():
            self.prepared.add_done_callback(_discard)


def _discard(prepared: Future[Prepared]) -> None:
    if prepared.exception() is None:
        prepared.result().discard()


def prepare(log: TopicLog, stream: Stream, pieces: Sequence[tuple[Piece, Judged]]) -> Prepared:
    """Make durable what the pieces become; runs beside the judging of the next round.

    Raises:
        LogFull, TopicError: no room, or the disk failed.
    """
    if stream.enforcement is not Enforcement.ENFORCE:
        return log.prepare([])
    appends = []
    for piece, judged in pieces:
        for kind, batches in (
            ("validated", judged.validated),
            ("deadletter", (judged.deadletter,)),
            ("triage", (judged.triage,)),
        ):
            target = TopicPartition(stream.topic(kind), piece.source.partition)
            appends += [(target, rows) for rows in batches if rows is not None]
    return log.prepare(appends)


class Rounds:
    """Reads the partitions of a stream on and on, ahead of what is committed.

    A round has at most ``batch_records`` records and, beyond the first batch of each partition in
    it, ``batch_bytes`` of decoded payload.
    """

    def __init__(self, log: TopicLog, group: str, *, batch_records: int, batch_bytes: int) -> None:
        self._log = log
        self._group = group
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._next: dict[TopicPartition, int] = {}
        self._turn = 0

    def read(self, sources: Sequence[TopicPartition]) -> tuple[Piece, ...]:
        """The next round over those partitions, beginning with another one each time.

        Raises:
            TopicError: a partition cannot be read; nothing of the round is taken as read.
        """
        self._turn += 1
        records, size = self._batch_records, self._batch_bytes
        pieces: list[Piece] = []
        for step in range(len(sources)):
            if records <= 0 or size <= 0:
                break
            source = sources[(self._turn + step) % len(sources)]
            batches = list(
                self._log.read(source, self._position(source), max_records=records, max_bytes=size)
            )
            if batches:
                records -= sum(batch.rows.num_rows for batch in batches)
                size -= sum(batch.rows.nbytes for batch in batches)
                pieces.append(join(batches))
        for piece in pieces:
            self._next[piece.source] = piece.next_offset
        return tuple(pieces)

    def _position(self, source: TopicPartition) -> int:
        if source not in self._next:
            self._next[source] = self._log.committed(self._group, source) or 0
        return self._next[source]

    def forget(self, source: TopicPartition | None = None) -> None:
        """Begin again from what is committed, in one partition or (None) in all."""
        if source is None:
            self._next.clear()
        else:
            self._next.pop(source, None)

"""The gate in this process: raw and replay topics in, validated and dead letters out, exactly once.

Everything a round of pieces becomes (validated rows, dead letters, ledger entries, the consumer's
offsets) is committed in one transaction of the log, which refuses it if anybody else moved an
offset in the meantime. So a ``kill -9`` at any moment leaves either all of a round or nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lakegate.contract.stream import ContractRef, Enforcement, Stream
from lakegate.errors import Fenced, LakegateError
from lakegate.fault import reach
from lakegate.runner.base import GATE_GROUP, Brake, Lease, Pause, Progress, StreamSource
from lakegate.runner.judge import Judged, JudgeGate, Piece, join, judge
from lakegate.runner.replay import judge_replay
from lakegate.topic.base import Batch, TopicLog, TopicPartition

__all__ = ["FAULT_POINTS", "Worker"]

FAULT_POINTS = ("runner.judged", "runner.committed")

_log = logging.getLogger("lakegate.runner")
_IDLE_WAIT_S = 0.5
_UNKNOWN_PATHS = 1_000
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Round:
    """Pieces of one gate, judged, that commit together."""

    stream: Stream
    pieces: tuple[tuple[Piece, Judged], ...]


class Worker:
    """Judges one stream until told to stop.

    Guarantees: each raw record is judged and committed exactly once, whatever dies when; order
    within a partition is kept; memory is bounded by ``batch_records`` and ``batch_bytes``, however
    far behind the stream is.
    """

    def __init__(
        self,
        log: TopicLog,
        source: StreamSource,
        compile_gate: Callable[[Stream], JudgeGate],
        *,
        lease: Lease,
        brake: Brake,
        batch_records: int = 10_000,
        batch_bytes: int = 32 << 20,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_undeclared: Callable[[str, Sequence[str]], None] = lambda _stream, _paths: None,
    ) -> None:
        self._log = log
        self._source = source
        self._compile = compile_gate
        self._lease = lease
        self._brake = brake
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._on_undeclared = on_undeclared
        self._gate: JudgeGate | None = None
        self._offsets: dict[TopicPartition, int] = {}
        self._turn = 0
        self._unknown_paths: set[str] = set()
        self.progress = Progress()

    def run(
        self,
        *,
        until_idle: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        on_commit: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Work until ``stopped()``, or (``until_idle``) until nothing is left to judge.

        Waits first until no other worker holds the stream. ``stopped`` is asked between rounds, so
        the round in hand is finished and committed.

        Raises:
            LakegateError: something that trying again will not mend; or, with ``until_idle``,
                anything at all. What was committed stays committed.
        """
        if not self._lease.acquire(stopped=stopped, timeout_s=None):
            return self.progress
        failures = 0
        try:
            while not stopped():
                try:
                    worked = self._work()
                except Fenced as error:
                    self.progress.fenced += 1
                    self._offsets.clear()
                    _log.warning("%s; reading offsets again", error)
                    continue
                except LakegateError as error:
                    if until_idle or not error.transient:
                        raise
                    delay = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                    failures += 1
                    _log.warning("%s; trying again in %.1f s", error, delay)
                    _sleep(delay, stopped)
                    continue
                failures = 0
                if worked:
                    on_commit(self.progress)
                elif until_idle:
                    break
                else:
                    self._log.wait(_IDLE_WAIT_S)
        finally:
            self._lease.release()
        return self.progress

    def _work(self) -> bool:
        """One round: read, judge, commit. False when there was nothing to do."""
        gate = self._gate_in_force()
        if self._is_paused(gate.stream.name):
            return False
        pieces = tuple((piece, self._judge(gate, piece)) for piece in self._read(gate.stream))
        if not pieces:
            return False
        self._commit(_Round(gate.stream, pieces))
        return True

    def _judge(self, gate: JudgeGate, piece: Piece) -> Judged:
        replayed = piece.source.topic == gate.stream.topic("replay")
        return (judge_replay if replayed else judge)(gate, piece, now=self._clock())

    def _gate_in_force(self) -> JudgeGate:
        stream = self._source.current()
        if self._gate is None:
            for topic in self._topics(stream):
                self._log.register(GATE_GROUP, topic)
        if self._gate is None or self._gate.stream.contract != stream.contract:
            self._gate = self._compile(stream)
            _log.info("stream %s is judged by %s", stream.name, _describe(stream.contract))
        return self._gate

    def _is_paused(self, stream: str) -> bool:
        """A pause counts once the record that caused it is committed: first things first."""
        pause = self._brake.paused(stream)
        return pause is not None and self._offset(pause.source) >= pause.next_offset

    def _read(self, stream: Stream) -> Iterator[Piece]:
        """At most ``batch_records`` over all partitions, starting with another one each time."""
        there = self._log.topics()
        sources = [
            TopicPartition(topic, number)
            for topic in self._topics(stream)
            for number in range(there[topic])
        ]
        self._turn += 1
        left = self._batch_records
        for step in range(len(sources)):
            if left <= 0:
                return
            source = sources[(self._turn + step) % len(sources)]
            batches = list(
                self._log.read(
                    source,
                    self._offset(source),
                    max_records=left,
                    max_bytes=self._batch_bytes,
                )
            )
            if batches:
                left -= _count(batches)
                yield join(batches)

    def _topics(self, stream: Stream) -> list[str]:
        """What is judged: raw, and replayed records unless verdicts are only observed."""
        raw, replay = stream.topic("raw"), stream.topic("replay")
        observed = stream.enforcement is Enforcement.OBSERVE
        return [raw] if observed or replay not in self._log.topics() else [raw, replay]

    def _offset(self, source: TopicPartition) -> int:
        if source not in self._offsets:
            committed = self._log.committed(GATE_GROUP, source)
            self._offsets[source] = committed or 0
        return self._offsets[source]

    def _commit(self, work: _Round) -> None:
        stream = work.stream
        for piece, judged in work.pieces:
            if judged.critical is not None:
                reason = f"critical: {judged.critical.rule} at {judged.critical.path}"
                note = Pause(piece.source, piece.next_offset, reason, self._clock())
                self._brake.pause(stream.name, note)
        reach("runner.judged")
        with self._log.transaction() as transaction:
            for piece, judged in work.pieces:
                partition = piece.source.partition
                if stream.enforcement is Enforcement.ENFORCE:
                    for rows in judged.validated:
                        target = TopicPartition(stream.topic("validated"), partition)
                        transaction.append(target, rows)
                    if judged.deadletter is not None:
                        target = TopicPartition(stream.topic("deadletter"), partition)
                        transaction.append(target, judged.deadletter)
                    if judged.triage is not None:
                        target = TopicPartition(stream.topic("triage"), partition)
                        transaction.append(target, judged.triage)
                transaction.account(judged.entry)
                transaction.advance(
                    GATE_GROUP, piece.source, expected=piece.base_offset, to=piece.next_offset
                )
        reach("runner.committed")
        for piece, judged in work.pieces:
            self._offsets[piece.source] = piece.next_offset
            self._tell(stream, piece, judged)

    def _tell(self, stream: Stream, piece: Piece, judged: Judged) -> None:
        progress, entry = self.progress, judged.entry
        progress.batches += 1
        if piece.source.topic == stream.topic("replay"):
            progress.replayed += entry.accepted
            progress.failed += entry.rejected
        else:
            progress.accepted += entry.accepted
            progress.rejected += entry.rejected
            progress.tombstones += entry.tombstones
        progress.noted += entry.noted
        progress.gate_errors += len(judged.gate_errors)
        for error in judged.gate_errors:
            _log.error(
                "the gate failed on a record of %s between offsets %d and %d: %s; it is a dead "
                "letter with rule gate.error - please report this",
                piece.source,
                piece.base_offset,
                piece.next_offset,
                type(error).__name__,
            )
        self._tell_unknown(stream, judged.unknown_paths)
        if judged.critical is not None:
            _log.error(
                "stream %s is paused at %s offset %d: %s at %s; look, then `lakegate resume %s "
                "--reason …`",
                stream.name,
                piece.source,
                piece.next_offset,
                judged.critical.rule,
                judged.critical.path,
                stream.name,
            )

    def _tell_unknown(self, stream: Stream, paths: frozenset[str]) -> None:
        """Field names come from outside: neither the log nor memory grows with them for ever."""
        room = _UNKNOWN_PATHS - len(self._unknown_paths)
        fresh = sorted(paths - self._unknown_paths)[:room] if room else []
        if fresh:
            self._on_undeclared(stream.name, fresh)
        for path in fresh:
            _log.info("stream %s: first sight of undeclared field %r", stream.name, path)
            self._unknown_paths.add(path)
            if len(self._unknown_paths) == _UNKNOWN_PATHS:
                _log.warning(
                    "stream %s: more than %d undeclared fields; further ones are not named",
                    stream.name,
                    _UNKNOWN_PATHS,
                )


def _count(batches: Sequence[Batch]) -> int:
    return sum(batch.rows.num_rows for batch in batches)


def _describe(contract: ContractRef) -> str:
    return f"contract {contract.id} {contract.version} ({contract.digest[:12]})"


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopped():
        time.sleep(0.05)

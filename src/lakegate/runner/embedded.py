"""The gate in this process: raw and replay topics in, validated and dead letters out, exactly once.

Everything a round of pieces becomes (validated rows, dead letters, ledger entries, the consumer's
offsets) is committed in one transaction of the log, which refuses it if anybody else moved an
offset or claimed a partition in the meantime. So a ``kill -9`` at any moment leaves either all of a
round or nothing.

One thread reads, judges and commits; a second one encodes what was judged and brings it to disk,
while the next round is judged (docs/decisions/0015-loop.md).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from lakegate.contract.stream import ContractRef, Enforcement, Stream
from lakegate.errors import Fenced, LakegateError
from lakegate.fault import reach
from lakegate.runner.base import GATE_GROUP, Brake, Pause, Progress, Share, StreamSource
from lakegate.runner.judge import Judged, JudgeGate, Piece, judge
from lakegate.runner.referring import KeySource, no_keys
from lakegate.runner.replay import judge_replay
from lakegate.runner.round import Round, Rounds, prepare
from lakegate.runner.telling import Telling
from lakegate.topic.base import TopicLog, TopicPartition

__all__ = ["AHEAD", "FAULT_POINTS", "Worker"]

FAULT_POINTS = ("runner.judged", "runner.committed")

AHEAD = 2
"""Rounds that may be judged and not committed yet, besides the one in hand."""

_log = logging.getLogger("lakegate.runner")
_IDLE_WAIT_S = 0.5
_CROWDED_WAIT_S = 0.1
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)


class Worker:
    """Judges its share of one stream until told to stop.

    Guarantees: each raw record is judged and committed exactly once, whatever dies when and however
    many workers share the stream; order within a partition is kept; memory is bounded by
    ``batch_records`` and ``batch_bytes`` of ``AHEAD + 1`` rounds, however far behind the stream is.
    """

    def __init__(
        self,
        log: TopicLog,
        source: StreamSource,
        compile_gate: Callable[[Stream], JudgeGate],
        *,
        share: Share,
        brake: Brake,
        batch_records: int = 10_000,
        batch_bytes: int = 32 << 20,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_undeclared: Callable[[str, Sequence[str]], None] = lambda _stream, _paths: None,
        keys: KeySource = no_keys,
    ) -> None:
        self._log = log
        self._source = source
        self._compile = compile_gate
        self._share = share
        self._brake = brake
        self._clock = clock
        self._rounds = Rounds(log, GATE_GROUP, batch_records=batch_records, batch_bytes=batch_bytes)
        self._telling = Telling(on_undeclared)
        self._keys = keys
        self._gate: JudgeGate | None = None
        self._held: set[int] = set()
        self._epochs: dict[TopicPartition, int] = {}
        self._waiting: deque[Round] = deque()
        self._on_commit: Callable[[Progress], None] = lambda _: None
        self.progress = self._telling.progress

    def run(
        self,
        *,
        until_idle: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        on_commit: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Work until ``stopped()``, or (``until_idle``) until nothing is left to judge for anybody.

        ``stopped`` is asked between rounds; what is judged by then is committed.

        Raises:
            LakegateError: something that trying again will not mend; or, with ``until_idle``,
                anything at all. What was committed stays committed.
        """
        self._on_commit = on_commit
        failures = 0
        with ThreadPoolExecutor(1, thread_name_prefix="lakegate-prepare") as pool:
            try:
                while not stopped():
                    try:
                        worked = self._work(pool)
                    except Fenced as error:
                        self._fenced(error)
                        continue
                    except LakegateError as error:
                        self._drop()
                        if until_idle or not error.transient:
                            raise
                        delay = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                        failures += 1
                        _log.warning("%s; trying again in %.1f s", error, delay)
                        _sleep(delay, stopped)
                        continue
                    failures = 0
                    if worked:
                        continue
                    if until_idle and self._is_over():
                        break
                    self._log.wait(_CROWDED_WAIT_S if until_idle else _IDLE_WAIT_S)
                self._settle()
            except Fenced as error:
                self._fenced(error)
            finally:
                self._let_go()
        return self.progress

    def _fenced(self, error: Fenced) -> None:
        self.progress.fenced += 1
        self._let_go()
        _log.warning("%s; beginning again from what is committed", error)

    def _work(self, pool: ThreadPoolExecutor) -> bool:
        """Read a round and judge it; commit those that wait. False when there was nothing to do."""
        gate = self._keys(self._gate_in_force())
        self._rebalance(gate.stream)
        if self._pause_of(gate.stream.name) is not None:
            self._settle()
            return False
        try:
            pieces = self._rounds.read(self._sources(gate.stream))
        except LakegateError:
            self._settle()
            raise
        if pieces:
            judged = tuple((piece, self._judge(gate, piece)) for piece in pieces)
            prepared = pool.submit(prepare, self._log, gate.stream, judged)
            self._waiting.append(Round(gate.stream, judged, prepared))
        worked = bool(self._waiting)
        if len(self._waiting) > AHEAD or not pieces:
            self._commit_ready()
        return worked

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

    def _rebalance(self, stream: Stream) -> None:
        """Hold the partitions that are ours as workers come and go; what we leave is committed."""
        there = self._log.topics()
        count = max(there[topic] for topic in self._topics(stream))
        wanted = self._share.wanted(count)
        if leaving := self._held - wanted:
            self._settle()
            self._rounds.forget()
            for number in leaving:
                self._held.discard(number)
                self._share.leave(number)
        for number in wanted - self._held:
            if self._share.take(number):
                self._held.add(number)
                self._epochs = {s: e for s, e in self._epochs.items() if s.partition != number}

    def _sources(self, stream: Stream) -> list[TopicPartition]:
        """The partitions we hold, each claimed before it is read for the first time."""
        there = self._log.topics()
        sources = [
            TopicPartition(topic, number)
            for topic in self._topics(stream)
            for number in sorted(self._held)
            if number < there[topic]
        ]
        for source in sources:
            if source not in self._epochs:
                self._epochs[source] = self._log.claim(GATE_GROUP, source)
                self._rounds.forget(source)
        return sources

    def _pause_of(self, stream: str) -> Pause | None:
        """A pause counts once the record that caused it is committed: first things first."""
        pause = self._brake.paused(stream)
        if pause is None:
            return None
        committed = self._log.committed(GATE_GROUP, pause.source) or 0
        return pause if committed >= pause.next_offset else None

    def _is_over(self) -> bool:
        """Whether nothing is left to judge, by us or by others; or the stream is paused."""
        stream = self._gate_in_force().stream
        there = self._log.topics()
        return self._pause_of(stream.name) is not None or all(
            (self._log.committed(GATE_GROUP, source) or 0) >= self._log.end_offset(source)
            for topic in self._topics(stream)
            for source in (TopicPartition(topic, number) for number in range(there[topic]))
        )

    def _topics(self, stream: Stream) -> list[str]:
        """What is judged: raw, and replayed records unless verdicts are only observed."""
        raw, replay = stream.topic("raw"), stream.topic("replay")
        observed = stream.enforcement is Enforcement.OBSERVE
        return [raw] if observed or replay not in self._log.topics() else [raw, replay]

    def _settle(self) -> None:
        """Commit everything that is judged."""
        while self._waiting:
            self._commit_ready()

    def _commit_ready(self) -> None:
        """Commit the oldest rounds in one transaction: the first, and those that are on disk too.

        Nothing that was judged behind a critical failure is committed.
        """
        if not self._waiting:
            return
        rounds = [self._waiting[0]]
        rounds[0].prepared.result()  # raises what went wrong on the disk
        for later in list(self._waiting)[1:]:
            if rounds[-1].critical or not later.prepared.done():
                break
            later.prepared.result()
            rounds.append(later)
        self._commit(rounds)
        for _ in rounds:
            self._waiting.popleft()
        if rounds[-1].critical:
            self._drop()
        for done in rounds:
            for piece, judged in done.pieces:
                self._telling.committed(done.stream, piece, judged)
        self._on_commit(self.progress)

    def _commit(self, rounds: Sequence[Round]) -> None:
        for each in rounds:
            for piece, judged in each.pieces:
                if judged.critical is not None:
                    reason = f"critical: {judged.critical.rule} at {judged.critical.path}"
                    note = Pause(piece.source, piece.next_offset, reason, self._clock())
                    self._brake.pause(each.stream.name, note)
        reach("runner.judged")
        with self._log.transaction() as transaction:
            for each in rounds:
                transaction.publish(each.prepared.result())
                for piece, judged in each.pieces:
                    transaction.account(judged.entry)
                    transaction.advance(
                        GATE_GROUP,
                        piece.source,
                        expected=piece.base_offset,
                        to=piece.next_offset,
                        epoch=self._epochs[piece.source],
                    )
        reach("runner.committed")

    def _drop(self) -> None:
        """Forget what is judged and not committed; it will be read again."""
        while self._waiting:
            self._waiting.popleft().discard()
        self._rounds.forget()

    def _let_go(self) -> None:
        """Leave the partitions; what is not committed is for whoever has them next."""
        self._drop()
        self._held.clear()
        self._share.release()


def _describe(contract: ContractRef) -> str:
    return f"contract {contract.id} {contract.version} ({contract.digest[:12]})"


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopped():
        time.sleep(0.05)

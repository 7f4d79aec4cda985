"""The flow in numbers, cheaply: what the ledger, the offsets and the tables' heads say.

Nothing is read again and nothing proven; that is what ``lakegate status`` is for. A look costs a
few indexed queries and one metadata file per table: it adds to what it has already summed, so it
costs the same after a billion records.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.lake.snapshot import MAIN, STAGED
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.pipeline.project import Project

__all__ = ["Collector", "Numbers", "StreamNumbers"]


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """One stream. Counts are records since its beginning; ``waiting_…`` is the lag of that hop.

    ``rows_staged`` and ``rows_main`` are the table's. ``published_s`` is Unix time of the newest
    publication, None before the first; ``audit_failed`` names the failed rules of the newest audit.
    """

    stream: str
    raw: int
    accepted: int
    rejected: int
    tombstones: int
    replayed: int
    deadletters: int
    open_deadletters: int
    waiting_to_judge: int
    waiting_to_land: int
    waiting_to_publish: int
    rows_staged: int
    rows_main: int
    published_s: float | None
    audit_passed: int
    audit_failed: tuple[str, ...]
    paused: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """All streams at about one moment (Unix time), and what it cost to look."""

    at_s: float
    seconds: float
    streams: tuple[StreamNumbers, ...]
    incidents: int = 0


@dataclass(slots=True)
class _Sum:
    accepted: int = 0
    rejected: int = 0
    tombstones: int = 0
    next_offset: int = 0


class Collector:
    """Looks at a project's stores; belongs to the thread of the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._sums: dict[tuple[str, TopicPartition], _Sum] = {}
        self._settled: dict[str, tuple[int, int]] = {}

    def collect(self) -> Numbers:
        """The numbers now.

        Raises:
            LakegateError: a store cannot be read.
        """
        began = time.monotonic()
        streams = tuple(self._stream(found.stream) for found in self._project.found.values())
        return Numbers(time.time(), time.monotonic() - began, streams, self._incidents())

    def _stream(self, stream: Stream) -> StreamNumbers:
        project, log = self._project, self._project.log
        arriving = [*self._partitions(stream, "raw"), *self._partitions(stream, "cdc")]
        judged = [self._sum(stream, source) for source in arriving]
        replayed = [self._sum(stream, source) for source in self._partitions(stream, "replay")]
        raw = sum(log.end_offset(source) for source in arriving)
        staged = main = 0
        landed: dict[TopicPartition, int] = {}
        if project.lake.exists(stream):
            heads = [project.lake.head(stream, branch) for branch in (STAGED, MAIN)]
            staged, main = (0 if head is None else head.rows for head in heads)
            landed = project.lake.landed(stream)
        waiting = sum(
            max(0, log.end_offset(source) - landed.get(source, log.start_offset(source)))
            for source in self._partitions(stream, "validated")
        )
        publications = project.audits.publications(stream.name, limit=1)
        passed, failed = self._audit(stream)
        return StreamNumbers(
            stream=stream.name,
            raw=raw,
            accepted=sum(one.accepted for one in judged),
            rejected=sum(one.rejected for one in judged),
            tombstones=sum(one.tombstones for one in judged),
            replayed=sum(one.accepted for one in replayed),
            deadletters=self._end(stream, "deadletter"),
            open_deadletters=self._open(stream),
            waiting_to_judge=max(0, raw - sum(one.next_offset for one in judged)),
            waiting_to_land=waiting,
            waiting_to_publish=max(0, staged - main),
            rows_staged=staged,
            rows_main=main,
            published_s=publications[0].at.timestamp() if publications else None,
            audit_passed=passed,
            audit_failed=failed,
            paused=project.brake.paused(stream.name) is not None,
        )

    def _partitions(self, stream: Stream, kind: str) -> list[TopicPartition]:
        topic = stream.topic(kind)
        count = self._project.log.topics().get(topic, 0)
        return [TopicPartition(topic, number) for number in range(count)]

    def _end(self, stream: Stream, kind: str) -> int:
        return sum(
            self._project.log.end_offset(source) for source in self._partitions(stream, kind)
        )

    def _sum(self, stream: Stream, source: TopicPartition) -> _Sum:
        """What was summed before, and what the ledger has got since."""
        found = self._sums.setdefault((stream.name, source), _Sum())
        fresh = self._project.log.ledger_totals(stream.name, source, since=found.next_offset)
        found.accepted += fresh.accepted
        found.rejected += fresh.rejected
        found.tombstones += fresh.tombstones
        found.next_offset = fresh.next_offset
        return found

    def _audit(self, stream: Stream) -> tuple[int, tuple[str, ...]]:
        report = self._project.audits.latest(stream.name)
        if report is None:
            return 0, ()
        failed = tuple(result.name for result in report.results if result.failed)
        return len(report.results) - len(failed), failed

    def _open(self, stream: Stream) -> int:
        """Dead letters nobody has dealt with; their states are read again when one has changed."""
        import numpy as np

        from lakegate.deadletter.triage import State, fold, partitions

        log = self._project.log
        events = self._end(stream, "triage")
        before, settled = self._settled.get(stream.name, (0, 0))
        if events != before:
            states = [fold(log, stream, number) for number in range(partitions(log, stream))]
            over = (State.REPLAYED, State.DISCARDED, State.ERASED)
            settled = sum(int(np.isin(found.states, over).sum()) for found in states)
            self._settled[stream.name] = (events, settled)
        return max(0, self._end(stream, "deadletter") - settled)

    def _incidents(self) -> int:
        return len(self._project.incidents())

"""Replay: repaired dead letters as new records of ``*.replay``, each asked for exactly once.

The record and the event that asks for it are one commit, refused if anybody else decided on the
partition's dead letters meanwhile. From there on the worker has it: what a ``kill -9`` interrupts
was either asked for or was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from lakegate.contract.stream import Enforcement, Stream
from lakegate.deadletter.fix import combined
from lakegate.deadletter.repairs import Ready, Selection, Tally, repairs
from lakegate.deadletter.step import Lookup
from lakegate.deadletter.triage import fold, partitions, write
from lakegate.errors import Fenced, ProjectError, TopicError
from lakegate.fault import reach
from lakegate.runner.lineage import (
    FIXES_HEADER,
    SOURCE_HEADER,
    AppliedFix,
    Event,
    Lineage,
    Origin,
    who,
)
from lakegate.runner.replay import triage_rows
from lakegate.topic.base import TopicLog, TopicPartition
from lakegate.topic.schema import HEADERS, RECORD

__all__ = ["FAULT_POINTS", "RACES", "Order", "Replayed", "replay"]

FAULT_POINTS = ("deadletter.replay.repaired", "deadletter.replay.committed")

RACES = 100
_MICROS = pa.timestamp("us", tz="UTC")


@dataclass(slots=True)
class Replayed:
    """What was asked for: ``tally.ready`` records are on their way to the gate."""

    stream: str
    tally: Tally = field(default_factory=Tally)

    @property
    def requested(self) -> int:
        """Records put on the replay topic."""
        return self.tally.ready

    def document(self) -> dict[str, Any]:
        """As plain data."""
        tally = self.tally
        return {
            "stream": self.stream,
            "requested": tally.ready,
            "open": tally.open,
            "matched": tally.matched,
            "unmatched": tally.unmatched,
            "not_tried_again": tally.held,
            "unchanged": tally.unchanged,
            "not_repaired": sum(tally.problems.values()),
            "by_fixes": [
                {"fixes": names, "matched": count} for names, count in tally.by_fixes.most_common()
            ],
        }


@dataclass(frozen=True, slots=True)
class Order:
    """Who replays what: the fixes as they stand in git, in the order of the selection's."""

    selection: Selection
    applied: Sequence[AppliedFix]
    why: str | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def lineage(self, positions: tuple[int, ...]) -> Lineage:
        """What a record carries that these of the fixes have made."""
        return Lineage(
            combined([self.selection.fixes[position] for position in positions]),
            tuple(self.applied[position] for position in positions),
            who(),
            self.why,
        )


def replay(log: TopicLog, stream: Stream, order: Order, lookup: Lookup) -> Replayed:
    """Put every open dead letter that the fixes repair on the replay topic, at most once each.

    Committed piece by piece, 10,000 dead letters at most; several may run at once.

    Raises:
        ProjectError: the stream only observes, so nothing would judge them.
        Fenced: others kept deciding on the same dead letters.
    """
    if stream.enforcement is Enforcement.OBSERVE:
        raise ProjectError(
            f"stream {stream.name} only observes: nothing it judges is passed on; set "
            "`lakegate.enforcement: enforce` before you replay"
        )
    result = Replayed(stream.name)
    for partition in range(partitions(log, stream)):
        for left in reversed(range(RACES)):
            tally = Tally()
            try:
                _partition(log, stream, order, lookup, partition, tally)
            except Fenced:
                _merge(result.tally, tally, done=False)
                if not left:
                    raise
                continue
            _merge(result.tally, tally, done=True)
            break
    return result


def _partition(
    log: TopicLog,
    stream: Stream,
    order: Order,
    lookup: Lookup,
    partition: int,
    tally: Tally,
) -> None:
    states = fold(log, stream, partition)
    target = TopicPartition(stream.topic("replay"), partition)
    ingested = _Ingested(log)
    for ready in repairs(log, stream, states, order.selection, lookup, tally):
        batch, events = _rows(stream, order, ready, ingested)
        reach("deadletter.replay.repaired")
        try:
            write(log, states, events, also=lambda t, b=batch: t.append(target, b))  # type: ignore[misc]
        except Fenced:
            tally.ready -= len(ready.at)
            raise
        reach("deadletter.replay.committed")


def _merge(total: Tally, part: Tally, *, done: bool) -> None:
    """Add a partition's counts; of one that is begun again, only what was committed."""
    total.ready += part.ready
    total.open += part.open if done else part.ready
    if not done:
        return
    total.unmatched += part.unmatched
    total.held += part.held
    total.unchanged += part.unchanged
    total.problems.update(part.problems)
    total.by_fixes.update(part.by_fixes)


def _rows(
    stream: Stream, order: Order, ready: Ready, ingested: _Ingested
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The records for the replay topic, and the events that ask for them."""
    rows = ready.rows()
    topics = rows.column("source_topic").to_pylist()
    numbers = rows.column("source_partition").to_pylist()
    offsets = rows.column("source_offset").to_pylist()
    rejected = rows.column("rejected_at").cast(pa.int64()).to_pylist()
    base = ready.piece.base
    origins = [
        Origin(topic, number, offset, ingested.at(topic, number, offset, late), base + at)
        for topic, number, offset, late, at in zip(
            topics, numbers, offsets, rejected, ready.at, strict=True
        )
    ]
    lineage = {positions: order.lineage(positions) for positions in set(ready.applied)}
    known = [
        (origin, lineage[positions])
        for origin, positions in zip(origins, ready.applied, strict=True)
    ]
    batch = pa.record_batch(
        [
            rows.column("key"),
            pa.array(ready.values, pa.binary()),
            _headers(rows.column("headers"), known),
            rows.column("timestamp"),
        ],
        schema=RECORD,
    )
    events = triage_rows(
        known,
        [Event.REQUESTED] * len(known),
        partition=ready.piece.source.partition,
        contract_digest=stream.contract.digest,
        at=order.clock(),
    )
    return batch, events


def _headers(headers: pa.Array, known: Sequence[tuple[Origin, Lineage]]) -> pa.Array:
    """The producer's headers, then ours."""
    encode = msgspec.json.Encoder().encode
    fixes = {id(lineage): encode(lineage) for _, lineage in known}
    names: list[str] = []
    values: list[bytes | None] = []
    ends = [0]
    for held, (origin, lineage) in zip(headers.to_pylist(), known, strict=True):
        for header in held or ():
            names.append(header["key"])
            values.append(header["value"])
        names += (SOURCE_HEADER, FIXES_HEADER)
        values += (encode(origin), fixes[id(lineage)])
        ends.append(len(names))
    pairs = pa.StructArray.from_arrays(
        [pa.array(names, pa.string()), pa.array(values, pa.binary())],
        fields=list(HEADERS.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pairs).cast(HEADERS)


class _Ingested:
    """When source records were appended to their topics; remembers one batch per partition."""

    def __init__(self, log: TopicLog) -> None:
        self._log = log
        self._known: dict[tuple[str, int], tuple[int, int, int]] = {}

    def at(self, topic: str, partition: int, offset: int, late: int) -> int:
        """Microseconds since 1970; ``late`` (when it was rejected) if the record is gone."""
        first, end, time = self._known.get((topic, partition), (0, 0, 0))
        if first <= offset < end:
            return time
        try:
            batch = next(self._log.read(TopicPartition(topic, partition), offset))
        except (TopicError, StopIteration):
            return late
        time = pa.scalar(batch.appended_at, _MICROS).value
        self._known[topic, partition] = (batch.base_offset, batch.next_offset, time)
        return int(time)

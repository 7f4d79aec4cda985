"""Dead letters, read back: in bounded pieces with their states, or one in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
from lakegate.deadletter.triage import State, States, fold, partitions
from lakegate.errors import ProjectError, TopicError
from lakegate.topic.base import Batch, TopicLog, TopicPartition
from lakegate.topic.stub import stubs

__all__ = ["Letter", "Piece", "failed_reasons", "find", "pieces"]

_CHUNK = 10_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive dead letters of one partition, each with its state."""

    source: TopicPartition
    base: int
    rows: pa.RecordBatch
    states: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter in full; ``history`` are its events, oldest first."""

    id: str
    state: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: datetime
    contract: str
    contract_digest: str
    rejected_at: datetime
    reasons: list[dict[str, str]]
    history: list[dict[str, Any]]


def pieces(log: TopicLog, stream: Stream, states: States) -> Iterator[Piece]:
    """Every dead letter of the partition of ``states``, at most 10,000 at a time."""
    source = TopicPartition(stream.topic("deadletter"), states.triage.partition)
    offset = log.start_offset(source)
    while True:
        last = offset
        for batch in log.read(source, offset, max_records=_CHUNK):
            offset = batch.next_offset
            yield Piece(source, batch.base_offset, batch.rows, _states(states, batch))
        if offset == last:
            return


def _states(states: States, batch: Batch) -> npt.NDArray[np.int8]:
    found = np.zeros(batch.rows.num_rows, np.int8)
    known = states.states[batch.base_offset : batch.next_offset]
    found[: len(known)] = known
    found[stubs(batch.rows) & (found <= State.FAILED)] = State.ERASED
    return found


def failed_reasons(
    log: TopicLog, states: States, offsets: Sequence[int]
) -> dict[int, list[dict[str, str]]]:
    """The reasons for which those dead letters, all FAILED, failed last."""
    known = {
        int(states.last[o]): o for o in offsets if o < len(states.last) and states.last[o] >= 0
    }
    wanted = np.array(sorted(known), dtype=np.int64)
    found: dict[int, list[dict[str, str]]] = {}
    at = 0
    while at < len(wanted):
        batch = next(log.read(states.triage, int(wanted[at]), max_records=_CHUNK))
        upto = int(np.searchsorted(wanted, batch.next_offset))
        rows = batch.rows.column("reasons").take(pa.array(wanted[at:upto] - batch.base_offset))
        for offset, reasons in zip(wanted[at:upto].tolist(), rows.to_pylist(), strict=True):
            found[known[offset]] = reasons or []
        at = upto
    return found


def find(log: TopicLog, stream: Stream, identity: str) -> Letter:
    """A dead letter by ``TOPIC:PARTITION:OFFSET`` of itself or of its source, or ``P:O`` of itself.

    Raises:
        ProjectError: it is no such identity, or there is no such dead letter.
    """
    topic, partition, offset = coordinates(stream, identity)
    if partition >= partitions(log, stream):
        raise ProjectError(_nothing(stream, identity))
    states = fold(log, stream, partition)
    letters = TopicPartition(stream.topic("deadletter"), partition)
    if topic == letters.topic:
        batch = _at(log, letters, offset)
    else:
        batch = _from(log, stream, states, topic, offset)
    if batch is None:
        raise ProjectError(_nothing(stream, identity))
    return _letter(log, states, batch)


def coordinates(stream: Stream, identity: str) -> tuple[str, int, int]:
    """Topic, partition and offset that an identity names; the dead letter topic if it names none.

    Raises:
        ProjectError: it is no identity.
    """
    parts = identity.rsplit(":", 2)
    if len(parts) == 2:
        parts = [stream.topic("deadletter"), *parts]
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        raise ProjectError(
            f"{identity!r} names no dead letter; write TOPIC:PARTITION:OFFSET, such as "
            f"{stream.topic('deadletter')}:0:17, or that of the record it was, "
            f"{stream.topic('raw')}:0:4711"
        )
    return parts[0], int(parts[1]), int(parts[2])


def _nothing(stream: Stream, identity: str) -> str:
    return (
        f"stream {stream.name} has no dead letter {identity}; `lakegate deadletter list "
        f"{stream.name}` shows one of each cause"
    )


def _at(log: TopicLog, source: TopicPartition, offset: int) -> Batch | None:
    try:
        return next(log.read(source, offset, max_records=1), None)
    except TopicError:
        return None


def _from(log: TopicLog, stream: Stream, states: States, topic: str, offset: int) -> Batch | None:
    """The newest dead letter of a source record."""
    found: Batch | None = None
    for piece in pieces(log, stream, states):
        same = pc.and_(
            pc.equal(piece.rows.column("source_topic"), topic),
            pc.equal(piece.rows.column("source_offset"), offset),
        )
        hits = np.flatnonzero(same.to_numpy(zero_copy_only=False))
        if len(hits):
            at = int(hits[-1])
            found = Batch(piece.source, piece.base + at, _NEVER, piece.rows.slice(at, 1))
    return found


def _letter(log: TopicLog, states: States, batch: Batch) -> Letter:
    (row,) = batch.rows.to_pylist()
    (state,) = _states(states, batch).tolist()
    return Letter(
        id=f"{batch.source.topic}:{batch.source.partition}:{batch.base_offset}",
        state=State(state).name.lower(),
        source=f"{row['source_topic']}:{row['source_partition']}:{row['source_offset']}",
        key=row["key"],
        value=row["value"],
        headers=[(header["key"], header["value"]) for header in row["headers"] or ()],
        timestamp=row["timestamp"],
        contract=f"{row['contract_id']} {row['contract_version']}",
        contract_digest=row["contract_digest"],
        rejected_at=row["rejected_at"],
        reasons=row["reasons"],
        history=list(_history(log, states.triage, batch.base_offset)),
    )


def _history(log: TopicLog, triage: TopicPartition, letter: int) -> Iterator[dict[str, Any]]:
    offset = log.start_offset(triage)
    while True:
        last = offset
        for batch in log.read(triage, offset, max_records=_CHUNK):
            offset = batch.next_offset
            mine = batch.rows.filter(pc.equal(batch.rows.column("deadletter_offset"), letter))
            yield from mine.to_pylist()
        if offset == last:
            return

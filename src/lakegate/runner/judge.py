"""From a piece of a raw partition to the rows it becomes; the same on every runner.

A record that breaks the gate itself is a bug of ours, not of the data: it is found by halving,
becomes a dead letter with rule ``gate.error``, and everything around it is judged as usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Enforcement, Stream
from lakegate.gate.rejections import Rejections
from lakegate.gate.rejections import reasons_of as reasons_column
from lakegate.gate.verdict import Failure, Rejected, Verdict, joined
from lakegate.topic.base import Batch, LedgerEntry, TopicPartition
from lakegate.topic.checksum import offset_checksum
from lakegate.topic.schema import DEADLETTER, SOURCE_COLUMNS, validated_schema

__all__ = [
    "REPLAYED",
    "TOMBSTONES",
    "JudgeGate",
    "Judged",
    "Piece",
    "entry_of",
    "join",
    "judge",
    "one_chunk",
    "positions_of",
    "reasons_of",
    "verdicts_on",
]

# Metadata of a batch of `*.validated` that holds tombstones: source columns only.
TOMBSTONES = {b"lakegate.kind": b"tombstones"}
# Of one that holds repaired records: their coordinates are older than those around them.
REPLAYED = {b"lakegate.kind": b"replayed"}


class JudgeGate(Protocol):
    """What :func:`judge` needs of a gate (:func:`lakegate.gate.compile` gives one)."""

    @property
    def stream(self) -> Stream:
        """The stream it judges."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The schema of ``Verdict.accepted``."""
        ...

    def __call__(self, values: pa.Array, *, keys: pa.Array) -> Verdict:
        """Judge binary values; a null value with a key is a tombstone."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive raw records of one partition; ``ingested_at`` is timestamp[us, UTC] per row."""

    source: TopicPartition
    base_offset: int
    rows: pa.RecordBatch
    ingested_at: pa.Array

    @property
    def next_offset(self) -> int:
        """The offset after the last row."""
        return self.base_offset + int(self.rows.num_rows)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one piece becomes.

    ``validated`` are batches in source order: accepted rows in :func:`validated_schema`, and runs
    of tombstones (marked by :data:`TOMBSTONES`) where they stood. ``deadletter`` is None when
    nothing was rejected. ``critical`` is the first critical failure, which pauses the stream.
    ``triage`` are events of dead letters (a replayed piece has them).
    """

    validated: tuple[pa.RecordBatch, ...]
    deadletter: pa.RecordBatch | None
    entry: LedgerEntry
    critical: Failure | None
    gate_errors: tuple[Exception, ...]
    unknown_paths: frozenset[str]
    triage: pa.RecordBatch | None = None


def join(batches: Sequence[Batch]) -> Piece:
    """Consecutive batches of one partition as one piece."""
    first = batches[0]
    times = np.repeat(
        np.array([_micros(batch.appended_at) for batch in batches], dtype=np.int64),
        [batch.rows.num_rows for batch in batches],
    )
    if len(batches) == 1:
        rows = first.rows
    else:
        table = pa.Table.from_batches([batch.rows for batch in batches]).combine_chunks()
        rows = table.to_batches()[0]
    return Piece(
        source=first.source,
        base_offset=first.base_offset,
        rows=rows,
        ingested_at=pa.array(times).cast(pa.timestamp("us", tz="UTC")),
    )


def judge(gate: JudgeGate, piece: Piece, *, now: datetime) -> Judged:
    """Judge every record of a piece; never raises for what a record holds or does to the gate."""
    verdicts, errors = verdicts_on(gate, piece.rows.column("value"), piece.rows.column("key"))
    verdict = joined(verdicts) if len(verdicts) > 1 else verdicts[0][1]
    accepted_at = np.asarray(verdict.accepted_index, dtype=np.int64)
    rejected_at = positions_of(verdict.rejected)
    tombstones_at = np.array(verdict.tombstones, dtype=np.int64)
    records, rows, noted = verdict.rejected, verdict.accepted, len(verdict.noted)
    return Judged(
        validated=tuple(_validated(gate.schema, piece, rows, accepted_at, tombstones_at)),
        deadletter=_deadletter(gate.stream, piece, records, rejected_at, now),
        entry=entry_of(gate.stream, piece, accepted_at, rejected_at, tombstones_at, noted),
        critical=_critical(records),
        gate_errors=tuple(errors),
        unknown_paths=verdict.unknown_paths,
    )


def verdicts_on(
    gate: JudgeGate, values: pa.Array, keys: pa.Array
) -> tuple[list[tuple[int, Verdict]], list[Exception]]:
    """Verdicts with the position each starts at; a failing batch is halved down to the culprit."""
    verdicts: list[tuple[int, Verdict]] = []
    errors: list[Exception] = []
    waiting = [(0, len(values))]
    while waiting:
        start, length = waiting.pop()
        try:
            verdict = gate(values.slice(start, length), keys=keys.slice(start, length))
        except Exception as error:  # whatever it is, the stream must go on
            if length > 1:
                half = length // 2
                waiting += [(start + half, length - half), (start, half)]
                continue
            errors.append(error)
            verdict = _gate_error(gate, values[start].as_py(), error)
        verdicts.append((start, verdict))
    return verdicts, errors


def _gate_error(gate: JudgeGate, value: bytes | None, error: Exception) -> Verdict:
    failure = Failure("$", "gate.error", "a verdict", f"{type(error).__name__} inside the gate")
    return Verdict(
        contract=gate.stream.contract,
        accepted=gate.schema.empty_table(),
        accepted_index=pa.array([], pa.int64()),
        rejected=(Rejected(0, value, (failure,)),),
    )


def _validated(
    schema: pa.Schema,
    piece: Piece,
    accepted: pa.Table,
    accepted_at: npt.NDArray[np.int64],
    tombstones_at: npt.NDArray[np.int64],
) -> Iterator[pa.RecordBatch]:
    whole = None
    if len(accepted_at):
        columns = [*accepted.combine_chunks().columns, *_source_columns(piece, accepted_at)]
        table = pa.table([one_chunk(column) for column in columns], schema=validated_schema(schema))
        whole = table.to_batches()[0]
    if not len(tombstones_at):
        if whole is not None:
            yield whole
        return
    done = 0
    for first, last in _runs(tombstones_at):
        upto = int(np.searchsorted(accepted_at, first))
        if whole is not None and upto > done:
            yield whole.slice(done, upto - done)
        done = upto
        run = np.arange(first, last + 1, dtype=np.int64)
        marked = SOURCE_COLUMNS.with_metadata(TOMBSTONES)
        yield pa.record_batch(_source_columns(piece, run), schema=marked)
    if whole is not None and done < whole.num_rows:
        yield whole.slice(done)


def _runs(positions: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive positions."""
    for run in np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1):
        yield int(run[0]), int(run[-1])


def _source_columns(piece: Piece, at: npt.NDArray[np.int64]) -> list[pa.Array]:
    """The columns of ``SOURCE_COLUMNS`` for the rows at those positions."""
    rows, ingested_at = piece.rows, piece.ingested_at
    if len(at) != rows.num_rows:
        index = pa.array(at)
        rows, ingested_at = rows.take(index), ingested_at.take(index)
    return [
        rows.column("key"),
        rows.column("headers"),
        rows.column("timestamp"),
        pa.repeat(piece.source.topic, len(at)),
        pa.repeat(pa.scalar(piece.source.partition, pa.int32()), len(at)),
        pa.array(at + piece.base_offset),
        ingested_at,
    ]


def _deadletter(
    stream: Stream,
    piece: Piece,
    rejected: Sequence[Rejected],
    at: npt.NDArray[np.int64],
    now: datetime,
) -> pa.RecordBatch | None:
    if not rejected:
        return None
    rows, n = piece.rows.take(pa.array(at)), len(at)
    return pa.record_batch(
        [
            *rows.columns,
            pa.repeat(piece.source.topic, n),
            pa.repeat(pa.scalar(piece.source.partition, pa.int32()), n),
            pa.array(at + piece.base_offset),
            pa.repeat(stream.contract.id, n),
            pa.repeat(stream.contract.version, n),
            pa.repeat(stream.contract.digest, n),
            pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), n),
            reasons_column(rejected),
        ],
        schema=DEADLETTER,
    )


def reasons_of(record: Rejected) -> list[dict[str, str]]:
    """The failures of a record as rows of :data:`~lakegate.topic.schema.REASONS`."""
    return [
        {
            "path": failure.path,
            "rule": failure.rule,
            "expected": failure.expected,
            "observed": failure.observed,
            "severity": failure.severity.value,
        }
        for failure in record.failures
    ]


def entry_of(
    stream: Stream,
    piece: Piece,
    accepted_at: npt.NDArray[np.int64],
    rejected_at: npt.NDArray[np.int64],
    tombstones_at: npt.NDArray[np.int64],
    noted: int,
) -> LedgerEntry:
    """What the gate did with a piece, from the positions of each kind in it."""
    return LedgerEntry(
        stream=stream.name,
        source=piece.source,
        first_offset=piece.base_offset,
        next_offset=piece.next_offset,
        accepted=len(accepted_at),
        rejected=len(rejected_at),
        tombstones=len(tombstones_at),
        accepted_checksum=offset_checksum(accepted_at + piece.base_offset),
        rejected_checksum=offset_checksum(rejected_at + piece.base_offset),
        tombstone_checksum=offset_checksum(tombstones_at + piece.base_offset),
        contract=stream.contract,
        noted=noted,
        observed=stream.enforcement is Enforcement.OBSERVE,
    )


def positions_of(rejected: Sequence[Rejected]) -> npt.NDArray[np.int64]:
    """Where the rejected records stand in the batch, ascending; makes no record of them."""
    if isinstance(rejected, Rejections):
        return np.asarray(rejected.positions, dtype=np.int64)
    return np.array([record.index for record in rejected], dtype=np.int64)


def _critical(rejected: Sequence[Rejected]) -> Failure | None:
    """The worst failure of the first record that pauses the stream."""
    if isinstance(rejected, Rejections) and not rejected.critical:
        return None
    return next((f for record in rejected if record.critical for f in _worst_first(record)), None)


def _worst_first(record: Rejected) -> list[Failure]:
    return sorted(record.failures, key=lambda failure: -failure.severity.rank)


def one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def _micros(at: datetime) -> int:
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

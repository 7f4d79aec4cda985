"""From a piece of a replay partition to the rows it becomes: the same gate, other consequences.

What passes goes to ``*.validated`` under its *original* coordinates. What does not is no new dead
letter: the old one gets an event with the new reasons. A repaired record is never a tombstone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.gate.verdict import Rejected, joined
from lakegate.runner.judge import (
    REPLAYED,
    Judged,
    JudgeGate,
    Piece,
    entry_of,
    one_chunk,
    positions_of,
    reasons_of,
    verdicts_on,
)
from lakegate.runner.lineage import Event, Lineage, Origin, lineages
from lakegate.topic.schema import REASONS, TRIAGE, validated_schema

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream

__all__ = ["judge_replay", "triage_rows"]

_MICROS = pa.timestamp("us", tz="UTC")
_NOWHERE = np.array([], dtype=np.int64)

Known = tuple[Origin, Lineage]


def judge_replay(gate: JudgeGate, piece: Piece, *, now: datetime) -> Judged:
    """Judge every repaired record of a piece; never raises for what a record holds.

    A row without lineage (an erased stub, or one that somebody else wrote) is counted as rejected
    and has no consequence: nobody knows which dead letter it is about.
    """
    known = lineages(piece.rows.column("headers"))
    values = piece.rows.column("value")
    if None in known:
        foreign = pa.array([lineage is None for lineage in known])
        values = pc.if_else(foreign, pa.scalar(None, values.type), values)
    # A null with a key would be a tombstone; the key of a change may be the only one it has.
    keys = pc.if_else(pc.is_valid(values), piece.rows.column("key"), pa.scalar(None, pa.binary()))
    verdicts, errors = verdicts_on(gate, values, keys)
    verdict = joined(verdicts) if len(verdicts) > 1 else verdicts[0][1]
    accepted_at = np.asarray(verdict.accepted_index, dtype=np.int64)
    rejected_at = positions_of(verdict.rejected)
    noted = len(verdict.noted)
    return Judged(
        validated=_validated(gate.schema, piece, verdict.accepted, accepted_at, known),
        deadletter=None,
        entry=entry_of(gate.stream, piece, accepted_at, rejected_at, _NOWHERE, noted),
        critical=None,  # somebody is already looking at this record: no reason to stop the stream
        gate_errors=tuple(errors),
        unknown_paths=verdict.unknown_paths,
        triage=_events(gate.stream, piece, known, accepted_at, verdict.rejected, now),
    )


def _validated(
    schema: pa.Schema,
    piece: Piece,
    accepted: pa.Table,
    at: npt.NDArray[np.int64],
    known: Sequence[Known | None],
) -> tuple[pa.RecordBatch, ...]:
    if not len(at):
        return ()
    origins = [lineage[0] for index in at.tolist() if (lineage := known[index]) is not None]
    rows = piece.rows.take(pa.array(at))
    columns = [
        *accepted.columns,
        rows.column("key"),
        rows.column("headers"),
        rows.column("timestamp"),
        pa.array([origin.topic for origin in origins], pa.string()),
        pa.array([origin.partition for origin in origins], pa.int32()),
        pa.array([origin.offset for origin in origins], pa.int64()),
        pa.array([origin.ingested_us for origin in origins], pa.int64()).cast(_MICROS),
    ]
    marked = validated_schema(schema)
    marked = marked.with_metadata({**(marked.metadata or {}), **REPLAYED})
    batch = pa.record_batch([one_chunk(column) for column in columns], schema=marked)
    return (batch,)


def _events(
    stream: Stream,
    piece: Piece,
    known: Sequence[Known | None],
    accepted_at: npt.NDArray[np.int64],
    rejected: Sequence[Rejected],
    now: datetime,
) -> pa.RecordBatch | None:
    reasons: dict[int, list[dict[str, str]] | None] = dict.fromkeys(accepted_at.tolist())
    reasons |= {record.index: reasons_of(record) for record in rejected}
    at = [index for index in sorted(reasons) if known[index] is not None]
    if not at:
        return None
    held = [lineage for index in at if (lineage := known[index]) is not None]
    return triage_rows(
        held,
        [Event.REPLAYED if reasons[index] is None else Event.FAILED for index in at],
        partition=piece.source.partition,
        contract_digest=stream.contract.digest,
        at=now,
        replay_offsets=[piece.base_offset + index for index in at],
        reasons=[reasons[index] for index in at],
    )


def triage_rows(
    known: Sequence[Known],
    events: Sequence[Event],
    *,
    partition: int,
    contract_digest: str | None,
    at: datetime,
    replay_offsets: Sequence[int] | None = None,
    reasons: Sequence[list[dict[str, str]] | None] | None = None,
) -> pa.RecordBatch:
    """Events of one partition as rows of :data:`~lakegate.topic.schema.TRIAGE`."""
    count = len(known)
    return pa.record_batch(
        [
            pa.repeat(pa.scalar(partition, pa.int32()), count),
            pa.array([origin.deadletter for origin, _ in known], pa.int64()),
            pa.array([origin.topic for origin, _ in known], pa.string()),
            pa.array([origin.partition for origin, _ in known], pa.int32()),
            pa.array([origin.offset for origin, _ in known], pa.int64()),
            pa.array([event.value for event in events], pa.string()),
            pa.nulls(count, pa.int64())
            if replay_offsets is None
            else pa.array(replay_offsets, pa.int64()),
            pa.array([_fixes(lineage) for _, lineage in known], pa.string()),
            pa.array([lineage.digest or None for _, lineage in known], pa.string()),
            pa.repeat(pa.scalar(contract_digest, pa.string()), count),
            pa.nulls(count, REASONS) if reasons is None else pa.array(reasons, REASONS),
            pa.array([lineage.who for _, lineage in known], pa.string()),
            pa.array([lineage.why for _, lineage in known], pa.string()),
            pa.repeat(pa.scalar(at, _MICROS), count),
        ],
        schema=TRIAGE,
    )


def _fixes(lineage: Lineage) -> str | None:
    return lineage.fixes_json if lineage.fixes else None

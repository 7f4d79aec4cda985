"""Quarantined rows as dead letters: the record as its producer sent it, and the rules it offends.

The original is read from its topic by source coordinates. Where retention took it, the value is
built again from the row, and the header ``lakegate.rebuilt`` says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from lakegate.audit.quarantine import Offenders
from lakegate.contract.stream import Stream
from lakegate.topic.base import TopicLog, TopicPartition
from lakegate.topic.schema import DEADLETTER, RECORD

__all__ = ["PREFIX", "REBUILT", "Letters", "letters", "originals", "reasons"]

PREFIX = "quarantine."  # what the rule code of such a reason begins with
REBUILT = "lakegate.rebuilt"

_CHUNK = 10_000

Reasons = Mapping[TopicPartition, Mapping[int, list[dict[str, str]]]]


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters for one partition of the dead letter topic; ``rebuilt`` of them from the row."""

    partition: int
    rows: pa.RecordBatch
    rebuilt: int


def reasons(found: Iterable[Offenders]) -> dict[TopicPartition, dict[int, list[dict[str, str]]]]:
    """What each row is taken off for, by its coordinates, in order of offsets."""
    by_row: dict[TopicPartition, dict[int, list[dict[str, str]]]] = {}
    for rule in found:
        for row in rule.waiting:
            source = TopicPartition(row.topic, row.partition)
            by_row.setdefault(source, {}).setdefault(row.offset, []).append(
                {
                    "path": rule.path,
                    "rule": PREFIX + rule.rule,
                    "expected": rule.expected,
                    "observed": row.observed,
                    "severity": rule.severity.value,
                }
            )
    return {
        source: {offset: rows[offset] for offset in sorted(rows)}
        for source, rows in sorted(by_row.items())
    }


def letters(
    log: TopicLog,
    stream: Stream,
    why: Reasons,
    landed: Iterable[pa.RecordBatch],
    *,
    now: datetime,
) -> Iterator[Letters]:
    """The dead letters of those rows, in chunks.

    ``landed`` gives the rows of the table, from which what retention took is built again; it is
    looked at only then.
    """
    missing: dict[TopicPartition, list[int]] = {}
    for source, rows in why.items():
        start = _start(log, source)
        gone = [offset for offset in rows if offset < start]
        if gone:
            missing[source] = gone
        for batch, offsets in originals(log, source, [n for n in rows if n >= start]):
            made = _rows(stream, source, batch, offsets, rows, now)
            yield Letters(source.partition, made, 0)
    if not missing:
        return
    for source, batch, offsets in _rebuilt(stream, landed, missing):
        made = _rows(stream, source, batch, offsets, why[source], now)
        yield Letters(source.partition, made, len(offsets))


def _start(log: TopicLog, source: TopicPartition) -> int:
    there = log.topics().get(source.topic, 0)
    return log.start_offset(source) if source.partition < there else 1 << 62


def originals(
    log: TopicLog, source: TopicPartition, offsets: Sequence[int]
) -> Iterator[tuple[pa.RecordBatch, list[int]]]:
    """The records at those offsets (sorted, all kept) in the columns of ``RECORD``, in chunks."""
    wanted = np.array(offsets, dtype=np.int64)
    while len(wanted):
        end = int(wanted[0])
        for batch in log.read(source, end, max_records=_CHUNK):
            end = batch.next_offset
            here = wanted[: np.searchsorted(wanted, end)]
            if len(here):
                rows = batch.rows.select(RECORD.names).take(pa.array(here - batch.base_offset))
                yield rows, here.tolist()
            wanted = wanted[len(here) :]
            if not len(wanted) or wanted[0] > end + _CHUNK:
                break


def _rows(
    stream: Stream,
    source: TopicPartition,
    records: pa.RecordBatch,
    offsets: Sequence[int],
    why: Mapping[int, list[dict[str, str]]],
    now: datetime,
) -> pa.RecordBatch:
    n = len(offsets)
    return pa.record_batch(
        [
            *records.columns,
            pa.repeat(source.topic, n),
            pa.repeat(pa.scalar(source.partition, pa.int32()), n),
            pa.array(offsets, pa.int64()),
            pa.repeat(stream.contract.id, n),
            pa.repeat(stream.contract.version, n),
            pa.repeat(stream.contract.digest, n),
            pa.repeat(pa.scalar(now, pa.timestamp("us", tz="UTC")), n),
            pa.array([why[offset] for offset in offsets], DEADLETTER.field("reasons").type),
        ],
        schema=DEADLETTER,
    )


def _rebuilt(
    stream: Stream,
    landed: Iterable[pa.RecordBatch],
    missing: Mapping[TopicPartition, Sequence[int]],
) -> Iterator[tuple[TopicPartition, pa.RecordBatch, list[int]]]:
    names = [field.name for field in stream.fields]
    wanted = {source: set(offsets) for source, offsets in missing.items()}
    for batch in landed:
        found: dict[TopicPartition, list[tuple[int, bytes, datetime]]] = {}
        coordinates = zip(
            batch.column("_topic").to_pylist(),
            batch.column("_source_partition").to_pylist(),
            batch.column("_offset").to_pylist(),
            strict=True,
        )
        for position, (topic, partition, offset) in enumerate(coordinates):
            source = TopicPartition(topic, partition)
            if offset not in wanted.get(source, ()):
                continue
            wanted[source].discard(offset)
            row = batch.slice(position, 1).to_pylist()[0]
            value = _value({name: row.get(name) for name in names}, row.get("_unknown_fields"))
            found.setdefault(source, []).append((offset, value, row["_ingested_at"]))
        for source, rows in found.items():
            yield source, _records(rows), [offset for offset, _, _ in rows]


def _value(row: Mapping[str, Any], unknown: str | None) -> bytes:
    """JSON of what the row holds; a field that is null is left out."""
    members = {name: _plain(value) for name, value in row.items() if value is not None}
    if unknown is not None:
        for path, value in msgspec.json.decode(unknown).items():
            if path.startswith("$.") and path[2:].isidentifier():
                members.setdefault(path[2:], value)
    return msgspec.json.encode(members)


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return msgspec.Raw(f"{value:f}".encode())
        case bytes():
            return base64.b64encode(value).decode()
        case datetime() | date() | time():
            return value
        case dict():
            return {name: _plain(item) for name, item in value.items() if item is not None}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _records(rows: Sequence[tuple[int, bytes, datetime]]) -> pa.RecordBatch:
    header = [{"key": REBUILT, "value": b"the original is gone from its topic"}]
    return pa.record_batch(
        [
            pa.nulls(len(rows), pa.binary()),
            pa.array([value for _, value, _ in rows], pa.binary()),
            pa.array([header] * len(rows), RECORD.field("headers").type),
            pa.array([int(at.timestamp() * 1000) for _, _, at in rows]).cast(
                RECORD.field("timestamp").type
            ),
        ],
        schema=RECORD,
    )

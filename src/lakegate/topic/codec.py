"""Records to Arrow rows and back, and Arrow rows to the bytes a segment holds.

A payload is one Arrow IPC stream (schema with its metadata, then one batch) whose buffers are
LZ4-compressed. So each batch may have a schema of its own, and reads back with exactly that one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakegate.topic.base import Record
from lakegate.topic.schema import HEADERS, RECORD

__all__ = ["PIECE_BYTES", "Payload", "decode", "encode", "payload", "record_batch", "records"]

# No stored batch decodes to more than this (unless one record does), so that a reader's memory is
# bounded however much a producer appends at once.
PIECE_BYTES = 16 << 20

_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)


@dataclass(frozen=True, slots=True)
class Payload:
    """A batch as stored: its rows, their bytes, and the CRC-32 of those."""

    rows: pa.RecordBatch
    data: memoryview
    crc: int

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.rows.num_rows)


def record_batch(records: Sequence[Record], *, now: datetime) -> pa.RecordBatch:
    """The records as rows of :data:`lakegate.topic.schema.RECORD`, in order.

    ``now`` (aware) is the timestamp of those that have none. No headers are stored as null.
    """
    now_ms = int(now.timestamp() * 1000)
    return pa.record_batch(
        [
            pa.array([record.key for record in records], pa.binary()),
            pa.array([record.value for record in records], pa.binary()),
            _headers(records),
            pa.array(
                [
                    now_ms if record.timestamp_ms is None else record.timestamp_ms
                    for record in records
                ],
                pa.timestamp("ms", tz="UTC"),
            ),
        ],
        schema=RECORD,
    )


def _headers(records: Sequence[Record]) -> Any:
    if not any(record.headers for record in records):
        return pa.nulls(len(records), HEADERS)
    return pa.array(
        [
            [{"key": name, "value": value} for name, value in record.headers] or None
            for record in records
        ],
        HEADERS,
    )


def records(rows: pa.RecordBatch) -> list[Record]:
    """The rows of a RECORD-shaped batch (or one that starts so, as dead letters do) as records."""
    return [
        Record(
            value=value,
            key=key,
            headers=tuple((pair["key"], pair["value"]) for pair in headers or ()),
            timestamp_ms=timestamp_ms,
        )
        for key, value, headers, timestamp_ms in zip(
            rows.column("key").to_pylist(),
            rows.column("value").to_pylist(),
            rows.column("headers").to_pylist(),
            rows.column("timestamp").cast(pa.int64()).to_pylist(),
            strict=True,
        )
    ]


def encode(rows: pa.RecordBatch) -> Iterator[Payload]:
    """The rows as one payload, or several if they are many; none for no rows."""
    return map(payload, _pieces(rows))


def payload(rows: pa.RecordBatch) -> Payload:
    """The rows as one payload, whatever their size."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_WRITE) as writer:
        writer.write_batch(rows)
    data = memoryview(sink.getvalue())
    return Payload(rows, data, zlib.crc32(data))


def _pieces(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    count = rows.num_rows
    if count == 0:
        return
    if count == 1 or rows.nbytes <= PIECE_BYTES:
        yield rows
        return
    yield from _pieces(rows.slice(0, count // 2))
    yield from _pieces(rows.slice(count // 2))


def decode(data: bytes) -> pa.RecordBatch:
    """The rows of a payload.

    Raises:
        pyarrow.ArrowInvalid: it is not one.
    """
    return pa.ipc.open_stream(pa.py_buffer(data), options=_READ).read_next_batch()

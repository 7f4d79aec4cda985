"""Payloads: what goes in comes out, in pieces of bounded size."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.topic.base import Record
from lakegate.topic.codec import PIECE_BYTES, decode, encode, payload, record_batch, records
from lakegate.topic.schema import RECORD

NOW = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
ANY = st.builds(
    Record,
    value=st.none() | st.binary(),
    key=st.none() | st.binary(),
    headers=st.lists(st.tuples(st.text(), st.none() | st.binary()), max_size=3).map(tuple),
    timestamp_ms=st.integers(-(2**40), 2**45),
)


@given(st.lists(ANY, max_size=20))
def test_records_come_back_as_given(given_records: list[Record]) -> None:
    batch = record_batch(given_records, now=NOW)
    assert batch.schema == RECORD
    assert records(batch) == given_records
    stored = [decode(bytes(piece.data)) for piece in encode(batch)]
    assert [record for piece in stored for record in records(piece)] == given_records


def test_no_headers_are_null() -> None:
    batch = record_batch([Record(b""), Record(b"", headers=(("a", None),))], now=NOW)
    assert batch.column("headers").null_count == 1


def test_now_is_rounded_down_to_milliseconds() -> None:
    (record,) = records(record_batch([Record(b"")], now=NOW))
    assert record.timestamp_ms == 1767225600999


def test_nothing_encodes_to_nothing() -> None:
    assert list(encode(record_batch([], now=NOW))) == []


def test_pieces_are_bounded_unless_one_record_is_larger() -> None:
    sizes = [PIECE_BYTES + 1, 10, PIECE_BYTES // 2, PIECE_BYTES // 2, 10]
    batch = record_batch([Record(bytes(size)) for size in sizes], now=NOW)
    pieces = list(encode(batch))
    assert sum(piece.count for piece in pieces) == len(sizes)
    for piece in pieces:
        rows = decode(bytes(piece.data))
        assert rows.num_rows == piece.count
        assert rows.num_rows == 1 or rows.nbytes <= PIECE_BYTES


def test_the_crc_is_of_the_bytes() -> None:
    piece = payload(pa.record_batch({"a": [1, 2]}))
    assert (piece.count, piece.crc) == (2, zlib.crc32(bytes(piece.data)))


def test_other_bytes_are_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        decode(b"nothing of the kind")

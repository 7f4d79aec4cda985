"""What a piece of a raw partition becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.runner.judge import TOMBSTONES, join, judge
from lakegate.topic.base import Batch, Record, TopicPartition
from lakegate.topic.checksum import offset_checksum
from lakegate.topic.codec import record_batch
from lakegate.topic.schema import DEADLETTER, RECORD

from .fake_gate import CONTRACT, NumberGate, number_stream

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOURCE = TopicPartition("numbers.raw", 3)


def batch(*records: Record, base: int = 100, at: datetime = NOW) -> Batch:
    return Batch(SOURCE, base, at, record_batch(records, now=at))


def judged(*records: Record, base: int = 100):
    return judge(NumberGate(number_stream()), join([batch(*records, base=base)]), now=NOW)


def test_accepted_rows_keep_their_key_headers_time_and_coordinates() -> None:
    headers = (("trace", b"\x00\xff"), ("trace", None))
    result = judged(Record(b"x"), Record(b"7", b"k", headers, 1_000))
    (rows,) = result.validated
    assert rows.to_pylist() == [
        {
            "n": 7,
            "_key": b"k",
            "_headers": [{"key": "trace", "value": b"\x00\xff"}, {"key": "trace", "value": None}],
            "_timestamp": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
            "_topic": "numbers.raw",
            "_source_partition": 3,
            "_offset": 101,
            "_ingested_at": NOW,
        }
    ]
    assert rows.schema.metadata[b"lakegate.contract.digest"] == CONTRACT.digest.encode()


def test_a_dead_letter_is_the_record_byte_for_byte_with_every_reason() -> None:
    raw = Record(b"\xff\x00 no number", b"k", (("h", b"v"),), 5)
    result = judged(Record(b"1"), raw)
    assert result.deadletter is not None
    assert result.deadletter.schema.equals(DEADLETTER)
    (row,) = result.deadletter.to_pylist()
    (original,) = batch(raw).rows.to_pylist()
    assert {name: row[name] for name in RECORD.names} == original
    assert (row["source_topic"], row["source_partition"], row["source_offset"]) == (
        "numbers.raw",
        3,
        101,
    )
    assert row["contract_digest"] == CONTRACT.digest
    assert row["reasons"] == [
        {
            "path": "$",
            "rule": "type",
            "expected": "`integer`",
            "observed": "`text`",
            "severity": "error",
        }
    ]


def test_tombstones_stay_where_they_stood() -> None:
    result = judged(
        Record(b"1", b"a"), Record(None, b"a"), Record(None, b"b"), Record(b"2", b"a"), base=0
    )
    kinds = [(rows.schema.metadata == TOMBSTONES, rows.num_rows) for rows in result.validated]
    assert kinds == [(False, 1), (True, 2), (False, 1)]
    offsets = [row["_offset"] for rows in result.validated for row in rows.to_pylist()]
    assert offsets == [0, 1, 2, 3]
    assert result.entry.tombstones == 2


def test_the_entry_counts_and_sums_what_the_outputs_hold() -> None:
    result = judged(Record(b"1"), Record(b"x"), Record(None, b"k"), Record(b"2"))
    entry = result.entry
    assert (entry.first_offset, entry.next_offset) == (100, 104)
    assert (entry.accepted, entry.rejected, entry.tombstones) == (2, 1, 1)
    assert entry.accepted_checksum == offset_checksum(np.array([100, 103]))
    assert entry.rejected_checksum == offset_checksum(np.array([101]))
    assert entry.tombstone_checksum == offset_checksum(np.array([102]))


def test_a_record_that_breaks_the_gate_is_isolated() -> None:
    records = [Record(str(n).encode()) for n in range(20)]
    records[13] = Record(b"bug", b"k")
    result = judged(*records)
    assert result.entry.accepted == 19
    assert result.deadletter is not None
    (row,) = result.deadletter.to_pylist()
    assert (row["source_offset"], row["value"]) == (113, b"bug")
    assert row["reasons"][0]["rule"] == "gate.error"
    assert "a bug of ours" not in str(row["reasons"]), "an exception's text may hold data"
    assert [type(error) for error in result.gate_errors] == [ZeroDivisionError]


def test_a_critical_failure_is_told() -> None:
    assert judged(Record(b"x")).critical is None
    critical = judged(Record(b"x"), Record(b"!")).critical
    assert critical is not None
    assert critical.rule == "type"


def test_batches_join_with_their_own_times() -> None:
    later = NOW + timedelta(seconds=5)
    first = batch(Record(b"1"), Record(b"2"), base=0)
    second = batch(Record(b"3"), base=2, at=later)
    piece = join([first, second])
    result = judge(NumberGate(number_stream()), piece, now=NOW)
    (rows,) = result.validated
    assert rows.column("_ingested_at").to_pylist() == [NOW, NOW, later]


@given(st.lists(st.sampled_from([b"1", b"22", b"x", b"", None, b"bug", b"!"]), max_size=40))
def test_every_offset_has_exactly_one_outcome(values: list[bytes | None]) -> None:
    if not values:
        return
    records = [Record(value, b"k" if index % 2 else None) for index, value in enumerate(values)]
    result = judged(*records, base=7)
    seen = [row["_offset"] for rows in result.validated for row in rows.to_pylist()]
    assert seen == sorted(seen)
    if result.deadletter is not None:
        seen += result.deadletter.column("source_offset").to_pylist()
    assert sorted(seen) == list(range(7, 7 + len(values)))


@pytest.mark.parametrize("rows", [1, 3])
def test_nothing_accepted_writes_nothing_validated(rows: int) -> None:
    result = judged(*[Record(b"x")] * rows)
    assert result.validated == ()
    assert isinstance(result.deadletter, pa.RecordBatch)

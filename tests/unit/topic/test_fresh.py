"""Batches handed on in memory: the very rows, once, bounded, never instead of the disk's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.errors import DamagedLog, Fenced
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.fresh import Fresh

TP = TopicPartition("orders.validated", 0)
OTHER = TopicPartition("orders.deadletter", 0)


def batch(*values: int) -> pa.RecordBatch:
    return pa.record_batch({"a": pa.array(values, pa.int64())})


@pytest.fixture
def fresh() -> Fresh:
    return Fresh()


@pytest.fixture
def logs(tmp_path: Path, fresh: Fresh):
    """A writer's log and a reader's, of one directory."""
    writer, reader = EmbeddedLog(tmp_path, fresh=fresh), EmbeddedLog(tmp_path, fresh=fresh)
    writer.create(TP.topic)
    writer.create(OTHER.topic)
    yield writer, reader
    reader.close()
    writer.close()


def spoil(folder: Path, topic: str) -> None:
    """Change a byte in every segment of the topic."""
    for file in (folder / "segments" / topic).glob("*.seg"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)


def rows(log: EmbeddedLog, source: TopicPartition, offset: int = 0) -> list[int]:
    return [value for each in log.read(source, offset) for value in each.rows["a"].to_pylist()]


def test_a_follower_reads_what_was_committed_without_the_disk(logs, fresh, tmp_path) -> None:
    writer, reader = logs
    with fresh.following(TP.topic):
        first = batch(1, 2)
        writer.append(TP, first)
        prepared = writer.prepare([(TP, batch(3)), (OTHER, batch(9))])
        with writer.transaction() as transaction:
            transaction.publish(prepared)
        assert fresh.held_bytes == 24  # and nothing of the topic that nobody follows
        spoil(tmp_path, TP.topic)
        (read, later) = reader.read(TP, 0)
        assert read.rows.equals(first, check_metadata=True)
        assert (later.base_offset, later.rows["a"].to_pylist()) == (2, [3])
        assert fresh.held_bytes == 0
        with pytest.raises(DamagedLog):  # given once: the second reading is of the disk
            list(reader.read(TP, 0))


def test_what_is_not_committed_is_not_held(logs, fresh) -> None:
    writer, _ = logs
    with fresh.following(TP.topic):
        writer.prepare([(TP, batch(1))]).discard()
        writer.claim("gate", TP)
        with pytest.raises(Fenced):
            append_and_advance(writer)
        assert fresh.held_bytes == 0


def append_and_advance(log: EmbeddedLog) -> None:
    with log.transaction() as transaction:
        transaction.append(TP, batch(2))
        transaction.advance("gate", TP, expected=7, to=8)


def test_the_middle_of_a_batch_and_then_the_next(logs, fresh, tmp_path) -> None:
    writer, reader = logs
    with fresh.following(TP.topic):
        for number in range(3):
            writer.append(TP, batch(number, -number))
        spoil(tmp_path, TP.topic)
        assert rows(reader, TP, 3) == [-1, 2, -2]  # what lay before is not held for ever
        assert fresh.held_bytes == 0


def test_no_more_than_the_limit(tmp_path) -> None:
    fresh = Fresh(limit_bytes=20)
    log = EmbeddedLog(tmp_path, fresh=fresh)
    log.create(TP.topic)
    with fresh.following(TP.topic):
        for number in range(4):
            log.append(TP, batch(number))
            assert fresh.held_bytes <= 20
        assert rows(log, TP) == [0, 1, 2, 3]  # some from memory, the rest from disk
        assert fresh.held_bytes == 0
        log.append(TP, batch(4))
        assert fresh.held_bytes == 8
    assert fresh.held_bytes == 0
    log.append(TP, batch(5))
    assert fresh.held_bytes == 0
    assert rows(log, TP, 4) == [4, 5]
    log.close()


def test_an_erased_record_is_not_read_from_memory(tmp_path, fresh) -> None:
    from lakegate.topic.base import Record

    log = EmbeddedLog(tmp_path, fresh=fresh)
    log.create("orders.raw")
    source = TopicPartition("orders.raw", 0)
    with fresh.following("orders.raw"):
        log.send("orders.raw", [Record(value=b"keep"), Record(value=b"secret")])
        assert log.erase(source, [1]) == 1
        (read,) = log.read(source, 0)
        assert read.rows["value"].to_pylist() == [b"keep", None]
    log.close()


def test_verifying_looks_at_the_disk(logs, fresh, tmp_path) -> None:
    writer, reader = logs
    with fresh.following(TP.topic):
        writer.append(TP, batch(1, 2))
        spoil(tmp_path, TP.topic)
        assert len(list(reader.verify(TP))) == 1

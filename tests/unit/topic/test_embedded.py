"""What is the embedded log's own, beyond what every log promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lakegate.contract.stream import ContractRef
from lakegate.errors import DamagedLog, TopicError
from lakegate.topic import index as index_module
from lakegate.topic import retention
from lakegate.topic.base import LedgerEntry, ProducerStamp, Record, Retention, TopicPartition
from lakegate.topic.codec import record_batch
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.segment import SegmentWriter

RAW = TopicPartition("raw", 0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int):
    return record_batch([Record(b"x") for _ in range(count)], now=NOW)


@pytest.fixture
def log(tmp_path: Path):
    found = EmbeddedLog(tmp_path / "log", segment_bytes=2_000, clock=lambda: NOW)
    found.create("raw")
    yield found
    found.close()


def files(log: EmbeddedLog) -> list[Path]:
    return sorted(log._index.root.glob("segments/*/*.seg"))


def test_a_full_segment_is_followed_by_another(log):
    for _ in range(20):
        log.append(RAW, rows(1))
    assert len(files(log)) > 5
    assert all(file.stat().st_size <= 2_000 for file in files(log))


def test_processes_that_append_once_share_a_segment(tmp_path):
    for _ in range(5):
        log = EmbeddedLog(tmp_path)
        log.create("raw")
        log.append(RAW, rows(1))
        log.close()
    assert len(list(tmp_path.glob("segments/*/*.seg"))) == 1
    log = EmbeddedLog(tmp_path)
    assert log.end_offset(RAW) == 5
    assert list(log.verify(RAW)) == []
    log.close()


def test_a_segment_that_retention_removed_meanwhile_is_not_adopted(tmp_path, monkeypatch):
    first = EmbeddedLog(tmp_path)
    first.create("raw")
    first.append(RAW, rows(1))
    first.close()
    log = EmbeddedLog(tmp_path)
    adopt = SegmentWriter.adopt

    def late(path: Path, segment: int) -> SegmentWriter | None:
        writer = adopt(path, segment)
        with log._index.immediate():
            log._index.execute("DELETE FROM segment")
        return writer

    monkeypatch.setattr(SegmentWriter, "adopt", late)
    assert log.append(RAW, rows(1)) == 1
    assert len(files(log)) == 2
    assert [batch.base_offset for batch in log.read(RAW, 1)] == [1]
    log.close()


def test_a_closed_log_says_so(tmp_path):
    log = EmbeddedLog(tmp_path)
    log.close()
    log.close()
    with pytest.raises(TopicError, match="was closed"):
        log.topics()


def test_one_write_per_topic_and_commit(log):
    log.create("wide", partitions=8)
    log.send("wide", [Record(b"", key=b"%d" % n) for n in range(100)])
    assert len([file for file in files(log) if file.parent.name == "wide"]) == 1


def test_retention_works_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "_CHUNK", 3)
    log = EmbeddedLog(tmp_path, clock=lambda: NOW)
    log.create("raw", retention=Retention(size_bytes=1_500))
    for _ in range(11):
        log.append(RAW, rows(1))
    (start,) = log.retain().values()
    kept = log._index.all("SELECT size FROM batch")
    assert 11 - start == len(kept)
    assert sum(size for (size,) in kept) <= 1_500 < sum(size for (size,) in kept) + kept[0][0]
    log.close()


def test_retention_by_age_in_chunks_reaches_the_same_offset(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "_CHUNK", 3)
    moment = [NOW]
    log = EmbeddedLog(tmp_path, clock=lambda: moment[0])
    log.create("raw", retention=Retention(age=timedelta(seconds=5)))
    for _ in range(11):
        log.append(RAW, rows(1))
        moment[0] += timedelta(seconds=1)
    assert log.retain() == {RAW: 6}
    log.close()


def test_a_lone_producer_needs_one_row_of_memory(log):
    for n in range(50):
        log.append(RAW, rows(2), stamp=ProducerStamp("p", 2 * n))
    assert log._index.all("SELECT sequence, base, count FROM produced") == [(0, 0, 100)]


def test_a_reader_overtaken_by_retention_is_told_so(tmp_path):
    moment = [NOW]
    log = EmbeddedLog(tmp_path, segment_bytes=1, clock=lambda: moment[0])
    log.create("raw", retention=Retention(age=timedelta(0)))
    for _ in range(200):
        log.append(RAW, rows(1))
    reading = log.read(RAW, 0)
    next(reading)
    moment[0] += timedelta(1)
    assert log.retain() == {RAW: 200}
    with pytest.raises(TopicError, match="retention took") as caught:
        list(reading)
    assert not isinstance(caught.value, DamagedLog)
    log.close()


def test_a_reader_overtaken_by_erasure_reads_the_stub(log):
    for _ in range(3):
        log.append(RAW, rows(2))
    reading = log.read(RAW, 0)
    next(reading)
    assert log.erase(RAW, [2, 5]) == 2
    assert [batch.rows.column("value").to_pylist() for batch in reading] == [
        [None, b"x"],
        [b"x", None],
    ]


def test_a_removed_segment_is_never_committed_into(tmp_path):
    log = EmbeddedLog(tmp_path)
    log.create("raw")
    log.append(RAW, rows(1))
    with log._index.immediate():
        log._index.execute("DELETE FROM batch")
        log._index.execute("DELETE FROM segment")
    with pytest.raises(TopicError, match="was removed while this process writes it"):
        log.append(RAW, rows(1))
    assert log.append(RAW, rows(1)) == 1
    log.close()


def test_times_are_exact_to_the_microsecond():
    moment = datetime(2026, 11, 23, 7, 8, 9, 123_457, tzinfo=timezone(timedelta(hours=5)))
    assert index_module.from_us(index_module.to_us(moment)) == moment


def test_a_segment_whose_first_commit_failed_is_named_by_the_next(log):
    for topic in ("a", "b"):
        log.create(topic)
    with pytest.raises(TopicError, match="cannot move"), log.transaction() as transaction:  # noqa: PT012
        transaction.append(TopicPartition("a", 0), rows(1))
        transaction.advance("g", RAW, expected=0, to=9)
    with pytest.raises(TopicError, match="counts 0 records"), log.transaction() as transaction:  # noqa: PT012
        transaction.append(TopicPartition("a", 0), rows(1))
        transaction.account(LedgerEntry("s", RAW, 0, 1, 0, 0, 0, 0, 0, 0, ContractRef("", "", "")))
    for topic in ("b", "a", "b", "a"):
        log.append(TopicPartition(topic, 0), rows(1))
    for topic in ("a", "b"):
        assert log.end_offset(TopicPartition(topic, 0)) == 2
        assert list(log.verify(TopicPartition(topic, 0))) == []


def test_a_group_is_known_from_the_creation_of_a_topic_on(log: EmbeddedLog) -> None:
    log.create("validated", partitions=2, groups=("proof",))
    places = [TopicPartition("validated", number) for number in range(2)]
    assert [log.committed("proof", place) for place in places] == [0, 0]
    log.create("validated", partitions=2, groups=("another",))
    assert log.committed("another", places[0]) is None, "it is there: nothing happens"

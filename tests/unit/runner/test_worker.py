"""The embedded worker against the real log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakegate.contract.stream import ContractRef, Enforcement, Stream
from lakegate.errors import LogFull
from lakegate.runner.base import GATE_GROUP
from lakegate.runner.embedded import Worker
from lakegate.runner.lease import FileLease
from lakegate.runner.pause import FileBrake
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.embedded import EmbeddedLog

from .fake_gate import NumberGate, number_stream


class Source:
    """A stream source a test can change."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def current(self) -> Stream:
        return self.stream


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log")
    for kind in ("raw", "validated", "deadletter"):
        log.create(f"numbers.{kind}", partitions=2)
    yield log
    log.close()


def worker(
    log: EmbeddedLog, tmp_path: Path, source: Source | None = None, batch_records: int = 10_000
) -> Worker:
    return Worker(
        log,
        source or Source(number_stream()),
        NumberGate,
        lease=FileLease(tmp_path / "numbers.gate"),
        brake=FileBrake(tmp_path / "paused"),
        batch_records=batch_records,
    )


def rows(log: EmbeddedLog, topic: str) -> list[dict[str, object]]:
    return [
        row
        for partition in range(log.topics()[topic])
        for batch in log.read(TopicPartition(topic, partition), 0, max_records=1_000_000)
        for row in batch.rows.to_pylist()
    ]


def send(log: EmbeddedLog, *values: bytes | None) -> None:
    log.send("numbers.raw", [Record(value, str(i).encode()) for i, value in enumerate(values)])


def test_every_record_ends_in_exactly_one_topic(log: EmbeddedLog, tmp_path: Path) -> None:
    values = [str(n).encode() if n % 5 else b"bad %d" % n for n in range(200)]
    send(log, *values)
    progress = worker(log, tmp_path, batch_records=7).run(until_idle=True)
    assert (progress.accepted, progress.rejected) == (160, 40)
    assert sorted(row["n"] for row in rows(log, "numbers.validated")) == [
        n for n in range(200) if n % 5
    ]
    assert {row["value"] for row in rows(log, "numbers.deadletter")} == {
        b"bad %d" % n for n in range(0, 200, 5)
    }
    entries = list(log.ledger("numbers"))
    assert sum(entry.accepted + entry.rejected for entry in entries) == 200


def test_a_second_run_finds_nothing_to_do(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, b"1", b"2")
    worker(log, tmp_path).run(until_idle=True)
    assert worker(log, tmp_path).run(until_idle=True).records == 0
    assert len(rows(log, "numbers.validated")) == 2


def test_a_fenced_round_is_read_again_not_doubled(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, b"1")
    late = worker(log, tmp_path)
    source = Source(number_stream())

    class Interrupting(NumberGate):
        """Before its first answer, somebody else finishes the whole stream."""

        done = False

        def __call__(self, values, *, keys):  # type: ignore[no-untyped-def]
            if not Interrupting.done:
                Interrupting.done = True
                other = EmbeddedLog(tmp_path / "log")
                Worker(
                    other,
                    source,
                    NumberGate,
                    lease=FileLease(tmp_path / "another lease"),
                    brake=FileBrake(tmp_path / "paused"),
                ).run(until_idle=True)
                other.close()
            return super().__call__(values, keys=keys)

    late._compile = Interrupting
    progress = late.run(until_idle=True)
    assert progress.fenced == 1
    assert progress.records == 0
    assert len(rows(log, "numbers.validated")) == 1


def test_a_critical_failure_is_committed_then_pauses(log: EmbeddedLog, tmp_path: Path) -> None:
    log.append(TopicPartition("numbers.raw", 0), _records(b"1", b"!", b"2"))
    worker(log, tmp_path, batch_records=2).run(until_idle=True)
    assert [row["value"] for row in rows(log, "numbers.deadletter")] == [b"!"]
    assert [row["n"] for row in rows(log, "numbers.validated")] == [1], "stops behind the record"
    brake = FileBrake(tmp_path / "paused")
    pause = brake.paused("numbers")
    assert pause is not None
    assert pause.next_offset == 2
    assert brake.resume("numbers", reason="looked at it", at=datetime.now(UTC))
    assert "looked at it" in (tmp_path / "paused" / "resumed.ndjson").read_text()
    assert not brake.resume("numbers", reason="again", at=datetime.now(UTC))
    worker(log, tmp_path).run(until_idle=True)
    assert [row["n"] for row in rows(log, "numbers.validated")] == [1, 2]


def test_a_pause_written_just_before_a_crash_does_not_lose_the_record(
    log: EmbeddedLog, tmp_path: Path
) -> None:
    log.append(TopicPartition("numbers.raw", 0), _records(b"1", b"!", b"2"))
    first = worker(log, tmp_path, batch_records=2)
    transaction = log.transaction
    log.transaction = _raise_full  # type: ignore[method-assign]
    with pytest.raises(LogFull):
        first.run(until_idle=True)
    log.transaction = transaction  # type: ignore[method-assign]
    assert FileBrake(tmp_path / "paused").paused("numbers") is not None
    worker(log, tmp_path, batch_records=2).run(until_idle=True)
    assert [row["value"] for row in rows(log, "numbers.deadletter")] == [b"!"]


def test_a_new_contract_takes_effect_at_a_recorded_offset(log: EmbeddedLog, tmp_path: Path) -> None:
    source = Source(number_stream())
    send(log, b"1", b"2", b"3")
    worker(log, tmp_path, source).run(until_idle=True)
    fresh = ContractRef("numbers", "1.1.0", "e" * 64)
    source.stream = number_stream(contract=fresh)
    send(log, b"4", b"5", b"6")
    worker(log, tmp_path, source).run(until_idle=True)
    starts = {
        (entry.source.partition, entry.contract.version): entry.first_offset
        for entry in log.ledger("numbers")
    }
    for (partition, version), offset in starts.items():
        assert (offset == 0) == (version == "1.0.0"), (partition, version, offset)
    assert {version for _, version in starts} == {"1.0.0", "1.1.0"}


def test_observing_judges_and_writes_nothing(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, b"1", b"x")
    source = Source(number_stream(enforcement=Enforcement.OBSERVE))
    progress = worker(log, tmp_path, source).run(until_idle=True)
    assert (progress.accepted, progress.rejected) == (1, 1)
    assert rows(log, "numbers.validated") == rows(log, "numbers.deadletter") == []


def test_stopping_finishes_the_round_in_hand(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, *[b"1"] * 100)
    hired = worker(log, tmp_path, batch_records=10)
    progress = hired.run(stopped=lambda: hired.progress.records >= 25)
    assert 25 <= progress.records <= 40
    committed = sum(
        log.committed(GATE_GROUP, TopicPartition("numbers.raw", p)) or 0 for p in range(2)
    )
    assert committed == progress.records == len(rows(log, "numbers.validated"))


def test_a_second_worker_waits_until_the_first_is_gone(tmp_path: Path) -> None:
    first = FileLease(tmp_path / "lease")
    assert first.acquire(stopped=lambda: False)
    second = FileLease(tmp_path / "lease")
    assert not second.acquire(stopped=lambda: False, timeout_s=0.05)
    assert second.holder() is not None
    waiting = threading.Thread(target=lambda: second.acquire(stopped=lambda: False, timeout_s=30))
    waiting.start()
    first.release()
    waiting.join(30)
    assert not FileLease(tmp_path / "lease").acquire(stopped=lambda: True)
    second.release()
    assert second.holder() is None


def test_a_full_log_is_told_and_nothing_is_lost(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, b"1")
    hired = worker(log, tmp_path)
    transaction = log.transaction
    log.transaction = _raise_full  # type: ignore[method-assign]
    with pytest.raises(LogFull):
        hired.run(until_idle=True)
    log.transaction = transaction  # type: ignore[method-assign]
    assert hired.run(until_idle=True).records == 1


def _raise_full() -> object:
    raise LogFull("no room")


def _records(*values: bytes):  # type: ignore[no-untyped-def]
    from lakegate.topic.codec import record_batch

    return record_batch([Record(value) for value in values], now=datetime.now(UTC))

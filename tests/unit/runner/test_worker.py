"""The embedded worker against the real log."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakegate.contract.stream import ContractRef, Enforcement, Stream
from lakegate.errors import LogFull
from lakegate.runner import embedded
from lakegate.runner.base import GATE_GROUP, Pause
from lakegate.runner.embedded import AHEAD, Worker
from lakegate.runner.lease import FileLease
from lakegate.runner.pause import FileBrake
from lakegate.runner.share import FileShare
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
        share=FileShare(tmp_path / "locks", "numbers"),
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
                    share=FileShare(tmp_path / "other locks", "numbers"),
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
    assert 25 <= progress.records <= 60, "and those that were judged already"
    committed = sum(
        log.committed(GATE_GROUP, TopicPartition("numbers.raw", p)) or 0 for p in range(2)
    )
    assert committed == progress.records == len(rows(log, "numbers.validated"))


class Judging(NumberGate):
    """Tells a test what it is about to judge."""

    def __init__(self, stream: Stream, tell: Callable[[list[bytes | None]], None]) -> None:
        super().__init__(stream)
        self._tell = tell

    def __call__(self, values, *, keys):  # type: ignore[no-untyped-def]
        self._tell(values.to_pylist())
        return super().__call__(values, keys=keys)


def test_a_worker_whose_lease_was_taken_over_cannot_commit(
    log: EmbeddedLog, tmp_path: Path
) -> None:
    """Nobody else committed: its offset is still right, and yet it is refused."""
    send(log, b"1")
    source = TopicPartition(
        "numbers.raw", 0 if log.end_offset(TopicPartition("numbers.raw", 0)) else 1
    )
    late = worker(log, tmp_path)
    seen: list[list[bytes | None]] = []

    def take_over(values: list[bytes | None]) -> None:
        seen.append(values)
        if len(seen) == 1:
            other = EmbeddedLog(tmp_path / "log")
            other.claim(GATE_GROUP, source)
            other.close()

    late._compile = lambda stream: Judging(stream, take_over)
    progress = late.run(until_idle=True)
    assert progress.fenced == 1
    assert seen == [[b"1"], [b"1"]], "judged once more under a lease of its own"
    assert len(rows(log, "numbers.validated")) == progress.records == 1


class AtOnce(ThreadPoolExecutor):
    """Does what it is given before it says so: every round is on disk when it is looked at."""

    def submit(self, work, /, *given):  # type: ignore[no-untyped-def, override]
        done: Future[object] = Future()
        done.set_result(work(*given))
        return done


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, AtOnce])
def test_nothing_judged_behind_a_critical_failure_is_committed(
    log: EmbeddedLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pool: type[ThreadPoolExecutor],
) -> None:
    monkeypatch.setattr(embedded, "ThreadPoolExecutor", pool)
    log.append(TopicPartition("numbers.raw", 0), _records(b"1", b"!", b"2", b"3", b"4"))
    hired = worker(log, tmp_path, batch_records=1)
    assert hired.run(until_idle=True).records == 2
    assert [row["n"] for row in rows(log, "numbers.validated")] == [1]
    assert log.committed(GATE_GROUP, TopicPartition("numbers.raw", 0)) == 2


def test_a_worker_judges_only_so_far_ahead(log: EmbeddedLog, tmp_path: Path) -> None:
    """What it holds in memory is bounded by rounds, however far behind the stream is."""
    log.append(TopicPartition("numbers.raw", 0), _records(*[b"%d" % n for n in range(60)]))
    judged: list[int] = []
    ahead: list[int] = []
    hired = worker(log, tmp_path, batch_records=2)

    def look(values: list[bytes | None]) -> None:
        judged.append(len(values))
        ahead.append(sum(judged) - hired.progress.records)

    hired._compile = lambda stream: Judging(stream, look)
    assert hired.run(until_idle=True).records == 60
    assert max(ahead) <= 2 * (AHEAD + 1)


def test_a_disk_that_fails_in_the_background_is_told(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(log, b"1", b"2", b"3")
    hired = worker(log, tmp_path, batch_records=1)
    monkeypatch.setattr(log, "prepare", _raise_full)
    with pytest.raises(LogFull):
        hired.run(until_idle=True)
    monkeypatch.undo()
    assert hired.run(until_idle=True).records == 3


@pytest.mark.parametrize("count", [2, 3])
def test_workers_share_a_stream_and_keep_its_order(tmp_path: Path, count: int) -> None:
    opened = EmbeddedLog(tmp_path / "log")
    for kind in ("raw", "validated", "deadletter"):
        opened.create(f"numbers.{kind}", partitions=4)
    for partition in range(4):
        for first in range(0, 100, 10):
            values = [b"%d" % n for n in range(first, first + 10)]
            opened.append(TopicPartition("numbers.raw", partition), _records(*values))
    hired: list[Worker] = []

    def work() -> None:
        own = EmbeddedLog(tmp_path / "log")
        hired.append(worker(own, tmp_path, batch_records=3))
        hired[-1].run(until_idle=True)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert sum(each.progress.records for each in hired) == 400
    for partition in range(4):
        found = opened.read(TopicPartition("numbers.validated", partition), 0, max_records=1_000)
        assert [n for b in found for n in b.rows.column("n").to_pylist()] == list(range(100))
    opened.close()


def test_a_pause_by_one_worker_stops_the_others(log: EmbeddedLog, tmp_path: Path) -> None:
    log.append(TopicPartition("numbers.raw", 0), _records(b"!"))
    log.append(TopicPartition("numbers.raw", 1), _records(*[b"1"] * 50))
    first, second = FileShare(tmp_path / "locks", "numbers"), worker(log, tmp_path, batch_records=1)
    assert first.wanted(2) == {0, 1}
    assert first.take(0)
    done = second.run(stopped=lambda: second.progress.records >= 3)
    assert done.records < 10, "half of the stream is its own"
    other = EmbeddedLog(tmp_path / "log")
    first.release()
    only = worker(other, tmp_path)
    only._share = _Only(0)
    only.run(until_idle=True)
    other.close()
    assert FileBrake(tmp_path / "paused").paused("numbers") is not None
    before = second.progress.records
    assert second.run(until_idle=True).records == before


def test_the_first_pause_of_a_stream_stays(tmp_path: Path) -> None:
    """Two workers may come upon a critical failure at once."""
    brake, raw = FileBrake(tmp_path / "paused"), "numbers.raw"
    at = datetime.now(UTC)
    for partition in range(2):
        brake.pause("numbers", Pause(TopicPartition(raw, partition), 1, f"from {partition}", at))
    pause = brake.paused("numbers")
    assert pause is not None
    assert pause.reason == "from 0"
    assert [path.name for path in (tmp_path / "paused").iterdir()] == ["numbers.json"]


class _Only:
    """A share of one partition, whatever the others do."""

    def __init__(self, partition: int) -> None:
        self._partition = partition

    def wanted(self, partitions: int) -> frozenset[int]:
        return frozenset({self._partition})

    def take(self, partition: int) -> bool:
        return partition == self._partition

    def leave(self, partition: int) -> None:
        """It stays."""

    def release(self) -> None:
        """It stays."""


def test_a_second_worker_waits_until_the_first_is_gone(tmp_path: Path) -> None:
    first = FileLease(tmp_path / "lease")
    assert first.acquire(stopped=lambda: False)
    second = FileLease(tmp_path / "lease")
    assert not second.acquire(stopped=lambda: False, timeout_s=0.05)
    assert second.holder() is not None
    waiting = threading.Thread(target=lambda: second.acquire(stopped=lambda: False, timeout_s=120))
    waiting.start()
    first.release()
    waiting.join(120)
    assert not FileLease(tmp_path / "lease").acquire(stopped=lambda: True)
    second.release()
    assert second.holder() is None


def test_one_who_looks_is_no_holder_to_another_who_looks(tmp_path: Path) -> None:
    lease = FileLease(tmp_path / "lease")
    assert lease.acquire(stopped=lambda: False)
    assert FileLease(tmp_path / "lease").holder() == os.getpid()
    lease.release()
    with (tmp_path / "lease").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        assert lease.holder() is None


def test_a_full_log_is_told_and_nothing_is_lost(log: EmbeddedLog, tmp_path: Path) -> None:
    send(log, b"1")
    hired = worker(log, tmp_path)
    transaction = log.transaction
    log.transaction = _raise_full  # type: ignore[method-assign]
    with pytest.raises(LogFull):
        hired.run(until_idle=True)
    log.transaction = transaction  # type: ignore[method-assign]
    assert hired.run(until_idle=True).records == 1


def _raise_full(*_: object) -> object:
    raise LogFull("no room")


def _records(*values: bytes):  # type: ignore[no-untyped-def]
    from lakegate.topic.codec import record_batch

    return record_batch([Record(value) for value in values], now=datetime.now(UTC))

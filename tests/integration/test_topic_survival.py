"""The embedded log under ``kill -9`` and competition: nothing lost, doubled, torn or out of order.

Run as a program, this file is one of the processes that use the log.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lakegate.contract.stream import ContractRef
from lakegate.errors import Fenced
from lakegate.topic.base import LedgerEntry, ProducerStamp, Record, Retention, TopicPartition
from lakegate.topic.checksum import offset_checksum
from lakegate.topic.codec import record_batch, records
from lakegate.topic.embedded import FAULT_POINTS, EmbeddedLog

PARTITIONS = 2
SECRET = b"a subject's secret that must not stay"
CONTRACT = ContractRef("orders", "1.0.0", "00" * 32)


def open_log(path: str | Path) -> EmbeddedLog:
    log = EmbeddedLog(path, segment_bytes=8_000)
    for topic in ("raw", "validated", "deadletter"):
        log.create(topic, partitions=PARTITIONS)
    log.create("scratch", retention=Retention(size_bytes=0))
    log.create("private")
    return log


def batches_of(producer: str, total: int) -> Iterator[tuple[int, list[Record]]]:
    """What a producer sends, the same in every life."""
    sequence = 0
    while sequence < total:
        until = min(sequence + 1 + sequence * 7 % 50, total)
        yield (
            sequence,
            [
                Record(b"%s %d" % (producer.encode(), n), key=b"%d" % (n % 5) if n % 3 else None)
                for n in range(sequence, until)
            ],
        )
        sequence = until


def produce(log: EmbeddedLog, producer: str, total: int) -> Iterator[None]:
    for sequence, given in batches_of(producer, total):
        log.send("raw", given, stamp=ProducerStamp(producer, sequence))
        print(producer, sequence + len(given), flush=True)
        yield


def consume(log: EmbeddedLog, partition: int, most: int) -> int:
    """One round of a worker: every seventh record is bad. Returns how many were judged."""
    source = TopicPartition("raw", partition)
    at = log.committed("gate", source) or 0
    found = list(log.read(source, at, max_records=most))
    if not found:
        return 0
    rows = pa.Table.from_batches([batch.rows for batch in found]).combine_chunks().to_batches()[0]
    until = at + rows.num_rows
    bad = np.array([int(record.value.split()[1]) % 7 == 0 for record in records(rows)])
    offsets = np.arange(at, until)
    try:
        with log.transaction() as transaction:
            for topic, mask in (("validated", ~bad), ("deadletter", bad)):
                transaction.append(
                    TopicPartition(topic, partition), rows.filter(pa.array(mask, pa.bool_()))
                )
            transaction.account(
                LedgerEntry(
                    stream="orders",
                    source=source,
                    first_offset=at,
                    next_offset=until,
                    accepted=int((~bad).sum()),
                    rejected=int(bad.sum()),
                    tombstones=0,
                    accepted_checksum=offset_checksum(offsets[~bad]),
                    rejected_checksum=offset_checksum(offsets[bad]),
                    tombstone_checksum=0,
                    contract=CONTRACT,
                )
            )
            transaction.advance("gate", source, expected=at, to=until)
    except Fenced:
        print("fenced", flush=True)
    return rows.num_rows


def keep_house(log: EmbeddedLog) -> None:
    """Everything that moves or removes batches."""
    now = datetime.now(UTC)
    private = TopicPartition("private", 0)
    log.append(private, record_batch([Record(b"kept"), Record(SECRET, key=SECRET)], now=now))
    log.erase(private, range(1, log.end_offset(private), 2))
    log.append(
        TopicPartition("scratch", 0), record_batch([Record(random.randbytes(5_000))], now=now)
    )
    log.retain()


def main(role: str, path: str, name: str, total: int) -> None:
    log = open_log(path)
    if role == "all":
        for _ in produce(log, name, total):
            for partition in range(PARTITIONS):
                consume(log, partition, 40)
            keep_house(log)
    if role == "produce":
        for _ in produce(log, name, total):
            pass
    while role != "produce":
        judged = [consume(log, partition, 40) for partition in range(PARTITIONS)]
        ends = sum(log.end_offset(TopicPartition("raw", n)) for n in range(PARTITIONS))
        if not any(judged) and ends >= total:
            break
        if not any(judged):
            log.wait(1)
    log.close()


def start(role: str, path: Path, name: str, total: int, fault: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, role, str(path), name, str(total)],
        env=os.environ | {"LAKEGATE_FAULT": fault},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    return out


def run(role: str, path: Path, name: str, total: int) -> str:
    process = start(role, path, name, total)
    out = finish(process)
    assert process.returncode == 0
    return out


def everything(log: EmbeddedLog, topic: str, partition: int) -> list[bytes]:
    source = TopicPartition(topic, partition)
    found: list[bytes] = []
    while len(found) < log.end_offset(source):
        for batch in log.read(source, len(found)):
            assert batch.base_offset == len(found)
            found += [record.value for record in records(batch.rows)]
    return found


def check_whole(log: EmbeddedLog) -> None:
    for topic, partitions in log.topics().items():
        for partition in range(partitions):
            assert list(log.verify(TopicPartition(topic, partition))) == []


def check_exactly_once(log: EmbeddedLog, producers: dict[str, int]) -> None:
    check_whole(log)
    raw = [everything(log, "raw", n) for n in range(PARTITIONS)]
    sent = {
        b"%s %d" % (name.encode(), n) for name, total in producers.items() for n in range(total)
    }
    assert len(raw[0]) + len(raw[1]) == len(sent)
    assert {*raw[0], *raw[1]} == sent
    ledger = list(log.ledger("orders"))
    for partition, values in enumerate(raw):
        bad = [int(value.split()[1]) % 7 == 0 for value in values]
        assert everything(log, "validated", partition) == [
            value for value, wrong in zip(values, bad, strict=True) if not wrong
        ]
        assert everything(log, "deadletter", partition) == [
            value for value, wrong in zip(values, bad, strict=True) if wrong
        ]
        entries = [entry for entry in ledger if entry.source.partition == partition]
        edges = [(entry.first_offset, entry.next_offset) for entry in entries]
        assert [first for first, _ in edges] == [0, *(until for _, until in edges[:-1])]
        assert edges[-1][1] == len(values)
        offsets = np.arange(len(values))[np.array(bad)]
        assert sum(entry.rejected_checksum for entry in entries) % 2**64 == offset_checksum(offsets)
        for name in producers:
            own = [int(value.split()[1]) for value in values if value.startswith(name.encode())]
            for key in range(5):
                of_key = [n for n in own if n % 3 and n % 5 == key]
                assert of_key == sorted(of_key)


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at(point: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    open_log(path).close()
    process = start("all", path, "p", 200, fault=f"{point}:2")
    out = finish(process)
    assert process.returncode == -9, f"{point} was not reached twice"
    acknowledged = max((int(line.split()[1]) for line in out.splitlines()), default=0)

    log = open_log(path)
    check_whole(log)
    kept = sum(log.end_offset(TopicPartition("raw", n)) for n in range(PARTITIONS))
    assert kept >= acknowledged
    log.close()

    run("all", path, "p", 200)
    log = open_log(path)
    check_exactly_once(log, {"p": 200})
    private = everything(log, "private", 0)
    assert set(private[::2]) == {b"kept"}
    log.erase(TopicPartition("private", 0), range(1, len(private), 2))
    log.retain()
    named = {name for (name,) in log._index.all("SELECT name FROM segment")}
    files = list(path.glob("segments/*/*.seg"))
    assert {file.name for file in files} == named
    assert not [file for file in files if SECRET in file.read_bytes()]
    log.close()


def test_two_producers_and_two_workers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    open_log(path).close()
    total = 2_000
    processes = [start("produce", path, name, total) for name in ("p", "q")]
    processes += [start("consume", path, "-", 2 * total) for _ in range(2)]
    for process in processes:
        finish(process)
        assert process.returncode == 0
    log = open_log(path)
    check_exactly_once(log, {"p": total, "q": total})
    log.close()


def test_first_comers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    processes = [start("produce", path, name, 20) for name in "pqrs"]
    for process in processes:
        finish(process)
        assert process.returncode == 0
    run("consume", path, "-", 80)
    with EmbeddedLogFor(path) as log:
        check_exactly_once(log, dict.fromkeys("pqrs", 20))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_kills(tmp_path: Path) -> None:
    path = tmp_path / "log"
    open_log(path).close()
    total, kills = 6_000, 20
    roles = {"p": ("produce", total), "q": ("produce", total), "w": ("consume", 2 * total)}
    roles |= {"v": ("consume", 2 * total)}
    choose = random.Random(7)
    running = {name: start(role, path, name, count) for name, (role, count) in roles.items()}
    for _ in range(kills):
        time.sleep(choose.uniform(0.5, 1.2))
        for name in choose.choice([["p"], ["w"], ["q", "v"], list(roles)]):
            role, count = roles[name]
            running[name].kill()
            finish(running[name])
            running[name] = start(role, path, name, count)
        with EmbeddedLogFor(path) as log:
            check_whole(log)
    for name, process in running.items():
        finish(process)
        assert process.returncode == 0, name
    with EmbeddedLogFor(path) as log:
        log.retain()
        check_exactly_once(log, {"p": total, "q": total})


class EmbeddedLogFor:
    """The log, closed in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> EmbeddedLog:
        self.log = open_log(self.path)
        return self.log

    def __exit__(self, *_: object) -> None:
        self.log.close()


def test_a_dead_owners_segments_are_removed_and_a_living_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "log"
    now = datetime(2026, 1, 1, tzinfo=UTC)
    living = EmbeddedLog(path, clock=lambda: now)
    living.create("aged", retention=Retention(age=timedelta(0)))
    target = TopicPartition("aged", 0)
    living.append(target, record_batch([Record(b"1")], now=now))
    other = EmbeddedLog(path, clock=lambda: now + timedelta(1))
    assert other.retain() == {target: 1}
    assert len(list(path.glob("segments/*/*.seg"))) == 1
    living.append(target, record_batch([Record(b"2")], now=now))
    assert list(living.verify(target)) == []
    assert other.retain() == {target: 2}
    living.close()
    other.retain()
    assert list(path.glob("segments/*/*.seg")) == []
    other.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))

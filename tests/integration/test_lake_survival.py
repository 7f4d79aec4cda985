"""``kill -9`` at every point of landing, publishing and maintenance: nothing lost, nothing doubled.

This file is also the program that is killed: ``python test_lake_survival.py DIRECTORY`` lands all
that waits, publishes it, and ends; with ``--stops`` it stops itself on the way, until it is told to
go on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.contract.stream import ContractRef, Partition, Stream
from lakegate.contract.type import Field, IntegerType, StringType, TimestampType
from lakegate.errors import CommitConflict
from lakegate.gate.schema import arrow_schema
from lakegate.lake import FAULT_POINTS, STAGED, Lake, append
from lakegate.lake.landing import GROUP, Lander
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.schema import validated_schema

ROWS, BATCH, PARTITIONS = 600, 50, 2
TOPIC = "orders.validated"


def orders(version: int) -> Stream:
    fields = [
        Field("id", IntegerType(), "$.id", required=True),
        Field("at", TimestampType(), "$.at"),
    ]
    if version == 2:
        fields.append(Field("extra", StringType(), "$.extra"))
    return Stream(
        contract=ContractRef("orders", f"{version}.0.0", f"digest {version}"),
        name="orders",
        object_name="orders",
        fields=tuple(fields),
        partitions=(Partition("at", "year"),),
        topic_prefix="orders",
        table="orders",
    )


def seed(directory: Path) -> None:
    log = EmbeddedLog(directory / "log")
    log.create(TOPIC, partitions=PARTITIONS)
    schema = validated_schema(arrow_schema(orders(1)))
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    for first in range(0, ROWS, BATCH):
        numbers = range(first, first + BATCH)
        values = {
            "id": list(numbers),
            "at": [start + n * 600_000_000 for n in numbers],
            "_timestamp": [0] * BATCH,
            "_topic": ["orders.raw"] * BATCH,
            "_source_partition": [0] * BATCH,
            "_offset": list(numbers),
            "_ingested_at": [start] * BATCH,
        }
        nothing = [None] * BATCH
        columns = [pa.array(values.get(item.name, nothing), item.type) for item in schema]
        target = TopicPartition(TOPIC, first // BATCH % PARTITIONS)
        log.append(target, pa.record_batch(columns, schema=schema))
    log.close()


def land_and_publish(directory: Path) -> None:
    """What is killed: a lander whose contract changes on the way, then a publisher."""
    log, lake = EmbeddedLog(directory / "log"), Lake(directory / "lake", keep=4)
    runs = 0

    def in_force() -> Stream:
        return orders(1 if runs < 2 else 2)

    lander = Lander(log, lake, in_force, max_rows=BATCH, maintain_every=9)
    while True:
        try:
            if lander.run_once() == 0:
                break
        except CommitConflict:
            continue
        runs += 1
    while True:
        staged, main = lake.head("orders", STAGED), lake.head("orders")
        assert staged is not None
        assert main is not None
        if staged == main:
            break
        lake.publish("orders", snapshot_id=staged.snapshot_id, expected_main=main.snapshot_id)
    lake.close()
    log.close()


def stop_in_the_second_commit() -> None:
    """Stop this process when its rows are written and nobody knows of them yet."""
    passed: list[str] = []

    def reach(point: str) -> None:
        passed.append(point)
        if passed.count("lake.land.written") == 2 and point == "lake.land.written":
            os.kill(os.getpid(), signal.SIGSTOP)

    append.reach = reach


def start(directory: Path, *options: str, fault: str = "") -> subprocess.Popen[bytes]:
    environment = os.environ | {"LAKEGATE_FAULT": fault}
    return subprocess.Popen([sys.executable, __file__, str(directory), *options], env=environment)


def prove(directory: Path) -> None:
    """Every row is on ``main`` once, every file reads, and the group is where the table is."""
    log, lake = EmbeddedLog(directory / "log"), Lake(directory / "lake")
    main = lake.head("orders")
    assert main is not None
    offsets = [
        offset
        for batch in lake.scan("orders", snapshot_id=main.snapshot_id, columns=["_offset"])
        for offset in batch["_offset"].to_pylist()
    ]
    assert sorted(offsets) == list(range(ROWS))
    assert list(lake.verify("orders", snapshot_id=main.snapshot_id)) == []
    landed = lake.landed("orders")
    for number in range(PARTITIONS):
        source = TopicPartition(TOPIC, number)
        assert landed[source] == log.end_offset(source) == log.committed(GROUP, source)
    lake.close()
    log.close()


# Once at each point; twice where the second hit finds the first one's leftovers.
HITS = [(point, 1) for point in FAULT_POINTS] + [
    (point, 2) for point in FAULT_POINTS if point.startswith("lake.compact")
]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "count"), HITS)
def test_a_kill_at_this_point_loses_and_doubles_nothing(
    tmp_path: Path, point: str, count: int
) -> None:
    seed(tmp_path)
    code = start(tmp_path, fault=f"{point}:{count}").wait()
    assert code == (-signal.SIGKILL if count == 1 else code)
    assert start(tmp_path).wait() == 0
    prove(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    seed(tmp_path)
    chance = random.Random(3)
    for _ in range(12):
        process = start(tmp_path)
        try:
            process.wait(timeout=chance.uniform(1.0, 3.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert start(tmp_path).wait() == 0
    prove(tmp_path)


@pytest.mark.slow
def test_two_landers_at_once_land_every_row_once(tmp_path: Path) -> None:
    seed(tmp_path)
    both = [start(tmp_path), start(tmp_path)]
    codes = [process.wait() for process in both]
    assert 0 in codes
    assert start(tmp_path).wait() == 0
    prove(tmp_path)


@pytest.mark.slow
def test_a_lander_that_was_stopped_while_another_landed_is_refused(tmp_path: Path) -> None:
    seed(tmp_path)
    stopped = start(tmp_path, "--stops")
    try:
        how = os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert how is not None
        assert how.si_code == os.CLD_STOPPED
        assert start(tmp_path).wait() == 0
        prove(tmp_path)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait() == 0
    finally:
        stopped.kill()
        stopped.wait()
    prove(tmp_path)


if __name__ == "__main__":
    if "--stops" in sys.argv:
        stop_in_the_second_commit()
    land_and_publish(Path(sys.argv[1]))

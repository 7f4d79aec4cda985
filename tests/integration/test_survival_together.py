"""Two of everything at once, signals, and clocks that go back."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.ingest.producer import Producer
from lakegate.topic.base import TopicPartition

from .survival import (
    finish,
    make_project,
    order,
    proven,
    spawn,
    start,
    wait_until,
    wait_until_it_listens,
)

pytestmark = pytest.mark.slow

FEED = """
import sys, lakegate as lg
from lakegate.ingest.producer import Producer
with lg.open(sys.argv[1]) as project:
    for batch in range(int(sys.argv[2])):
        with Producer(project.log, "orders.raw", producer_id=f"twin-{batch}") as producer:
            for number in range(batch * 20, batch * 20 + 20):
                value = b'{}' if number % 10 == 0 else b'{"number": %d, "note": "x"}' % number
                producer.send(value, key=b"%d" % (number % 7), timestamp_ms=number)
"""


Commands = tuple[tuple[str, ...], ...]
COMMANDS: Commands = (
    ("land",),
    ("audit",),
    ("publish",),
    ("lake", "maintain"),
    ("status", "--full"),
)


def feed(folder: Path, batches: int) -> subprocess.Popen[str]:
    """One of two producers that send the same batches under the same ids."""
    return spawn([sys.executable, "-c", FEED, str(folder), str(batches)])


def together(folder: Path, batches: int, rounds: int, commands: Commands) -> None:
    """Two workers and two producers all along; beside them, in waves, two of each command."""
    toml = "[log]\npartitions = 3\nsegment_bytes = 65536\n[landing]\ninterval_s = 0.2\n"
    make_project(folder, toml=toml + "[ledger]\nseal_after_s = 0\n")
    lg.open(folder).close()
    workers = [start(folder, "run") for _ in range(2)]
    producers = [feed(folder, batches) for _ in range(2)]
    try:
        for _ in range(rounds):
            wave = [(command, start(folder, *command)) for command in commands * 2]
            for command, process in wave:
                check(command, finish(process))
        for producer in producers:
            said = finish(producer)
            assert said.code == 0, said
        with lg.open(folder) as project:
            wait_until(lambda: project.status().proofs[0].total("waiting_to_judge") == 0)
        for worker in workers:
            wait_until_it_listens(worker)
    finally:
        for worker in workers:
            worker.terminate()
    for worker in workers:
        said = finish(worker)
        assert said.code == 0, said
        assert "Traceback" not in said.err, said


def check(command: tuple[str, ...], said) -> None:  # type: ignore[no-untyped-def]
    """Done, refused in words, or lost a race that trying again wins; a status never sees a gap."""
    assert "Traceback" not in said.err, (command, said)
    assert "gap" not in said.out, (command, said)
    if said.code == 2:
        assert "error: " in said.err, (command, said)
        assert any(word in said.err for word in ("try again", "retry", "nothing has landed")), said
    if said.code == 1:
        assert command == ("publish",), (command, said)


def everything_is_there(folder: Path, count: int) -> None:
    with lg.open(folder) as project:
        project.land("orders")
        project.audit("orders").publish()
        rows = project.sql("select number from orders order by 1").fetchall()
    assert [row[0] for row in rows] == [n for n in range(count) if n % 10]
    proven(folder, raw=count, landed=count * 9 // 10, published=count * 9 // 10)


def test_two_workers_two_producers_two_landers(tmp_path: Path) -> None:
    together(tmp_path, batches=10, rounds=1, commands=(("land",), ("status",)))
    everything_is_there(tmp_path, 200)


@pytest.mark.timeout(900)
def test_two_of_everything_at_once(tmp_path: Path) -> None:
    together(tmp_path, batches=200, rounds=2, commands=COMMANDS)
    everything_is_there(tmp_path, 4_000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_leave_does(tmp_path: Path, number: signal.Signals) -> None:
    make_project(tmp_path, toml="[gate]\nbatch_records = 50\n[landing]\ninterval_s = 0.1\n")
    raw = TopicPartition("orders.raw", 0)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            for n in range(3_000):
                producer.send(order(n))
        worker = start(tmp_path, "run")
        wait_until(lambda: (project.log.committed("lakegate.gate", raw) or 0) > 0)
        worker.send_signal(number)
        said = finish(worker)
        assert said.code == 0, said
        assert "judged" in said.out
        judged = project.log.committed("lakegate.gate", raw)
        assert judged is not None
        assert judged % 50 == 0, "the batch in hand was finished"
        project.run(until="idle")
        assert project.status().proofs[0].total("landed") == 3_000
    proven(tmp_path, raw=3_000, accepted=3_000, landed=3_000)


def test_a_worker_that_waits_for_another_leaves_too(tmp_path: Path) -> None:
    make_project(tmp_path)
    lg.open(tmp_path).close()
    workers = [start(tmp_path, "run"), start(tmp_path, "run")]
    for worker in workers:
        wait_until_it_listens(worker)
        wait_until(lambda worker=worker: has_joined(worker))
    for worker in workers:
        worker.terminate()
    assert [finish(worker).code for worker in workers] == [0, 0]


def has_joined(worker: subprocess.Popen[str]) -> bool:
    """Whether it counts among the workers of the stream; of one partition, one of two waits."""
    for link in Path(f"/proc/{worker.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if link.readlink().name == "orders.gate":
                return True
    return False


def test_the_clock_of_the_log_goes_back(tmp_path: Path) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        for year in (2030, 2001, 2020):
            project.log._commits._clock = lambda year=year: datetime(year, 1, 1, tzinfo=UTC)
            with Producer(project.log, "orders.raw") as producer:
                producer.send(order(year))
        batches = list(project.log.read(TopicPartition("orders.raw", 0), 0))
        times = [batch.appended_at for batch in batches]
        assert times == sorted(times)
        assert len(times) == 3
        project.run(until="idle")
        project.audit("orders").publish()
    proven(tmp_path, published=3)


def test_the_wall_clock_of_an_audit_goes_back(tmp_path: Path) -> None:
    """The newest audit is the one made last, whatever its time says; publishing takes that one."""

    class Clock:
        name = "wall"

        def __init__(self, year: int) -> None:
            self.year = year

        def now(self) -> datetime:
            return datetime(self.year, 1, 1, tzinfo=UTC)

    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        for number, year in enumerate((2030, 2001)):
            with project.producer("orders") as producer:
                producer.send(order(number))
            project.run(until="idle")
            audited = project.audit("orders", clock=Clock(year))
            newest = project.audits.latest("orders")
            assert newest is not None
            assert newest.snapshot_id == audited.report.snapshot_id
            audited.publish()
    proven(tmp_path, published=2)

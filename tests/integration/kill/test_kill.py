"""``kill -9`` at every commit point and at random, while data flows and a reader checks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.lake import FAULT_POINTS as LAKE_POINTS
from lakegate.runner.embedded import FAULT_POINTS as RUNNER_POINTS
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import FAULT_POINTS as TOPIC_POINTS

from .actors import KEYS

ACTORS = Path(__file__).with_name("actors.py")
ROLES = ("produce", "judge", "land", "publish")

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: number, logicalType: integer, required: true, primaryKey: true}
      - {name: key, logicalType: integer, required: true}
      - {name: amount, logicalType: number, physicalType: "decimal(12,2)", required: true}
"""


class Cast:
    """The processes of a project; those that die are started again.

    ``roles`` are names of actors, with a number behind them if there are several of one.
    """

    def __init__(self, folder: Path, roles: Sequence[str] = ROLES) -> None:
        self.folder = folder
        self.roles = roles
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str, fault: str | None = None) -> None:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        if fault is not None:
            environment["LAKEGATE_FAULT"] = fault
        with (self.folder / f"{role}.log").open("ab") as log:
            self.running[role] = subprocess.Popen(
                [sys.executable, str(ACTORS), role.rstrip("0123456789"), str(self.folder)],
                stderr=log,
                env=environment,
            )

    def keep_running(self) -> None:
        for role in self.roles:
            process = self.running.get(role)
            if process is not None and process.poll() is None:
                continue
            if process is not None and process.returncode != -signal.SIGKILL:
                pytest.fail(f"{role} left with {process.returncode}:\n{self.said(role)}")
            self.start(role)

    def kill(self, role: str) -> None:
        self.running[role].kill()
        self.running[role].wait()

    def end(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def said(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text()[-3000:]


def make_project(folder: Path, *, partitions: int) -> None:
    (folder / "contracts").mkdir()
    (folder / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    toml = f"[log]\npartitions = {partitions}\nsegment_bytes = 65536\n[gate]\nbatch_records = 50\n"
    (folder / "lakegate.toml").write_text(toml)
    with lg.open(folder):
        pass  # topics are there before anybody starts


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    make_project(tmp_path, partitions=2)
    cast = Cast(tmp_path)
    yield cast
    cast.end()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Cast]:
    """Three workers that share the four partitions of the stream."""
    make_project(tmp_path, partitions=4)
    cast = Cast(tmp_path, ("produce", "judge1", "judge2", "judge3", "land"))
    yield cast
    cast.end()


def acknowledged(folder: Path) -> int:
    """Records the producer was told are durable."""
    notes = folder / "acknowledged"
    return int(notes.read_text().split()[-1]) if notes.exists() and notes.stat().st_size else 0


def published(project: lg.Project) -> list[tuple[int, int, int, int]]:
    """(partition, offset, key, number) of what is on main, in source order."""
    if not project.lake.exists("orders"):
        return []
    relation = project.sql(
        "SELECT _source_partition, _offset, key, number FROM orders ORDER BY 1, 2"
    )
    return relation.fetchall()


def check_rows(rows: list[tuple[int, int, int, int]]) -> None:
    """Nothing doubled, nothing wrong passed, the order of each key kept."""
    assert len({(row[0], row[1]) for row in rows}) == len(rows)
    assert len({row[3] for row in rows}) == len(rows)
    assert not any(row[3] % 10 == 0 for row in rows)
    for key in range(KEYS):
        numbers = [row[3] for row in rows if row[2] == key]
        assert numbers == sorted(numbers)


def finish_and_check(cast: Cast) -> None:
    """Stop everything, let the flow run dry, and compare the end with what was acknowledged."""
    assert wait_for(cast, lambda: acknowledged(cast.folder) > 0, timeout_s=180), "nothing was sent"
    cast.end()
    with lg.open(cast.folder) as project:
        project.run(until="idle")
        project.audit("orders").publish()
        rows = published(project)
        check_rows(rows)
        status = project.status(full=True)
        assert status.proven, status.proofs[0].gaps
        sent = status.proofs[0].total("raw")
        assert sent >= acknowledged(cast.folder) > 0
        assert sorted(row[3] for row in rows) == [n for n in range(sent) if n % 10]
        assert status.proofs[0].total("rejected") == len([n for n in range(sent) if n % 10 == 0])


# Reached by retention, erasure, schema changes and maintenance: their own rooms' tests kill there.
ELSEWHERE = ("topic.retain.", "topic.erase.", "lake.evolve.", "lake.compact.", "lake.sweep.")
POINTS = [
    point
    for point in (*TOPIC_POINTS, *RUNNER_POINTS, *LAKE_POINTS)
    if not point.startswith(ELSEWHERE)
]


def role_of(point: str) -> str:
    if point.startswith("lake.publish"):
        return "publish"
    return "land" if point.startswith("lake.") else "judge"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_commit_point(cast: Cast, point: str) -> None:
    role = role_of(point)
    nth = 1 if point.startswith("lake.create") else 2
    for other in ROLES:
        cast.start(other, fault=f"{point}:{nth}" if other == role else None)
    deadline = time.monotonic() + 180
    while cast.running[role].poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cast.running[role].returncode == -signal.SIGKILL, cast.said(role)
    cast.keep_running()
    time.sleep(2)
    finish_and_check(cast)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_again_and_again_at_random(cast: Cast) -> None:
    """Forty times; ``LAKEGATE_KILLS=1000`` for a night."""
    chance = random.Random(20261123)
    cast.keep_running()
    seen: set[int] = set()
    for turn in range(int(os.environ.get("LAKEGATE_KILLS", "40"))):
        time.sleep(chance.uniform(0.05, 0.9))
        cast.keep_running()
        for role in chance.sample(ROLES, chance.choice((1, 1, 1, 2, 4))):
            cast.kill(role)
        if turn % 10 == 9:
            cast.keep_running()
            with lg.open(cast.folder) as project:
                rows = published(project)
                check_rows(rows)
                numbers = {row[3] for row in rows}
                assert seen <= numbers, "what was published stays published"
                seen = numbers
    cast.keep_running()
    time.sleep(3)
    finish_and_check(cast)


def committed(project: lg.Project) -> int:
    """How many raw records are judged and committed."""
    sources = [TopicPartition("orders.raw", number) for number in range(4)]
    return sum(project.log.committed("lakegate.gate", source) or 0 for source in sources)


def sent(project: lg.Project) -> int:
    return sum(project.log.end_offset(TopicPartition("orders.raw", n)) for n in range(4))


def wait_for(cast: Cast, true: Callable[[], bool], *, timeout_s: float) -> bool:
    """Whether it came true in time; whoever is dead is started again meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not true() and time.monotonic() < deadline:
        cast.keep_running()
        time.sleep(0.05)
    return true()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_that_share_a_stream_killed_and_stopped_at_random(shared: Cast) -> None:
    """Who dies is taken over; who was only stopped finds, once it goes on, that it may not commit
    what others have done since, and loses nothing of its own."""
    chance = random.Random(5)
    judges = [role for role in shared.roles if role.startswith("judge")]
    with lg.open(shared.folder) as project:
        for _ in range(30):
            before = committed(project)
            wait_for(shared, lambda before=before: committed(project) > before, timeout_s=30)
            time.sleep(chance.uniform(0, 0.3))
            victim = chance.choice(judges)
            if chance.random() < 0.3:
                shared.running[victim].send_signal(signal.SIGSTOP)
                time.sleep(chance.uniform(0.05, 0.5))
                shared.running[victim].send_signal(signal.SIGCONT)
            else:
                for role in {victim, chance.choice((victim, *judges, "land"))}:
                    shared.kill(role)
        assert committed(project) > 0
    finish_and_check(shared)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_partitions_of_the_dead_are_judged_by_the_living(shared: Cast) -> None:
    """Two of three are killed in the middle of it and stay dead; the third does all of the work."""
    with lg.open(shared.folder) as project:
        assert wait_for(shared, lambda: committed(project) >= 200, timeout_s=180)
        for role in ("judge1", "judge3", "produce"):
            shared.kill(role)
        shared.roles = ("judge2", "land")
        all_of_it = sent(project)
        assert wait_for(shared, lambda: committed(project) == all_of_it, timeout_s=240)
    finish_and_check(shared)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "point", ["topic.payload.written", "topic.commit.before", "topic.commit.after", "runner.judged"]
)
def test_one_of_several_killed_at_a_commit_point(shared: Cast, point: str) -> None:
    for role in shared.roles:
        shared.start(role, fault=f"{point}:5" if role == "judge2" else None)
    deadline = time.monotonic() + 180
    while shared.running["judge2"].poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert shared.running["judge2"].returncode == -signal.SIGKILL, shared.said("judge2")
    time.sleep(1)
    finish_and_check(shared)

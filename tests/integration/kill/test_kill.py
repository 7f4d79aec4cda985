"""``kill -9`` at every commit point and at random, while data flows and a reader checks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.lake import FAULT_POINTS as LAKE_POINTS
from lakegate.runner.embedded import FAULT_POINTS as RUNNER_POINTS
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
    """The processes of a project; those that die are started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str, fault: str | None = None) -> None:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        if fault is not None:
            environment["LAKEGATE_FAULT"] = fault
        with (self.folder / f"{role}.log").open("ab") as log:
            self.running[role] = subprocess.Popen(
                [sys.executable, str(ACTORS), role, str(self.folder)], stderr=log, env=environment
            )

    def keep_running(self) -> None:
        for role in ROLES:
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


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "lakegate.toml").write_text("[log]\npartitions = 2\nsegment_bytes = 65536\n")
    with lg.open(tmp_path):
        pass  # topics are there before anybody starts
    cast = Cast(tmp_path)
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
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_commit_point(cast: Cast, point: str) -> None:
    role = role_of(point)
    nth = 1 if point.startswith("lake.create") else 2
    for other in ROLES:
        cast.start(other, fault=f"{point}:{nth}" if other == role else None)
    deadline = time.monotonic() + 60
    while cast.running[role].poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cast.running[role].returncode == -signal.SIGKILL, cast.said(role)
    cast.keep_running()
    time.sleep(2)
    finish_and_check(cast)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_a_hundred_times_at_random(cast: Cast) -> None:
    chance = random.Random(20261123)
    cast.keep_running()
    seen: set[int] = set()
    for turn in range(100):
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

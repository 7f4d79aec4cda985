"""``lakegate run --workers N``: processes that share the partitions of a stream."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.errors import RunnerError
from lakegate.runner.base import Progress
from lakegate.topic.base import TopicPartition

from .survival import call, finish, make_project, order, proven, start, wait_until

pytestmark = pytest.mark.slow

TOML = "[log]\npartitions = 4\n[gate]\nbatch_records = 200\n"


def fill(folder: Path, count: int) -> None:
    """Every tenth record is wrong; fifty keys."""
    with lg.open(folder) as project, project.producer("orders") as producer:
        for number in range(count):
            value = b"{}" if number % 10 == 0 else order(number)
            producer.send(value, key=b"%d" % (number % 50))


def workers_of(pid: int) -> list[int]:
    """Child processes that are still alive."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in children.split()]


def test_workers_share_the_work_and_the_books_balance(tmp_path: Path) -> None:
    make_project(tmp_path, toml=TOML)
    fill(tmp_path, 8_000)
    said = call(tmp_path, "run", "--until-idle", "--workers", "2", "--format", "json")
    assert said.code == 0, said
    last = json.loads(said.out.splitlines()[-1])
    assert (last["accepted"], last["rejected"]) == (7_200, 800)
    proven(tmp_path, raw=8_000, accepted=7_200, rejected=800, landed=7_200)


def test_a_killed_worker_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    make_project(tmp_path, toml=TOML)
    fill(tmp_path, 12_000)
    killed: list[int] = []

    def kill_one(_stream: str, progress: Progress) -> None:
        if len(killed) < 2 and progress.records > 1_000 * (len(killed) + 1):
            living = [pid for pid in workers_of(os.getpid()) if _alive(pid) and pid not in killed]
            killed.append(living[0])
            os.kill(killed[-1], signal.SIGKILL)

    with lg.open(tmp_path) as project:
        project.run(until="idle", workers=2, on_progress=kill_one)
    assert len(set(killed)) == 2
    proven(tmp_path, raw=12_000, accepted=10_800, rejected=1_200, landed=10_800)


def test_a_crew_goes_on_until_it_is_asked_to_leave(tmp_path: Path) -> None:
    make_project(tmp_path, toml=TOML + "[landing]\ninterval_s = 0.1\n")
    fill(tmp_path, 1_000)
    crew = start(tmp_path, "run", "--workers", "3")
    try:
        with lg.open(tmp_path) as project:

            def judged() -> int:
                sources = [TopicPartition("orders.raw", n) for n in range(4)]
                return sum(project.log.committed("lakegate.gate", s) or 0 for s in sources)

            wait_until(lambda: judged() == 1_000)
            wait_until(lambda: len(workers_of(crew.pid)) == 3)
            fill(tmp_path, 1_000)
            wait_until(lambda: judged() == 2_000)
    finally:
        crew.terminate()
    said = finish(crew)
    assert said.code == 0, said
    assert "Traceback" not in said.err, said
    call(tmp_path, "land")
    proven(tmp_path, raw=2_000, accepted=1_800, landed=1_800)


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    make_project(tmp_path, toml=TOML)
    lg.open(tmp_path).close()
    crew = start(tmp_path, "run", "--workers", "2")
    wait_until(lambda: len(workers_of(crew.pid)) == 2)
    children = workers_of(crew.pid)
    crew.kill()
    finish(crew)
    wait_until(lambda: not any(_alive(child) for child in children))


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_no_more_workers_than_partitions(tmp_path: Path) -> None:
    make_project(tmp_path)
    fill(tmp_path, 100)
    said = finish(start(tmp_path, "run", "--until-idle", "--workers", "4"))
    assert said.code == 0, said
    assert "1 workers are enough" in said.err
    proven(tmp_path, raw=100, accepted=90, landed=90)


def test_what_a_worker_cannot_do_is_told(tmp_path: Path) -> None:
    make_project(tmp_path, toml=TOML)
    fill(tmp_path, 100)
    with lg.open(tmp_path) as project:
        (project.state_folder / "locks").mkdir(exist_ok=True)
        (project.state_folder / "locks" / "orders.shares").write_text("in the way")
        with pytest.raises(RunnerError, match="cannot lock"):
            project.run(until="idle", workers=2)

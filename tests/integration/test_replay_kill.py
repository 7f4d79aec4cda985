# ruff: noqa: E501 - contracts and fixes, one a line
"""``kill -9`` while dead letters are repaired, judged again and discarded: each ends exactly once."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.deadletter.replay import FAULT_POINTS as REPLAY_POINTS
from lakegate.runner.embedded import FAULT_POINTS as RUNNER_POINTS

from .survival import call, finish, make_project, start
from .test_replay import CAST, NOTE

pytestmark = pytest.mark.slow

COMMIT = (
    "topic.payload.written",
    "topic.payload.synced",
    "topic.commit.before",
    "topic.commit.after",
)
TOML = "[log]\npartitions = 2\nsegment_bytes = 65536\n[gate]\nbatch_records = 50\n"


def prepare(folder: Path, count: int) -> Path:
    make_project(folder, toml=TOML)
    (folder / "fixes").mkdir()
    (folder / "fixes" / "cast.yaml").write_text(CAST)
    (folder / "fixes" / "note.yaml").write_text(NOTE)
    send(folder, 0, count)
    assert call(folder, "run", "--until-idle").code == 0
    return folder


def send(folder: Path, first: int, end: int) -> None:
    """Odd numbers lack their note; every seventh is a text, of which some no cast can mend."""
    with lg.open(folder) as project, project.producer("orders") as producer:
        for number in range(first, end):
            written = str(number) if number % 7 == 0 else number
            record = {"number": "?" if number % 70 == 0 else written}
            record |= {} if number % 2 else {"note": "x"}
            producer.send(json.dumps(record).encode(), key=b"%d" % (number % 5))


def check(folder: Path, count: int, *, discarded: bool = False) -> None:
    """Everything ends where the model says, once."""
    for _ in range(2):
        assert call(folder, "replay").code == 0
        assert call(folder, "run", "--until-idle").code == 0
    with lg.open(folder) as project:
        project.land("orders")
        project.audit("orders").publish()
        rows = [row[0] for row in project.sql("SELECT number FROM orders ORDER BY 1").fetchall()]
        (proof,) = project.status(full=True).proofs
        assert proof.gaps == ()
        assert proof.total("requested") == 0
        numbers = {
            name: proof.total(name) for name in ("replayed", "discarded", "open", "rejected")
        }
    wanted = [n for n in range(count) if n % 70]
    bad = [n for n in range(count) if n % 2 or n % 7 == 0]
    assert numbers["rejected"] == len(bad)
    if discarded:
        assert (
            len(rows)
            == len(set(rows))
            == len(wanted) - (numbers["discarded"] - _lost(numbers, count))
        )
        assert set(rows) <= set(wanted)
    else:
        assert rows == wanted
        assert numbers["replayed"] == len([n for n in bad if n % 70])


def _lost(numbers: dict[str, int], count: int) -> int:
    """Of the discarded, those that no fix could have mended anyway."""
    return len([n for n in range(count) if n % 70 == 0]) - numbers["open"]


@pytest.mark.parametrize("point", [*REPLAY_POINTS, *COMMIT])
def test_a_replay_killed(tmp_path: Path, point: str) -> None:
    prepare(tmp_path, 140)
    nth = 2 if point.startswith("deadletter") else 1
    killed = finish(start(tmp_path, "replay", LAKEGATE_FAULT=f"{point}:{nth}"))
    assert killed.code == -signal.SIGKILL, killed
    check(tmp_path, 140)


@pytest.mark.parametrize("point", [*RUNNER_POINTS, *COMMIT])
def test_a_worker_killed_over_replayed_records(tmp_path: Path, point: str) -> None:
    prepare(tmp_path, 140)
    assert call(tmp_path, "replay").code == 0
    killed = finish(start(tmp_path, "run", "--until-idle", LAKEGATE_FAULT=f"{point}:1"))
    assert killed.code == -signal.SIGKILL, killed
    check(tmp_path, 140)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1])
def test_killed_at_random(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    count = 140
    prepare(tmp_path, count)
    with lg.open(tmp_path) as project:
        causes = project.deadletters("orders").causes().causes
    cause = next(c.id for c in causes if c.rule == "type")
    commands = [("replay",), ("replay", "--again"), ("run", "--until-idle"), ("land",)]
    commands.append(("deadletter", "discard", "--cause", cause, "--reason", "chaos"))
    for turn in range(8):
        send(tmp_path, count, count + 20)
        count += 20
        crowd = [start(tmp_path, *words) for words in chance.sample(commands, 3)]
        time.sleep(chance.uniform(0.6, 2.0))
        for process in crowd:
            if chance.random() < 0.7:
                process.kill()
        for process in crowd:
            said = finish(process)
            assert "Traceback" not in said.err, (turn, said)
    check(tmp_path, count, discarded=True)

"""Quarantine across ``kill -9``, beside itself, and beside landing and publishing."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.pipeline.quarantining import FAULT_POINTS
from lakegate.topic.base import Record, TopicPartition
from tests.integration.survival import finish, make_project, order, start

TWICE = 40
TOML = "[log]\npartitions = 2\n"


def send(project: lg.Project, numbers: range) -> None:
    records = [Record(order(n), str(n).encode()) for n in numbers]
    project.log.send("orders.raw", records)
    project.run(until="idle")


def rule_of(project: lg.Project) -> str:
    (rule,) = [r.name for r in project.stream("orders").rules if r.metric == "duplicateValues"]
    return rule


def fresh(folder: Path) -> Path:
    """A project with forty orders sent twice, ten of them published before; audited, held back."""
    make_project(folder, toml=TOML)
    with lg.open(folder) as project:
        send(project, range(10))
        project.audit("orders").publish()
        send(project, range(10, TWICE))
        send(project, range(TWICE))
        assert not project.audit("orders").passed
    return folder


def quarantined_once(folder: Path, *, rows: int = TWICE, more: int = 0) -> None:
    """Each duplicate is one dead letter and off the table; everything else is on it."""
    with lg.open(folder) as project:
        project.audit("orders").publish()
        found: Counter[int] = Counter()
        for partition in range(2):
            source = TopicPartition("orders.deadletter", partition)
            for batch in project.log.read(source, 0):
                found.update(
                    json.loads(value)["number"] for value in batch.rows.column("value").to_pylist()
                )
        assert found == Counter(range(rows))
        (count, distinct) = project.sql(
            "select count(*), count(distinct number) from orders"
        ).fetchall()[0]
        assert count == distinct == TWICE + more
        assert sum(note.rows for note in project.quarantines.quarantines("orders")) == rows
        assert project.status(full=True).proven, project.status(full=True).proofs


@pytest.mark.slow
@pytest.mark.parametrize("point", FAULT_POINTS)
def test_a_kill_at_this_point_loses_and_doubles_nothing(tmp_path: Path, point: str) -> None:
    folder = fresh(tmp_path)
    with lg.open(folder) as project:
        rule = rule_of(project)
    command = ("quarantine", "orders", "--rule", rule)
    assert finish(start(folder, *command, LAKEGATE_FAULT=point)).code == -signal.SIGKILL
    if point == "quarantine.decided":
        assert finish(start(folder, *command)).code == 0, "nothing was decided: begin again"
    quarantined_once(folder)


@pytest.mark.slow
def test_a_kill_after_accepting_leaves_one_decision_and_nothing_published(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    with lg.open(folder) as project:
        rule = rule_of(project)
        main = project.lake.head("orders")
    command = ("publish", "orders", "--accept", rule, "--reason", "twins")
    assert finish(start(folder, *command, LAKEGATE_FAULT="publish.accepted")).code == -9
    with lg.open(folder) as project:
        assert project.lake.head("orders") == main
        assert len(project.quarantines.acceptances("orders")) == 1
    assert finish(start(folder, *command)).code == 0
    with lg.open(folder) as project:
        assert project.lake.head("orders") != main
        assert len(project.quarantines.acceptances("orders")) == 1
        assert len(project.status().decisions) == 1


@pytest.mark.slow
def test_two_at_once_beside_landing(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    with lg.open(folder) as project:
        rule = rule_of(project)
        records = [Record(order(n), str(n).encode()) for n in range(1000, 1200)]
        project.log.send("orders.raw", records)
        running = [start(folder, "run", "--until-idle")]
        running += [start(folder, "quarantine", "orders", "--rule", rule) for _ in range(2)]
        said = [finish(process) for process in running]
    assert said[0].code == 0, said
    assert sorted(one.code for one in said[1:]) == [0, 1], said
    quarantined_once(folder, more=200)


@pytest.mark.slow
def test_a_quarantine_cut_short_is_finished_before_publishing(tmp_path: Path) -> None:
    folder = fresh(tmp_path)
    with lg.open(folder) as project:
        rule = rule_of(project)
    killed = start(
        folder, "quarantine", "orders", "--rule", rule, LAKEGATE_FAULT="quarantine.logged"
    )
    assert finish(killed).code == -signal.SIGKILL
    said = finish(start(folder, "publish", "orders", "--accept", rule, "--reason", "in a hurry"))
    assert said.code == 1, said
    assert "quarantined since" in " ".join(said.err.split())
    quarantined_once(folder)

"""The conservation proof knows quarantined rows, and names whatever does not add up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lakegate as lg
from lakegate.ledger.evidence import Positions
from lakegate.ledger.proof import prove
from lakegate.ledger.quarantine import less
from lakegate.ledger.seal import SealBook
from lakegate.pipeline.status import LakeTables
from lakegate.topic.base import Record, TopicPartition
from tests.integration.survival import make_project, order

FIX = """
stream: orders
description: They were sent twice on purpose.
matches: {{rule: quarantine.{rule}}}
steps:
  - set: {{path: $.note, value: again}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[lg.Project]:
    with lg.open(make_project(tmp_path, toml="[ledger]\nseal_after_s = 0\n")) as project:
        yield project


def send(project: lg.Project, *records: bytes) -> None:
    project.log.send("orders.raw", [Record(record, b"k") for record in records])
    project.run(until="idle")


def rule_of(project: lg.Project) -> str:
    (rule,) = [r.name for r in project.stream("orders").rules if r.metric == "duplicateValues"]
    return rule


def quarantine(project: lg.Project) -> int:
    project.audit("orders")
    return project.quarantine("orders", rules=[rule_of(project)]).rows


def test_seals_count_what_was_quarantined_and_pass_over_its_letters(project: lg.Project) -> None:
    send(project, order(1), b"bad", order(1), order(2))
    assert quarantine(project) == 1
    assert project.status().proven, "before it is published"
    project.audit("orders").publish()
    assert project.status().proven
    seal = SealBook(project.state_folder / "ledger").read("orders")
    assert sum(s.quarantined for s in seal.values()) == 1
    send(project, b"worse", order(3), order(3))
    assert quarantine(project) == 1
    project.audit("orders").publish()
    for full in (False, True, False):
        proof = project.status(full=full).proofs[0]
        assert proof.gaps == ()
        counts = {n: proof.total(n) for n in ("accepted", "landed", "published", "quarantined")}
        assert counts == {"accepted": 5, "landed": 5, "published": 3, "quarantined": 2}
        assert (proof.total("rejected"), proof.total("waiting_to_publish")) == (2, 0)


def gaps(project: lg.Project) -> tuple[str, ...]:
    seals = SealBook(project.state_folder / "none")
    stream = project.stream("orders")
    return prove(project.log, LakeTables(project.lake), stream, seals=seals, full=True).gaps


def test_a_row_that_vanished_without_a_dead_letter_is_named(project: lg.Project) -> None:
    send(project, order(1), order(2), order(3))
    gone = {TopicPartition("orders.raw", 0): np.array([1])}
    project.lake.take_off("orders", gone, upto={TopicPartition("x", 0): 1}, quarantines=("x",))
    (gap,) = gaps(project)
    assert "offset 1 validated, but not in orders@staged" in gap


def test_a_letter_of_a_row_that_is_gone_already_is_named(project: lg.Project) -> None:
    send(project, order(1), order(1))
    assert quarantine(project) == 1
    letters = TopicPartition("orders.deadletter", 0)
    (batch,) = project.log.read(letters, 0)
    project.log.append(letters, batch.rows)
    nothing = {TopicPartition("orders.raw", 0): np.array([], dtype=np.int64)}
    project.lake.take_off("orders", nothing, upto={letters: 2}, quarantines=("twice",))
    found = gaps(project)
    assert any("offset 1 quarantined, but never landed" in gap for gap in found), found


def test_a_letter_with_other_bytes_is_named(project: lg.Project) -> None:
    send(project, order(1), order(1))
    quarantine(project)
    project.log.erase(TopicPartition("orders.raw", 0), [1])
    assert any("other content" in gap for gap in gaps(project))


def test_of_a_row_that_came_twice_the_first_goes_first() -> None:
    rows = Positions(np.array([1, 2, 2, 3]), np.array([10, 20, 21, 30], np.uint64))
    gone = Positions(np.array([2, 3, 9]), np.zeros(3, np.uint64))
    left = less(rows, gone)
    assert left.offsets.tolist() == [1, 2]
    assert left.hashes.tolist() == [10, 21]


def staged(project: lg.Project) -> int:
    head = project.lake.head("orders", "staged")
    assert head is not None
    return head.rows


@pytest.mark.parametrize("seal", [False, True])
def test_a_quarantined_row_comes_back_by_replay_and_may_go_again(
    project: lg.Project, seal: bool
) -> None:
    send(project, order(1), b"bad", order(1), order(2))
    assert quarantine(project) == 1
    if seal:
        project.audit("orders").publish()
        assert project.status().proven
        assert project.status().proofs[0].total("sealed") == 4
    (project.root / "fixes").mkdir()
    (project.root / "fixes" / "sent-twice.yaml").write_text(FIX.format(rule=rule_of(project)))
    (replayed,) = project.replay("orders")
    assert replayed.requested == 1
    project.run(until="idle")
    assert staged(project) == 3
    assert gaps(project) == ()
    assert project.status().proven
    assert quarantine(project) == 1
    assert staged(project) == 2
    assert gaps(project) == ()
    project.audit("orders").publish()
    for full in (False, False, True):
        assert project.status(full=full).proofs[0].gaps == ()

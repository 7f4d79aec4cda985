"""Quarantine and acceptance through a project: the real log, the real lake, the real proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.audit.quarantine_letter import REBUILT
from lakegate.errors import AuditError, PublishRefused
from lakegate.testing.change import debezium_event
from lakegate.topic.base import Record, TopicPartition
from tests.integration.survival import call

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
      - {name: number, logicalType: integer, required: true, unique: true}
      - name: kind
        logicalType: string
        quality:
          - {id: kinds, metric: nullValues, mustBeLessThan: 30, unit: percent}
      - {name: total, logicalType: number, physicalType: "decimal(10,2)"}
      - {name: at, logicalType: timestamp}
    quality:
      - {id: enough, metric: rowCount, mustBeGreaterThan: 1}
      - id: above_average
        type: sql
        query: >-
          SELECT COUNT(*) FROM {object}
          WHERE total > (SELECT 100 * median(total) FROM {object})
        mustBe: 0
      - id: mean
        type: sql
        query: SELECT avg(total) < 1000 FROM {object}
        mustBe: true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "lakegate.toml").write_text("[log]\npartitions = 2\n")
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Iterator[lg.Project]:
    with lg.open(folder) as project:
        yield project


def order(number: int, total: float = 1.5, kind: str | None = "a") -> dict[str, object]:
    return {"number": number, "total": total, "kind": kind}


def send(project: lg.Project, *records: dict[str, object]) -> None:
    raw = [
        Record(json.dumps(r).encode(), str(r["number"]).encode(), (("trace", b"\x00\xff"),), 1000)
        for r in records
    ]
    project.log.send("orders.raw", raw)
    project.run(until="idle")


def duplicates_rule(project: lg.Project) -> str:
    (rule,) = [r.name for r in project.stream("orders").rules if r.metric == "duplicateValues"]
    return rule


def numbers(project: lg.Project, branch: str) -> list[int]:
    head = project.lake.head("orders", branch)
    assert head is not None
    found = project.lake.scan("orders", snapshot_id=head.snapshot_id, columns=["number"])
    return sorted(n for batch in found for n in batch["number"].to_pylist())


def dead(project: lg.Project) -> list[dict[str, object]]:
    found = []
    for partition in range(2):
        source = TopicPartition("orders.deadletter", partition)
        for batch in project.log.read(source, 0):
            found += batch.rows.to_pylist()
    return found


def test_duplicates_leave_staged_and_become_dead_letters(project: lg.Project) -> None:
    send(project, order(1), order(2), order(2), order(3), order(3), order(3))
    rule = duplicates_rule(project)
    audited = project.audit("orders")
    with pytest.raises(PublishRefused, match="quarantine orders --rule"):
        audited.publish()
    preview = project.quarantine("orders", rules=[rule], dry_run=True)
    assert (preview.rows, preview.published, dead(project)) == (3, 0, [])
    done = project.quarantine("orders", rules=[rule], reason="sent twice", by="ada")
    assert done.rows == 3
    assert numbers(project, "staged") == [1, 2, 3]
    letters = dead(project)
    assert len(letters) == 3
    for letter in letters:
        original = next(
            batch.rows.to_pylist()[0]
            for batch in project.log.read(
                TopicPartition(letter["source_topic"], letter["source_partition"]),
                letter["source_offset"],
                max_records=1,
            )
        )
        assert original == {name: letter[name] for name in original}
        assert letter["headers"] == [{"key": "trace", "value": b"\x00\xff"}]
        (reason,) = letter["reasons"]
        assert reason["rule"] == f"quarantine.{rule}"
        assert (reason["path"], reason["severity"]) == ("$.number", "error")
        assert json.loads(reason["observed"]) == json.loads(letter["value"])["number"]
    with pytest.raises(PublishRefused, match="quarantined since"):
        project.lake.publish(
            "orders",
            snapshot_id=audited.report.snapshot_id,
            expected_main=audited.report.main_snapshot_id,
        )
    project.audit("orders").publish()
    assert numbers(project, "main") == [1, 2, 3]
    proof = project.status(full=True).proofs[0]
    assert proof.gaps == ()
    counts = {n: proof.total(n) for n in ("accepted", "rejected", "landed", "published")}
    assert counts == {"accepted": 6, "rejected": 0, "landed": 6, "published": 3}
    assert (proof.total("quarantined"), proof.total("waiting_to_publish")) == (3, 0)
    (note,) = project.quarantines.quarantines("orders")
    assert (note.reason, note.by, note.rows) == ("sent twice", "ada", 3)


def test_a_second_quarantine_of_the_same_audit_finds_nothing_left(project: lg.Project) -> None:
    send(project, order(1), order(1), order(2))
    rule = duplicates_rule(project)
    project.audit("orders")
    assert project.quarantine("orders", rules=[rule]).rows == 1
    assert project.quarantine("orders", rules=[rule]).rows == 0
    assert len(dead(project)) == 1


def test_published_rows_stay_and_are_the_first_of_their_kind(project: lg.Project) -> None:
    send(project, order(1), order(2))
    project.audit("orders").publish()
    send(project, order(1, 2.5), order(3))
    project.audit("orders")
    done = project.quarantine("orders", rules=[duplicates_rule(project)])
    assert (done.rows, done.published) == (1, 0)
    (letter,) = dead(project)
    assert json.loads(letter["value"])["total"] == 2.5


def test_rows_a_query_counts_and_rows_of_two_rules(project: lg.Project) -> None:
    send(project, order(1), order(2), order(3, 9000.0, None), order(4, 1.0, None), order(3))
    project.audit("orders")
    done = project.quarantine("orders", rules=["above_average", "kinds", duplicates_rule(project)])
    by_rule = {rule.rule: rule.rows for rule in done.note.rules}
    assert by_rule == {"above_average": 1, "kinds": 2, duplicates_rule(project): 1}
    rules = {
        json.loads(letter["value"])["number"]: sorted(r["rule"] for r in letter["reasons"])
        for letter in dead(project)
        if json.loads(letter["value"])["total"] != 1.5
    }
    assert rules == {
        3: ["quarantine.above_average", "quarantine.kinds"],
        4: ["quarantine.kinds"],
    }
    assert numbers(project, "staged") == [1, 2]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("enough", "none of them is wrong by itself"),
        ("mean", "true or false"),
        ("kinds", "nothing to quarantine"),
        ("none_such", "has no such rule; failed"),
    ],
)
def test_a_rule_that_names_no_row_is_refused(project: lg.Project, rule: str, says: str) -> None:
    send(project, order(1, 5000.0))
    project.audit("orders")
    with pytest.raises(AuditError, match=says):
        project.quarantine("orders", rules=[rule])
    assert dead(project) == []


def test_what_retention_took_is_built_again(project: lg.Project, monkeypatch) -> None:
    send(project, {"number": 1, "at": "2026-01-01T00:00:00Z", "new": [1]}, order(2), order(2))
    send(project, {"number": 1, "total": 2.25, "at": "2026-01-01T00:00:00Z", "new": [1]})
    project.audit("orders")
    monkeypatch.setattr(type(project.log), "start_offset", lambda self, source: _beyond(source))
    done = project.quarantine("orders", rules=[duplicates_rule(project)])
    monkeypatch.undo()
    assert (done.rows, done.note.rebuilt) == (2, 2)
    letter = next(one for one in dead(project) if b"2.25" in one["value"])
    assert letter["headers"][0]["key"] == REBUILT
    assert json.loads(letter["value"]) == {
        "number": 1,
        "total": 2.25,
        "at": "2026-01-01T00:00:00Z",
        "new": [1],
    }


def _beyond(source: TopicPartition) -> int:
    return 1 << 40 if source.topic == "orders.raw" else 0


def test_publish_in_spite_of_a_rule(project: lg.Project, folder: Path) -> None:
    send(project, order(1), order(1))
    rule = duplicates_rule(project)
    audited = project.audit("orders")
    with pytest.raises(PublishRefused, match="needs a reason"):
        audited.publish(accept=[rule])
    with pytest.raises(PublishRefused, match="enough did not fail"):
        audited.publish(accept=["enough"], reason="so be it")
    assert project.quarantines.acceptances("orders") == ()
    published = audited.publish(accept=[rule], reason="twins", by="ada")
    (kept,) = project.quarantines.acceptances("orders", snapshot_id=published.snapshot_id)
    assert (kept.rule, kept.reason, kept.by, kept.offending) == (rule, "twins", "ada", 1)
    (said,) = project.status().decisions
    assert "in spite of" in said
    assert "ada" in said
    assert "twins" in said
    assert "in spite of" in call(folder, "status").out
    send(project, order(5))
    with pytest.raises(PublishRefused, match=rule):
        project.audit("orders").publish()


def test_every_other_failed_rule_still_holds_back(project: lg.Project) -> None:
    send(project, order(1), order(1), order(2, 9000.0, None), order(3, kind=None))
    rule = duplicates_rule(project)
    with pytest.raises(PublishRefused, match="above_average"):
        project.audit("orders").publish(accept=[rule], reason="twins")


def test_the_command_line(project: lg.Project, folder: Path) -> None:
    send(project, order(1), order(1), order(2))
    project.audit("orders")
    rule = duplicates_rule(project)
    project.close()
    said = call(folder, "quarantine", "orders", "--rule", rule, "--dry-run")
    assert said.code == 0, said
    assert "1 rows would be taken off staged" in said.out
    said = call(folder, "quarantine", "orders", "--rule", rule, "--reason", "x", "--format", "json")
    assert json.loads(said.out)["quarantine"]["rows"] == 1
    assert call(folder, "quarantine", "orders", "--rule", rule).code == 1
    assert call(folder, "quarantine", "orders", "--rule", "enough").code == 2
    assert call(folder, "publish", "orders", "--accept", rule).code == 1
    assert call(folder, "publish", "--accept", rule, "--reason", "x").code == 2
    assert call(folder, "audit", "orders").code == 0
    assert call(folder, "publish", "orders").code == 0


CHANGES = """
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
      - {name: number, logicalType: integer, primaryKey: true}
      - {name: note, logicalType: string, required: true}
    quality:
      - id: kind_words
        type: sql
        query: SELECT COUNT(*) FROM {object} WHERE note = 'damn'
        mustBeLessThan: 1
    customProperties:
      - {property: lakegate.cdc, value: debezium}
"""


def test_of_changes_the_row_stands_as_it_was_before(folder: Path) -> None:
    (folder / "contracts" / "orders.odcs.yaml").write_text(CHANGES)
    sent = [
        debezium_event("c", after={"number": 1, "note": "a"}, lsn=1),
        debezium_event("c", after={"number": 2, "note": "b"}, lsn=2),
        debezium_event("u", after={"number": 1, "note": "damn"}, lsn=3),
    ]
    with lg.open(folder) as project:
        with project.producer("orders") as producer:
            for event in sent:
                producer.send(event, key=b"k")
        project.run(until="idle")
        assert not project.audit("orders").passed
        assert project.quarantine("orders", rules=["kind_words"]).rows == 1
        (letter,) = dead(project)
        assert (letter["value"], letter["source_topic"]) == (sent[2], "orders.cdc")
        project.audit("orders").publish()
        project.merge("orders")
        found = project.sql("select number, note from orders_current order by 1").fetchall()
        assert found == [(1, "a"), (2, "b")]
        assert project.status(full=True).proofs[0].gaps == ()

"""Relationships at the gate, through a project: keys come from what is published, and follow it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.errors import LakeError
from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.pipeline import referring
from lakegate.pipeline.project import Project, open_project
from lakegate.state.reference_store import ReferenceStore
from lakegate.topic.base import TopicPartition
from tests.integration.survival import call

_CUSTOMERS = """
apiVersion: v3.1.0
kind: DataContract
id: customers
name: customers
version: 1.0.0
status: active
schema:
  - name: customers
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: country, logicalType: string}
"""
_ORDERS = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: number, logicalType: integer, required: true, primaryKey: true}
      - name: customer
        logicalType: string
        relationships:
          - to: customers.id
            customProperties:
              - {property: lakegate.place, value: gate}
              - {property: lakegate.referenceLimit, value: 3}
"""
_NAME = "customer->customers.id"
_VALUES = [b'{"number":1,"customer":"C-2"}']


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "customers.odcs.yaml").write_text(_CUSTOMERS)
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(_ORDERS)
    (tmp_path / "lakegate.toml").write_text("[gate]\nreferences_s = 0.0\n")
    with open_project(tmp_path) as opened:
        yield opened


def _publish(project: Project, *names: str) -> int:
    _send(project, "customers", *({"id": name, "country": "AT"} for name in names))
    audited = project.audit("customers")
    assert audited.passed
    return audited.publish().snapshot_id


def _send(project: Project, stream: str, *records: dict[str, object]) -> None:
    with project.producer(stream) as producer:
        for record in records:
            producer.send(json.dumps(record).encode())
    project.run(stream, until="idle")


def _letters(project: Project) -> list[dict[str, str]]:
    rows = project.log.read(TopicPartition("orders.deadletter", 0), 0)
    return [reason for batch in rows for row in batch.rows.to_pylist() for reason in row["reasons"]]


def test_keys_come_from_what_is_published_and_follow_it(project: Project) -> None:
    _send(project, "orders", {"number": 1, "customer": "C-9"})
    assert _letters(project) == []  # nothing is published: nothing is rejected for lack of data
    assert any("published nothing yet" in said for said in project.status("orders").decisions)

    first = _publish(project, "C-1", "C-2")
    _send(project, "orders", {"number": 2, "customer": "C-1"}, {"number": 3, "customer": "C-3"})
    (reason,) = _letters(project)
    assert (reason["path"], reason["rule"], reason["observed"]) == (
        "$.customer", "reference", '"C-3"',
    )  # fmt: skip
    assert f"as of snapshot {first} " in reason["expected"]

    second = _publish(project, "C-3")
    _send(project, "orders", {"number": 4, "customer": "C-3"})
    assert len(_letters(project)) == 1
    kept = ReferenceStore(project.state).history("orders", _NAME)
    assert [(one.snapshot_id, one.keys) for one in kept] == [(None, None), (first, 2), (second, 3)]
    status = project.status("orders")
    assert status.proven
    assert not any("relationship" in said for said in status.decisions)


def test_validated_batches_name_the_snapshot_they_were_judged_by(project: Project) -> None:
    first = _publish(project, "C-1")
    _send(project, "orders", {"number": 1, "customer": "C-1"})
    (batch,) = project.log.read(TopicPartition("orders.validated", 0), 0)
    assert json.loads(batch.rows.schema.metadata[b"lakegate.references"]) == {_NAME: first}
    assert project.lake.head("orders", "staged") is not None


def test_too_many_keys_leave_it_to_the_audit(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = referring._read
    monkeypatch.setattr(referring, "_read", lambda *given: reads.append(1) or read(*given))
    _publish(project, "C-1", "C-2", "C-3")
    _send(project, "orders", {"number": 1, "customer": "C-1"})
    _publish(project, "C-4")
    _send(project, "orders", {"number": 2, "customer": "C-9"})
    assert len(reads) == 2  # of each snapshot once, however many rounds there are
    assert _letters(project) == []
    (said,) = [said for said in project.status("orders").decisions if _NAME in said]
    assert "customers has more than 3 keys" in said
    assert said.endswith("it is judged at the audit")
    report = project.audit("orders").report
    assert [one.name for one in report.results if one.status == "failed"] == [_NAME]


def test_validate_and_preview_judge_by_the_same_keys(project: Project, tmp_path: Path) -> None:
    first = _publish(project, "C-1")
    file = tmp_path / "orders.ndjson"
    file.write_text('{"number":1,"customer":"C-1"}\n{"number":2,"customer":"C-9"}\n')
    contract = str(tmp_path / "contracts" / "orders.odcs.yaml")
    said = call(tmp_path, "validate", contract, str(file), "--format", "json")
    assert said.code == 1
    (failure,) = json.loads(said.out)["failures"]
    assert failure["rule"] == "reference"
    assert f"snapshot {first} " in failure["expected"]

    _send(project, "orders", {"number": 2, "customer": "C-9"})
    (tmp_path / "fixes").mkdir()
    (tmp_path / "fixes" / "one.yaml").write_text(
        "stream: orders\nmatches: {rule: reference}\n"
        "steps:\n  - map: {path: $.customer, values: {C-9: C-8}}\n"
    )
    (seen,) = project.preview("orders")
    assert [(one.rule, one.path) for one in seen.failing] == [("reference", "$.customer")]


def test_what_came_before_its_key_is_replayed_as_it_is_once_the_key_is_there(
    project: Project,
) -> None:
    _publish(project, "C-1")
    _send(project, "orders", {"number": 2, "customer": "C-2"})
    _publish(project, "C-2")
    (sent,) = project.replay("orders", unchanged=True, why="the customer is there now")
    assert sent.tally.ready == 1
    project.run("orders", until="idle")
    assert project.status("orders").proven
    assert project.deadletters("orders").causes().causes[0].open == 0


def test_keys_stay_in_force_while_the_table_cannot_be_read_and_are_not_looked_at_too_often(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _publish(project, "C-1")
    now = [0.0]
    source = referring.References(project, clock=lambda: now[0])
    monkeypatch.setattr(source, "_every_s", 5.0)
    gate = compile(project.stream("orders"))
    held = source(gate)
    assert held(_VALUES).references == {_NAME: first}  # type: ignore[call-arg]
    _publish(project, "C-2")
    assert source(gate) is held

    def refuse(*_given: object) -> None:
        raise LakeError("the disk is away")

    monkeypatch.setattr(referring, "_read", refuse)
    now[0] = 6.0
    assert source(gate)(_VALUES).references == {_NAME: first}  # type: ignore[call-arg]
    assert source.problems == {_NAME: "the disk is away"}
    monkeypatch.undo()
    now[0] = 12.0
    assert len(source(gate)(_VALUES).rejected) == 0  # type: ignore[call-arg]
    assert source.problems == {}

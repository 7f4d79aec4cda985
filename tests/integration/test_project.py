"""Whole flows through a project, by the public API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.errors import PublishRefused
from lakegate.topic.base import Record, TopicPartition

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: {version}
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{id: number, name: {number}, logicalType: integer, required: true, primaryKey: true}}
      - {{name: total, logicalType: number, physicalType: "decimal(10,2)", logicalTypeOptions: {{minimum: 0}}}}
{more}
    quality:
      - {{id: enough, metric: rowCount, mustBeGreaterThan: 2}}
{custom}
"""


def contract(
    folder: Path,
    version: str = "1.0.0",
    *,
    number: str = "number",
    more: str = "",
    custom: str = "",
) -> None:
    (folder / "contracts").mkdir(exist_ok=True)
    text = CONTRACT.format(version=version, number=number, more=more, custom=custom)
    (folder / "contracts" / "orders.odcs.yaml").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    contract(tmp_path)
    (tmp_path / "lakegate.toml").write_text("[log]\npartitions = 2\n")
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Iterator[lg.Project]:
    with lg.open(folder) as project:
        yield project


def send(project: lg.Project, *records: object, name: str = "number") -> None:
    with project.producer("orders") as producer:
        for record in records:
            value = json.dumps(record).encode() if not isinstance(record, bytes) else record
            key = record.get(name, "") if isinstance(record, dict) else ""
            producer.send(value, key=str(key).encode())


def orders(*numbers: int, total: float = 1.5) -> list[dict[str, object]]:
    return [{"number": number, "total": total} for number in numbers]


def test_from_raw_to_published(project: lg.Project) -> None:
    send(project, *orders(1, 2, 3, 4), {"number": "five"}, b"\xff")
    done = project.run(until="idle")["orders"]
    assert (done.accepted, done.rejected) == (4, 2)
    audited = project.audit("orders")
    assert audited.passed
    assert project.sql("select count(*) from orders").fetchall() == [(0,)], "not published yet"
    audited.publish()
    rows = project.sql("select number, total from orders order by 1").fetchall()
    assert [row[0] for row in rows] == [1, 2, 3, 4]
    assert str(rows[0][1]) == "1.50"
    assert project.status().proven


def test_what_fails_the_audit_stays_staged(project: lg.Project) -> None:
    send(project, *orders(1, 2))
    project.run(until="idle")
    audited = project.audit("orders")
    assert not audited.passed
    with pytest.raises(PublishRefused, match="enough"):
        audited.publish()
    send(project, *orders(3))
    project.run(until="idle")
    project.audit("orders").publish()
    assert project.sql("select count(*) from orders").fetchall() == [(3,)]


def test_an_audit_of_an_older_snapshot_publishes_just_that(project: lg.Project) -> None:
    send(project, *orders(1, 2, 3))
    project.run(until="idle")
    audited = project.audit("orders")
    send(project, *orders(4))
    project.run(until="idle")
    audited.publish()
    assert project.sql("select count(*) from orders").fetchall() == [(3,)]
    status = project.status()
    assert status.proven
    assert status.proofs[0].total("waiting_to_publish") == 1


def test_tombstones_are_passed_on_and_counted(project: lg.Project) -> None:
    raw = "orders.raw"
    value = json.dumps(orders(1)[0]).encode()
    project.log.send(raw, [Record(value, b"a"), Record(None, b"a"), Record(value, b"a")])
    project.log.send(raw, [Record(None, b"b")])
    done = project.run(until="idle")["orders"]
    assert (done.accepted, done.tombstones) == (2, 2)
    status = project.status()
    assert status.proven, status.proofs[0].gaps
    assert status.proofs[0].total("landed") == 2
    assert project.land("orders") == 0
    project.log.send(raw, [Record(value, b"c")])
    project.run(until="idle")
    assert project.status().proofs[0].total("landed") == 3


def test_a_contract_changes_while_data_flows(folder: Path) -> None:
    with lg.open(folder) as project:
        send(project, *orders(1, 2, 3))
        project.run(until="idle")
        project.audit("orders").publish()
    more = "      - {name: note, logicalType: string}"
    contract(folder, "2.0.0", number="order_number", more=more)
    with lg.open(folder) as project:
        fresh = {"order_number": 4, "total": 2.5, "note": "hello"}
        send(project, fresh, *orders(5), name="order_number")
        done = project.run(until="idle")["orders"]
        assert (done.accepted, done.rejected) == (1, 1), "the old name is not known any more"
        project.audit("orders").publish()
        rows = project.sql("select order_number, note from orders order by 1").fetchall()
        assert rows == [(1, None), (2, None), (3, None), (4, "hello")]
        status = project.status(full=True)
        assert status.proven, status.proofs[0].gaps
        versions = {entry.contract.version for entry in project.log.ledger("orders")}
        assert versions == {"1.0.0", "2.0.0"}


def test_the_same_version_with_another_digest_is_refused(folder: Path) -> None:
    with lg.open(folder) as project:
        send(project, *orders(1))
        project.run(until="idle")
    contract(folder, more="      - {name: note, logicalType: string}")
    with lg.open(folder) as project, pytest.raises(lg.LakegateError, match="without a new version"):
        project.run(until="idle")


def test_a_broken_contract_leaves_the_last_good_one_in_force(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with lg.open(folder) as project:
        send(project, *orders(1))
        seen: list[int] = []

        def breaking(_stream: str, progress: object) -> None:
            seen.append(1)
            if len(seen) == 1:
                (folder / "contracts" / "orders.odcs.yaml").write_text("kind: nonsense")
                send(project, *orders(2, 3))

        done = project.run(until="idle", on_progress=breaking)["orders"]
        assert done.accepted == 3
    assert "stays in force" in caplog.text


def test_a_critical_failure_pauses_until_somebody_resumes(folder: Path) -> None:
    severe = """      - name: kind
        logicalType: string
        quality:
          - {id: known, metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0, severity: critical}"""
    contract(folder, more=severe)
    with lg.open(folder) as project:
        send(project, {"number": 1, "kind": "z"})
        project.run(until="idle")
        send(project, {"number": 2, "kind": "a"}, {"number": 3, "kind": "a"})
        assert project.run(until="idle")["orders"].records == 0
        (pause,) = project.status().pauses
        assert "invalidValues" in pause
        assert "`lakegate resume orders" in pause
        assert project.resume("orders", reason="kind z is fine now")
        assert project.run(until="idle")["orders"].accepted == 2


def test_retention_waits_for_the_proof(folder: Path) -> None:
    (folder / "lakegate.toml").write_text(
        "[log]\nretention_age_s = 0\nsegment_bytes = 4096\n[ledger]\nseal_after_s = 0\n"
    )
    with lg.open(folder) as project:
        send(project, *orders(*range(500)))
        project.run(until="idle")
        raw = TopicPartition("orders.raw", 0)
        project.log.retain()
        assert project.log.start_offset(raw) == 0, "not proven yet"
        project.audit("orders").publish()
        assert project.status().proven
        project.log.retain()
        assert project.log.start_offset(raw) == 500
        send(project, *orders(500, 501))
        project.run(until="idle")
        status = project.status(full=True)
        assert status.proven, status.proofs[0].gaps
        assert status.proofs[0].total("raw") == 502
        assert status.proofs[0].total("landed") == 502


def test_lake_damage_is_named(project: lg.Project) -> None:
    send(project, *orders(1, 2, 3))
    project.run(until="idle")
    project.audit("orders").publish()
    (file,) = (project.state_folder / "lake" / "warehouse").rglob("data/**/*.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    status = project.status()
    assert not status.proven
    assert any(file.name in gap for gap in status.proofs[0].gaps), status.proofs[0].gaps
    file.unlink()
    assert any(file.name in gap for gap in project.status().proofs[0].gaps)


def test_a_row_deleted_behind_our_back_is_named(project: lg.Project) -> None:
    send(project, *orders(1, 2, 3, 4))
    project.run(until="idle")
    project.audit("orders").publish()
    project.lake.table("orders").delete("number = 3")
    status = project.status()
    assert not status.proven
    assert any("validated, but not in orders@main" in gap for gap in status.proofs[0].gaps)


def test_a_clock_that_goes_back_is_harmless(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lg.open(folder) as project:
        send(project, *orders(1, 2))
        project.run(until="idle")

        class Earlier(datetime):
            @classmethod
            def now(cls, tz=None):  # type: ignore[no-untyped-def]
                return datetime(2001, 1, 1, tzinfo=UTC)

        monkeypatch.setattr("lakegate.pipeline.project.datetime", Earlier)
        project.log._clock = lambda: datetime(2001, 1, 1, tzinfo=UTC)
        send(project, *orders(3, 4))
        project.run(until="idle")
        project.audit("orders").publish()
        assert project.status().proven
        assert project.sql("select count(*) from orders").fetchall() == [(4,)]


def test_worker_and_lander_follow_a_contract_that_changes_while_they_run(folder: Path) -> None:
    with lg.open(folder) as project:
        send(project, *orders(1, 2, 3))
        changed: list[int] = []

        def change(_stream: str, _progress: object) -> None:
            if not changed:
                changed.append(1)
                contract(folder, "1.1.0", more="      - {name: note, logicalType: string}")
                send(project, {"number": 4, "total": 1, "note": "new"})

        project.run(until="idle", on_progress=change)
        versions = [entry.contract.version for entry in project.log.ledger("orders")]
        assert set(versions) == {"1.0.0", "1.1.0"}
    with lg.open(folder) as project:
        project.audit("orders").publish()
        rows = project.sql("select number, note from orders order by 1").fetchall()
        assert rows == [(1, None), (2, None), (3, None), (4, "new")]
        assert project.status(full=True).proven

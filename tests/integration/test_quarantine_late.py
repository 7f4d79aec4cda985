"""Windows of event time: final, reopened by a late record, and what holds main back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.audit.base import EventClock
from lakegate.audit.late import WindowState
from lakegate.audit.result import Status
from lakegate.topic.base import Record
from tests.integration.survival import call

START = datetime(2026, 3, 1, tzinfo=UTC)
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
      - {name: number, logicalType: integer, required: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: note, logicalType: string}
    quality:
      - id: hourly
        metric: rowCount
        mustBeBetween: [2, 3]
        customProperties: [{property: lakegate.window, value: 1h}]
customProperties:
  - {property: lakegate.eventTime, value: at}
  - {property: lakegate.allowedLateness, value: 30m}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "lakegate.toml").touch()
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Iterator[lg.Project]:
    with lg.open(folder) as project:
        yield project


def send(project: lg.Project, *minutes: int) -> None:
    records = [
        Record(json.dumps({"number": m, "at": f"{START + timedelta(minutes=m):%FT%TZ}"}).encode())
        for m in minutes
    ]
    project.log.send("orders.raw", records)
    project.run(until="idle")


def audit(project: lg.Project, minutes: int | None = None):
    watermark = None if minutes is None else START + timedelta(minutes=minutes)
    audited = project.audit("orders", clock=EventClock(watermark))
    (result,) = [r for r in audited.report.results if r.name == "hourly"]
    return audited, result


def newest(project: lg.Project) -> dict[int, tuple[WindowState, Status, int, int, int]]:
    found = project.windows.newest("orders", "hourly")
    return {
        (start - START) // timedelta(hours=1): (w.state, w.status, w.rows, w.late, w.revision)
        for start, w in found.items()
    }


def test_an_open_window_holds_nothing_back_and_counts_what_is_allowed_late(
    project: lg.Project,
) -> None:
    send(project, 5, 61)
    audited, result = audit(project, 80)
    assert result.status is Status.PASSED, "the first hour is open for half an hour more"
    assert newest(project)[0] == (WindowState.OPEN, Status.FAILED, 1, 0, 1)
    audited.publish()
    send(project, 50)
    _, result = audit(project, 91)
    assert result.status is Status.PASSED
    assert newest(project)[0] == (WindowState.FINAL, Status.PASSED, 2, 0, 2)


def test_a_later_record_reopens_its_window(project: lg.Project, folder: Path) -> None:
    send(project, 1, 2, 3, 70, 71, 200)
    audited, result = audit(project, 150)
    assert result.status is Status.PASSED
    assert newest(project)[0] == (WindowState.FINAL, Status.PASSED, 3, 0, 1)
    audited.publish()
    send(project, 4)
    audited, result = audit(project, 150)
    assert newest(project)[0] == (WindowState.REOPENED, Status.FAILED, 4, 1, 2)
    assert result.status is Status.FAILED
    assert "2026-03-01T00:00:00Z (reopened, observed 4)" in result.sentence()
    audited.publish(accept=["hourly"], reason="one more is fine")
    _, result = audit(project, 150)
    assert result.status is Status.PASSED, "published: it holds nothing back any more"
    assert [w.revision for w, _, _ in project.windows.history("orders", "hourly")][:1] == [2]
    said = call(folder, "audit", "orders", "--history")
    assert "reopened" in said.out
    assert "4 (+1)" in said.out
    assert "accepted hourly" in said.out
    lines = call(folder, "audit", "orders", "--history", "--format", "json").out.splitlines()
    assert any(json.loads(line).get("window", {}).get("state") == "reopened" for line in lines)


def test_an_hour_without_rows_is_a_window_too(project: lg.Project) -> None:
    send(project, 1, 2, 130, 131, 300)
    audited, result = audit(project, 240)
    assert result.status is Status.FAILED
    assert "2026-03-01T01:00:00Z (final, observed 0)" in result.sentence()
    assert not audited.passed
    again, result = audit(project, 240)
    assert result.status is Status.FAILED, "asking again does not make it good"
    again.publish(accept=["hourly"], reason="we slept")
    assert audit(project, 240)[1].status is Status.PASSED


def test_the_watermark_is_now_on_the_event_clock(project: lg.Project) -> None:
    send(project, 1, 89)
    assert audit(project)[1].status is Status.PASSED
    send(project, 90)
    assert audit(project)[1].status is Status.FAILED

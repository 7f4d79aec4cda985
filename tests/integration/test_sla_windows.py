"""A service level per window, from contract to incident and proof, through the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lakegate as lg
from lakegate.topic.base import Record
from tests.integration.survival import call, proven

START = datetime(2026, 3, 1, tzinfo=UTC)
CONTRACT = """
apiVersion: v3.2.0
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
    quality:
      - id: twins
        metric: duplicateValues
        arguments: {properties: [number]}
        mustBe: 0
        customProperties: [{property: lakegate.window, value: 1h}]
slaProperties:
  - property: throughput
    value: 2
    unit: rows/h
    customProperties: [{property: lakegate.window, value: 1h}]
  - property: frequency
    value: 40
    unit: m
    customProperties: [{property: lakegate.window, value: 1h}]
customProperties:
  - {property: lakegate.eventTime, value: at}
  - {property: lakegate.allowedLateness, value: 10m}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    settings = '[alerts]\ndefault = ["stdout"]\nclock = "event"\nsettle_s = 0\n'
    (tmp_path / "lakegate.toml").write_text(settings)
    return tmp_path


def send(folder: Path, *rows: tuple[int, int]) -> None:
    """Rows as minute and number."""
    with lg.open(folder) as project:
        records = [
            Record(
                json.dumps({"number": n, "at": f"{START + timedelta(minutes=m):%FT%TZ}"}).encode()
            )
            for m, n in rows
        ]
        project.log.send("orders.raw", records)
        project.run(until="idle")


def audit(folder: Path) -> dict[str, Any]:
    said = call(folder, "audit", "orders", "--clock", "event", "--format", "json")
    return {one["name"]: one for one in json.loads(said.out)["results"]}


def publish(folder: Path) -> None:
    assert call(folder, "publish", "orders").code == 0


def incidents(folder: Path) -> dict[str, str]:
    """What the watch makes of it: the rule, and the summary of its open incident."""
    call(folder, "alert", "check")
    lines = call(folder, "incident", "list", "--format", "json").out.splitlines()
    return {one["rule"]: one["summary"] for one in map(json.loads, lines)}


def history(folder: Path, rule: str) -> Iterator[tuple[str, str, str, str, int, str]]:
    """Every revision of every window of a level, the newest first."""
    said = call(folder, "audit", "orders", "--history", "--format", "json")
    for line in said.out.splitlines():
        one = json.loads(line).get("window")
        if one is not None and one["rule"] == rule:
            yield (
                one["start"][11:16], one["state"], one["status"], str(one["observed"]),
                one["late"], one["reason"],
            )  # fmt: skip


@pytest.mark.slow
def test_late_data_reopens_the_windows_of_a_service_level(folder: Path) -> None:
    send(folder, (5, 1), (35, 2), (50, 3), (75, 4), (130, 5), (150, 6), (195, 7))
    found = audit(folder)
    volume, silence = found["sla.throughput.1h"], found["sla.frequency.1h"]
    assert (volume["status"], silence["status"]) == ("failed", "failed")
    assert "2026-03-01T01:00:00Z (final, observed 1)" in volume["message"]
    assert "2026-03-01T02:00:00Z (final, observed 55 min)" in silence["message"]
    publish(folder)
    said = incidents(folder)
    assert sorted(said) == ["sla.frequency.1h", "sla.throughput.1h"]
    assert (
        "in each window of 1 h: at least 2 rows per h, observed 1 window ("
        in said["sla.throughput.1h"]
    )

    assert audit(folder)["sla.throughput.1h"]["status"] == "not measured"
    assert sorted(incidents(folder)) == sorted(said), "no news is no good news"
    levels = call(folder, "alert", "levels", "orders", "--format", "json").out.splitlines()
    assert "no closed window has new rows" in {json.loads(line)["how"] for line in levels}

    send(folder, (100, 8))
    found = audit(folder)
    assert {one["status"] for one in found.values()} == {"passed"}
    assert incidents(folder) == {}, "what was missed has been made good"
    revisions = list(history(folder, "sla.throughput.1h"))
    assert revisions[0] == ("01:00", "reopened", "passed", "2", 1, "1 row came late")
    assert ("01:00", "final", "failed", "1", 0, "") in revisions, "what it was stays"
    why = "rows of an earlier window came late or were taken off"
    revisions = list(history(folder, "sla.frequency.1h"))
    assert ("02:00", "reopened", "passed", "1800", 0, why) in revisions
    assert "reopened" in call(folder, "audit", "orders", "--history").out
    publish(folder)
    status = " ".join(call(folder, "status").out.split())
    assert (
        "orders: sla.throughput.1h of the window from 2026-03-01 01:00:00 was reopened: 1 row came "
        "late; it was failed (1 rows per h), it is passed (2 rows per h)"
    ) in status
    proven(folder, published=8)


@pytest.mark.slow
def test_late_data_that_worsens_a_window_opens_an_incident(folder: Path) -> None:
    text = (folder / "contracts" / "orders.odcs.yaml").read_text()
    latency = text.replace("property: frequency", "property: latency")
    (folder / "contracts" / "orders.odcs.yaml").write_text(latency)
    send(folder, (5, 1), (35, 2), (75, 3), (80, 4), (150, 5))
    assert audit(folder)["sla.latency.1h"]["status"] == "passed"
    publish(folder)
    assert incidents(folder) == {}
    send(folder, (40, 6))
    assert audit(folder)["sla.latency.1h"]["status"] == "failed"
    said = incidents(folder)["sla.latency.1h"]
    assert "2026-03-01T00:00:00Z (reopened, observed 1 h 50 min)" in said
    publish(folder)
    incident = call(folder, "incident", "show", "1")
    assert "lakegate audit orders --history" in incident.out
    send(folder, (200, 7), (210, 8), (280, 9))
    assert audit(folder)["sla.latency.1h"]["status"] == "passed"
    assert "sla.latency.1h" not in incidents(folder), "the windows since keep to it"


def test_quarantine_takes_off_what_offends_within_its_window(folder: Path) -> None:
    send(folder, (5, 1), (10, 1), (40, 2), (65, 1), (70, 2), (100, 2), (150, 2))
    assert audit(folder)["twins"]["status"] == "failed"
    said = call(folder, "quarantine", "orders", "--rule", "twins", "--format", "json")
    assert said.code == 0
    with lg.open(folder) as project:
        stream = project.stream("orders")
        staged = project.lake.head(stream, "staged")
        assert staged is not None
        batches = project.lake.scan(stream, snapshot_id=staged.snapshot_id)
        times = [at for batch in batches for at in batch.column("at").to_pylist()]
    minutes = [(at - START) // timedelta(minutes=1) for at in times]
    assert sorted(minutes) == [5, 40, 65, 70, 150], "each hour may have each number once"
    assert audit(folder)["twins"]["status"] == "passed"
    revisions = list(history(folder, "twins"))
    assert ("01:00", "reopened", "passed", "0", -1, "1 row was taken off") in revisions
    publish(folder)
    proven(folder, published=5, quarantined=2)


@pytest.mark.slow
def test_what_was_refused_is_refused_again(folder: Path) -> None:
    contract = folder / "contracts" / "orders.odcs.yaml"
    text = contract.read_text().replace("metric: duplicateValues", "metric: rowCount")
    text = text.replace(
        "arguments: {properties: [number]}\n        mustBe: 0", "mustBeGreaterThan: 1"
    )
    contract.write_text(text)
    send(folder, (5, 1), (35, 2), (130, 3), (150, 4))
    assert "01:00:00Z (final, observed 0)" in audit(folder)["twins"]["message"]
    assert call(folder, "publish", "orders").code != 0
    assert audit(folder)["twins"]["status"] == "failed", "nothing has changed"
    send(folder, (40, 5))
    assert audit(folder)["twins"]["status"] == "failed", "a row of another hour changes nothing"
    assert call(folder, "publish", "orders").code != 0
    accepted = call(folder, "publish", "orders", "--accept", "twins", "--reason", "closed at night")
    assert accepted.code == 0
    send(folder, (155, 6))
    assert audit(folder)["twins"]["status"] == "passed"
    publish(folder)

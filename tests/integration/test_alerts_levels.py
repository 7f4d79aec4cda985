"""Service levels as data flows: the same contract, read from log, ledger and lake."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakegate.audit.base import EventClock
from lakegate.pipeline.project import Project, open_project
from lakegate.pipeline.watching import Tick
from lakegate.state.sla_store import ServiceLevelStore
from tests.integration.survival import make_project

MORE = """
      - {name: at, logicalType: timestamp}
      - {name: day, logicalType: date}
slaProperties:
  - {property: latency, value: 1, unit: h}
  - {property: frequency, value: 10, unit: m}
  - {property: frequency, value: 2, unit: d, element: orders.day}
  - {property: retention, value: 3, unit: d}
  - {property: errorRate, value: 10, unit: percent}
  - {property: throughput, value: 1, unit: rows/h}
customProperties:
  - {property: lakegate.eventTime, value: at}
  - {property: lakegate.alertThreshold, value: 2}
"""
TOML = '[alerts]\ndefault = ["stdout"]\nsla_window_s = 600\nsettle_s = 0\nstuck_after_s = 1e6\n'

NUMBERS = itertools.count()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_project(tmp_path / "p", more=MORE, toml=TOML)


def send(folder: Path, *times: datetime, bad: int = 0) -> None:
    values = [
        {"number": next(NUMBERS), "note": "x", "at": at.isoformat(), "day": f"{at:%Y-%m-%d}"}
        for at in times
    ]
    with open_project(folder) as project:
        with project.producer("orders") as producer:
            for value in [*values, *([{"number": "bad"}] * bad)]:
                producer.send(key=b"k", value=json.dumps(value).encode())
        project.run(until="idle")


def judged_at(folder: Path) -> datetime:
    """When the newest records were, by the books: the watch reckons from there."""
    with open_project(folder) as project:
        times = [entry.at for entry in project.log.ledger("orders") if entry.at is not None]
    return max(times)


def levels(tick: Tick) -> dict[str, tuple[str, float | None]]:
    return {
        one.name.removeprefix("sla."): (
            str(one.status),
            None if one.observed is None else round(float(one.observed), 1),
        )
        for one in tick.measured
    }


def tick(folder: Path, at: datetime) -> Tick:
    with open_project(folder) as project, project.watch() as watch:
        return watch.tick(at)


def test_nothing_is_measured_of_an_empty_stream(folder: Path) -> None:
    found = levels(tick(folder, datetime.now(UTC)))
    assert {status for status, _ in found.values()} == {"not measured"}
    assert len(found) == 6


def test_latency_is_of_what_waits_to_be_published(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now - timedelta(hours=3), now - timedelta(minutes=1))
    first = tick(folder, now)
    status, observed = levels(first)["latency"]
    assert (status, observed) == ("failed", 10_800.0)
    assert {i.key.rule for i, _ in first.changes} >= {"sla.latency"}
    with open_project(folder) as project:
        project.audit("orders").publish()
    second = tick(folder, now + timedelta(seconds=1))
    assert levels(second)["latency"] == ("not measured", None)  # nothing waits
    assert ("sla.latency", "closed") in [(i.key.rule, e) for i, e in second.changes]
    send(folder, now - timedelta(minutes=2))
    assert levels(tick(folder, now + timedelta(seconds=2)))["latency"] == ("passed", 122.0)


def test_new_rows_are_followed_by_a_watch_that_goes_on(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now - timedelta(minutes=1))
    with open_project(folder) as project, project.watch() as watch:
        assert levels(watch.tick(now))["latency"] == ("passed", 60.0)
        send(folder, now - timedelta(minutes=40))
        assert levels(watch.tick(now))["latency"] == ("passed", 2_400.0)
        with open_project(folder) as other:
            other.audit("orders").publish()
        send(folder, now - timedelta(minutes=5))
        assert levels(watch.tick(now))["latency"] == ("passed", 300.0)


def test_frequency_by_arrival_and_by_a_date(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now - timedelta(days=3))
    found = levels(tick(folder, judged_at(folder) + timedelta(minutes=11)))
    assert found["frequency"][0] == "failed"
    assert found["frequency.day"][0] == "failed"
    send(folder, now)
    found = levels(tick(folder, now + timedelta(seconds=5)))
    assert found["frequency"][0] == "passed"
    assert found["frequency.day"][0] == "passed"


def test_error_rate_is_of_the_window(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now, now, now, bad=1)
    at = judged_at(folder)
    assert levels(tick(folder, at + timedelta(seconds=1)))["errorRate"] == ("failed", 25.0)
    assert levels(tick(folder, at + timedelta(minutes=11)))["errorRate"][0] == "not measured"


def test_throughput_needs_half_a_window(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, *([now] * 6))
    at = judged_at(folder)
    assert levels(tick(folder, at + timedelta(minutes=1)))["throughput"][0] == "not measured"
    assert levels(tick(folder, at + timedelta(minutes=6)))["throughput"] == ("passed", 60.0)
    assert levels(tick(folder, at + timedelta(minutes=11)))["throughput"] == ("failed", 0.0)


def test_what_only_an_audit_can_tell_is_taken_from_it(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now - timedelta(days=4), now)
    assert levels(tick(folder, now))["retention"] == ("not measured", None)
    with open_project(folder) as project:
        project.audit("orders")
    assert levels(tick(folder, now))["retention"][0] == "passed"


def test_the_event_clock_replays_history(tmp_path: Path) -> None:
    toml = TOML.replace("[alerts]", '[alerts]\nclock = "event"')
    folder = make_project(tmp_path / "p", more=MORE, toml=toml)
    then = datetime(2013, 1, 1, 12, tzinfo=UTC)
    send(folder, then, then + timedelta(minutes=30))
    found = levels(tick(folder, datetime.now(UTC)))
    assert found["latency"] == ("passed", 1_800.0)
    assert found["frequency"] == ("not measured", None)
    with open_project(folder) as project:
        project.audit("orders", clock=EventClock())
    assert levels(tick(folder, datetime.now(UTC)))["frequency"] == ("failed", 1_800.0)


def test_history_is_kept(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now)
    for second in (0, 1, 120):
        tick(folder, now + timedelta(seconds=second))
    with open_project(folder) as project:
        history = ServiceLevelStore(project.state).history("orders", "sla.latency")
    assert [one.at for one in history] == [now + timedelta(seconds=120), now]


def test_a_contract_sets_its_own_threshold(folder: Path) -> None:
    now = datetime.now(UTC)
    send(folder, now, bad=2)
    changes = tick(folder, datetime.now(UTC)).changes
    assert [i.count for i, _ in changes if i.key.kind == "deadletters"] == [2]


def test_a_stream_that_cannot_be_read_does_not_hide_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakegate.errors import DamagedLog
    from lakegate.pipeline.watched import StreamEyes

    text = (folder / "contracts" / "orders.odcs.yaml").read_text()
    (folder / "contracts" / "bills.odcs.yaml").write_text(text.replace("orders", "bills"))
    send(folder, datetime.now(UTC), bad=3)
    look = StreamEyes.look

    def damaged(self: StreamEyes, stream, now, *, threshold):  # type: ignore[no-untyped-def]
        if stream.name == "bills":
            raise DamagedLog("bills.raw[0] is damaged")
        return look(self, stream, now, threshold=threshold)

    monkeypatch.setattr(StreamEyes, "look", damaged)
    done = tick(folder, datetime.now(UTC))
    assert done.problems == ("bills: bills.raw[0] is damaged",)
    assert "deadletters" in {i.key.kind for i, _ in done.changes}


def test_a_stream_that_is_gone_closes_its_incidents(folder: Path) -> None:
    contract = folder / "contracts" / "orders.odcs.yaml"
    (folder / "contracts" / "bills.odcs.yaml").write_text(
        contract.read_text().replace("orders", "bills")
    )
    send(folder, datetime.now(UTC), bad=3)
    assert any(i.key.stream == "orders" for i, _ in tick(folder, datetime.now(UTC)).changes)
    contract.unlink()
    changes = tick(folder, datetime.now(UTC)).changes
    assert {(i.key.stream, str(e)) for i, e in changes} == {("orders", "closed")}


def test_project_lists_incidents(folder: Path) -> None:
    send(folder, datetime.now(UTC), bad=3)
    tick(folder, datetime.now(UTC))
    with open_project(folder) as project:
        assert isinstance(project, Project)
        assert {i.key.stream for i in project.incidents("orders")} == {"orders"}

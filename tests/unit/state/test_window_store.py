"""Windows over many audits: what was published, what was reopened, and an older database."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lakegate.audit.base import Published
from lakegate.audit.late import WindowResult, WindowState
from lakegate.audit.result import AuditReport, Status
from lakegate.contract.stream import ContractRef
from lakegate.state.audit_store import AuditStore
from lakegate.state.database import open_database
from lakegate.state.schema import MIGRATIONS
from lakegate.state.window_store import WindowStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = WindowResult(
    "sla.latency.1h", NOW, NOW + HOUR, 1, WindowState.FINAL, Status.PASSED, Decimal(60), 3,
    unit="s",
)  # fmt: skip
LATE = replace(
    ONE, revision=2, state=WindowState.REOPENED, status=Status.FAILED, observed=Decimal(7200),
    rows=4, late=1, reason="1 row came late",
)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.db'}"


def report(audit_id: str, *windows: WindowResult, at: datetime = NOW) -> AuditReport:
    return AuditReport(
        audit_id, "orders", ContractRef("orders", "1.0.0", "d"), 7, None, at, at, "wall", at, 5,
        (), windows,
    )  # fmt: skip


def test_what_was_published_is_the_newest_of_audits_that_moved_main(url: str) -> None:
    database = open_database(url)
    store, audits = WindowStore(database), AuditStore(database)
    for audit_id, window in (("a1", ONE), ("a2", LATE)):
        store.record(report(audit_id, window))
    assert store.published("orders", ONE.rule) == {}
    audits.record_publication(Published("orders", "a1", 7, None, "ada", NOW))
    assert store.published("orders", ONE.rule) == {NOW: ONE}
    assert store.newest("orders", ONE.rule) == {NOW: LATE}
    assert store.published("others", ONE.rule) == {}


def test_a_window_holds_until_its_audit_or_a_later_one_is_published(url: str) -> None:
    database = open_database(url)
    store, audits = WindowStore(database), AuditStore(database)
    held = replace(ONE, status=Status.FAILED, holds=True)
    later = replace(held, start=NOW + HOUR, end=NOW + 2 * HOUR)
    for audit_id, windows in (("a1", [held]), ("a2", []), ("a3", [later])):
        audits.record(report(audit_id, *windows))
        store.record(report(audit_id, *windows))
    assert store.newest("orders", ONE.rule) == {held.start: held, later.start: later}
    audits.record_publication(Published("orders", "a2", 7, None, "ada", NOW))
    settled = replace(held, holds=False)
    assert store.newest("orders", ONE.rule) == {held.start: settled, later.start: later}


def test_what_was_reopened_with_what_it_was_before(url: str) -> None:
    store = WindowStore(open_database(url))
    worse = replace(LATE, revision=3, rows=5, observed=Decimal(9000))
    store.record(report("a1", ONE, replace(ONE, start=NOW - HOUR, end=NOW)))
    assert store.reopened("orders") == ()
    store.record(report("a2", LATE, at=NOW + HOUR))
    store.record(report("a3", worse, at=NOW + 2 * HOUR))
    assert store.reopened("orders") == ((ONE, worse),)
    assert store.reopened("orders", since=NOW + HOUR) == ((LATE, worse),)
    assert store.reopened("orders", since=NOW + 2 * HOUR) == ()


def test_an_older_database_learns_the_newer_columns(url: str, tmp_path: Path) -> None:
    WindowStore(open_database(url)).record(report("a1", ONE))
    with sqlite3.connect(tmp_path / "state.db") as raw:
        for column in ("unit", "reason", "holds"):
            raw.execute(f"ALTER TABLE windows DROP COLUMN {column}")
        raw.execute("UPDATE lakegate_version SET version = 4")
    raw.close()
    assert len(MIGRATIONS) > 4
    store = WindowStore(open_database(url))
    store.record(report("a2", LATE))
    assert store.reopened("orders") == ((replace(ONE, unit=""), LATE),)

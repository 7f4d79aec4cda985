from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lakegate.audit.base import Published
from lakegate.audit.result import (
    AuditReport,
    Frequent,
    ResultKind,
    RuleResult,
    Sample,
    Status,
)
from lakegate.contract.stream import ContractRef, Place, Scope
from lakegate.contract.type import Severity
from lakegate.errors import StateError
from lakegate.state.audit_store import AuditStore
from lakegate.state.database import open_database

NOW = datetime(2026, 11, 23, 7, 0, 0, 123456, UTC)
FULL = RuleResult(
    "missing", ResultKind.METRIC, Severity.WARNING, Status.FAILED, "at most 5 percent",
    Decimal("10.449167145318"), "percent", 2729, 26115,
    (Sample("weather.raw", 3, 2**40, (("pressure", None), ("città", '"x\n'))),),
    (Frequent(("SJU", None), 9),), "how", Place.GATE, Scope.INCREMENT, False, 0.25,
)  # fmt: skip
BARE = RuleResult("words", ResultKind.TEXT, Severity.INFO, Status.NOT_MEASURED, "")
FLAG = RuleResult("flag", ResultKind.SQL, Severity.ERROR, Status.PASSED, "true", True)
REPORT = AuditReport(
    "20261123T070000-1", "weather", ContractRef("w", "1.0.0", "a" * 64), 2**62, None,
    NOW, NOW, "event", None, 26115, (FULL, BARE, FLAG),
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return AuditStore(open_database(f"sqlite:///{tmp_path / 'state.db'}"))


def test_what_is_read_back_is_what_was_recorded(store):
    store.record(REPORT)
    assert store.latest("weather") == REPORT
    assert store.latest("weather", snapshot_id=2**62) == REPORT
    assert store.latest("weather", snapshot_id=1) is None
    assert store.latest("flights") is None


def test_latest_is_the_last_recorded_even_when_the_clock_went_back(store):
    store.record(REPORT)
    earlier = replace(REPORT, audit_id="2", started_at=NOW.replace(year=2020), results=())
    store.record(earlier)
    assert store.latest("weather") == earlier


def test_an_audit_is_recorded_once_and_whole(store):
    store.record(REPORT)
    with pytest.raises(StateError, match="UNIQUE"):
        store.record(REPORT)
    assert store.latest("weather") == REPORT


def test_history_newest_first(store):
    for number in range(3):
        result = replace(FULL, offending=number)
        store.record(
            replace(REPORT, audit_id=str(number), snapshot_id=number, results=(result, BARE))
        )
    entries = store.history("weather", "missing", limit=2)
    assert [(e.audit_id, e.snapshot_id, e.result.offending) for e in entries] == [
        ("2", 2, 2),
        ("1", 1, 1),
    ]
    assert entries[0].finished_at == NOW
    assert len(store.history("weather")) == 6


def test_publications_newest_first_each_once(store):
    first = Published("weather", "a", 1, None, "ada", NOW)
    second = Published("weather", "b", 2, 1, "bob", NOW, moved=False)
    for published in (first, second, replace(second, by="eve")):
        store.record_publication(published)
    assert store.publications("weather") == (second, first)

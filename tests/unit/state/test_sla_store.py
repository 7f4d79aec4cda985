"""Measurements: news at once, the rest now and then, never more than asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from lakegate.audit.result import Status
from lakegate.state.database import open_database
from lakegate.state.sla_store import Measurement, ServiceLevelStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ONE = Measurement(
    "orders", "sla.latency", NOW, "wall", Status.PASSED, "at most 1 h", Decimal("1.5"), "s", "how"
)


def test_bounded_and_read_back(tmp_path):
    store = ServiceLevelStore(open_database(f"sqlite:///{tmp_path / 'state.db'}"), keep=3)
    assert store.record([ONE, replace(ONE, name="sla.frequency", observed=None)]) == 2
    soon = NOW + timedelta(seconds=5)
    assert store.record([replace(ONE, at=soon)]) == 0
    failed = replace(ONE, at=soon, status=Status.FAILED)
    assert store.record([failed]) == 1
    assert store.history("orders", "sla.latency") == (failed, ONE)
    for minute in range(1, 6):
        store.record([replace(failed, at=NOW + timedelta(minutes=2 * minute))])
    kept = store.history("orders", "sla.latency")
    assert [one.at.minute for one in kept] == [10, 8, 6]
    assert len(store.history("orders")) == 4

"""Whatever order rows come in, and whenever they are audited, windows end with the same results."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate.audit.level import sla_name
from lakegate.audit.result import AuditReport, Status
from lakegate.contract.stream import Place, SlaRule
from tests.unit.audit.conftest import Room

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
END = 8 * 60

RULES = (
    Room.metric("rowCount", operator="mustBeGreaterThan", bounds=(1,), window=2 * HOUR),
    Room.metric("nullValues", "state", unit="percent", window=2 * HOUR),
    Room.metric("duplicateValues", "id", window=4 * HOUR),
)
LEVELS = (
    SlaRule("frequency", Place.AUDIT, "", duration=25 * MINUTE, window=2 * HOUR),
    SlaRule("throughput", Place.AUDIT, "", value=Decimal(2), duration=HOUR, window=4 * HOUR),
)
STREAM = Room.orders(rules=RULES, sla=LEVELS, allowed_lateness=20 * MINUTE)

rows = st.tuples(st.integers(0, END + 100), st.integers(1, 3), st.sampled_from(["new", None])).map(
    lambda row: {"at": Room.START + row[0] * MINUTE, "id": row[1], "state": row[2]}
)
batches = st.lists(
    st.tuples(st.lists(rows, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=5
)


def results(windows: Room.FakeWindows) -> dict[tuple[str, int], tuple[object, ...]]:
    """Status, observed and rows of every window, by rule and minute."""
    names = [rule.name for rule in RULES] + [sla_name(rule) for rule in LEVELS]
    return {
        (name, (start - Room.START) // MINUTE): (one.status, one.observed, one.rows)
        for name in names
        for start, one in windows.newest("orders", name).items()
    }


def held_back(report: AuditReport) -> list[str]:
    """What fails, by name."""
    return [one.name for one in report.results if one.status is Status.FAILED]


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches=batches)
def test_results_do_not_depend_on_when_rows_came(batches):
    piecemeal, windows = Room(), Room.FakeWindows()
    for number, (batch, publish) in enumerate(batches, start=1):
        piecemeal.lake.land(batch, publish=publish)
        now = Room.START + (END * number // len(batches)) * MINUTE
        report = piecemeal.audit(STREAM, now=now, windows=windows)
        windows.keep(report)
        again = piecemeal.audit(STREAM, now=now, windows=windows)
        assert held_back(again) == held_back(report), "judging again changes nothing"
    whole, fresh = Room(), Room.FakeWindows()
    whole.lake.land([row for batch, _ in batches for row in batch])
    fresh.keep(whole.audit(STREAM, now=Room.START + END * MINUTE, windows=fresh))
    assert results(windows) == results(fresh)

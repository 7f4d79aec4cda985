from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from lakegate.audit.result import ResultKind, RuleResult, Status, duration_text
from lakegate.contract.type import Severity


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(days=1200, minutes=2), "1,200 d 2 min"),
        (timedelta(hours=2, minutes=5, seconds=9), "2 h 5 min"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(microseconds=1500), "0.0015 s"),
        (-timedelta(days=3), "-3 d"),
    ],
)
def test_durations(duration, text):
    assert duration_text(duration) == text


@pytest.mark.parametrize(
    ("severity", "status", "holds", "back"),
    [
        (Severity.ERROR, Status.FAILED, True, True),
        (Severity.CRITICAL, Status.ERROR, True, True),
        (Severity.WARNING, Status.ERROR, True, False),
        (Severity.ERROR, Status.FAILED, False, False),
        (Severity.ERROR, Status.NOT_MEASURED, True, False),
        (Severity.ERROR, Status.PASSED, True, False),
    ],
)
def test_what_holds_main_back(severity, status, holds, back):
    result = RuleResult("r", ResultKind.SQL, severity, status, "0", holds=holds)
    assert result.holds_back is back


@pytest.mark.parametrize(
    ("observed", "unit", "text"),
    [
        (None, "", "nothing"),
        (True, "", "true"),
        (Decimal("1234567"), "rows", "1,234,567 rows"),
        (Decimal("10.449167"), "percent", "10.45 percent"),
        (Decimal("0.00001"), "percent", "0.00001 percent"),
        (Decimal("123456.7"), "rows/s", "123,457 rows/s"),
        (Decimal("7500"), "s", "2 h 5 min"),
    ],
)
def test_observed_text(observed, unit, text):
    result = RuleResult("r", ResultKind.SQL, Severity.ERROR, Status.PASSED, "", observed, unit)
    assert result.observed_text() == text

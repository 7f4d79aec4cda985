from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from lakegate.audit.base import Counts, EventClock
from lakegate.audit.result import Status
from lakegate.contract.stream import Place, SlaRule

HOUR = timedelta(hours=1)


def sla(name, **parts):
    return SlaRule(name, Place.AUDIT, "", **parts)


def level(room, rule, **parts):
    (result,) = room.audit(room.orders(sla=(rule,)), **parts).results
    return result


def test_latency_is_the_longest_wait_of_unpublished_rows(room):
    room.lake.land([{}], publish=True)  # event at 0:00
    room.lake.land([{}, {"at": None}, {}])  # events at 1:00 and 3:00
    result = level(room, sla("latency", duration=5 * HOUR), now=room.START + 6 * HOUR)
    assert (result.status, result.observed, result.unit) == (Status.PASSED, 5 * 3600, "s")
    result = level(room, sla("latency", duration=4 * HOUR), now=room.START + 6 * HOUR)
    assert (result.status, result.offending, result.total) == (Status.FAILED, 1, 2)
    assert result.expected == "at most 4 h"
    assert not result.holds_back


def test_latency_by_another_element(room):
    room.lake.land([{}])  # ingested at 0:05
    rule = sla("latency", duration=HOUR, element="_ingested_at")
    assert level(room, rule, now=room.START + HOUR).observed == 55 * 60
    assert level(room, sla("latency", duration=HOUR, element="state")).status is Status.ERROR


def test_latency_by_the_event_clock_is_the_wait_behind_the_watermark(room):
    late = room.START + timedelta(minutes=30)
    room.lake.land([{}, {}, {"at": late}, {}])  # at 0:00, 1:00, 0:30, 3:00
    result = level(room, sla("latency", duration=HOUR), clock=EventClock())
    assert (result.status, result.observed) == (Status.PASSED, 1800)


def test_frequency_counts_the_gap_up_to_now_and_from_what_is_published(room):
    room.lake.land([{}], publish=True)  # 0:05
    room.lake.land([{}, {}])  # 1:05, 2:05
    rule = sla("frequency", duration=HOUR)
    assert level(room, rule, now=room.START + timedelta(hours=2, minutes=30)).status is (
        Status.PASSED
    )
    result = level(room, rule, now=room.START + timedelta(hours=3, minutes=30))
    assert (result.status, result.observed_text()) == (Status.FAILED, "1 h 25 min")


def test_frequency_without_new_rows_counts_from_the_newest(room):
    room.lake.land([{}, {}], publish=True)
    result = level(room, sla("frequency", duration=HOUR), now=room.START + 4 * HOUR)
    assert result.observed == timedelta(hours=2, minutes=55).total_seconds()


def test_frequency_by_the_event_clock_reads_event_time(room):
    room.lake.land([{}, {}, {}])
    result = level(room, sla("frequency", duration=HOUR), clock=EventClock())
    assert (result.status, result.observed) == (Status.PASSED, 3600)


def test_retention(room):
    room.lake.land([{}, {}, {}])
    now = room.START + 10 * HOUR
    long = level(room, sla("retention", duration=9 * HOUR), now=now)
    assert (long.status, long.observed_text()) == (Status.PASSED, "10 h")
    assert "1 rows are older than 9 h" in long.message
    young = sla("retention", duration=11 * HOUR)
    assert level(room, young, now=now).status is Status.NOT_MEASURED
    kept = level(room, young, now=now, counts=Counts(3, 0, landed=3))
    assert (kept.status, kept.observed_text()) == (Status.PASSED, "10 h")
    lost = level(room, young, now=now, counts=Counts(4, 0, landed=4))
    assert (lost.status, lost.offending, lost.total) == (Status.FAILED, 1, 4)


@pytest.mark.parametrize(
    ("value", "unit", "status"),
    [
        ("25", "percent", Status.PASSED),
        ("24.999", "%", Status.FAILED),
        ("0.25", None, Status.PASSED),
        ("0.2", None, Status.FAILED),
        ("25", None, Status.ERROR),
    ],
)
def test_error_rate(room, value, unit, status):
    room.lake.land([{}])
    rule = sla("errorRate", value=Decimal(value), unit=unit)
    result = level(room, rule, counts=Counts(accepted=3, rejected=1))
    assert result.status is status
    assert result.holds_back is (status is not Status.PASSED)
    assert level(room, sla("errorRate", value=Decimal(0))).status is Status.NOT_MEASURED


@pytest.mark.parametrize(
    ("value", "per", "status"),
    [
        ("1.5", HOUR, Status.PASSED),
        ("1.51", HOUR, Status.FAILED),
        ("36", 24 * HOUR, Status.PASSED),
        ("1", timedelta(minutes=1), Status.FAILED),
    ],
)
def test_throughput(room, value, per, status):
    room.lake.land([{}, {}, {}])  # three rows over two hours
    rule = sla("throughput", value=Decimal(value), unit="rows", duration=per)
    result = level(room, rule)
    assert result.status is status
    assert result.observed == Decimal(3) * (per // timedelta(minutes=1)) / 120


def test_throughput_of_one_moment_is_not_measured(room):
    room.lake.land([{}])
    rule = sla("throughput", value=Decimal(1), unit="rows", duration=HOUR)
    result = level(room, rule)
    assert (result.status, result.expected) == (Status.NOT_MEASURED, "at least 1 rows per h")


def test_nothing_to_measure_has_its_reason(room):
    room.lake.land([])
    for rule in (sla("latency", duration=HOUR), sla("retention", duration=HOUR)):
        result = level(room, rule)
        assert (result.status, result.observed) == (Status.NOT_MEASURED, None)
        assert result.message
    assert level(room, sla("latency", duration=HOUR), clock=EventClock()).message == (
        "the event clock has seen no event"
    )
    other = SlaRule("timeToRepair", Place.NONE, "needs an incident log")
    assert level(room, other).sentence() == (
        "sla.timeToRepair: not measured; needs an incident log"
    )
    assert level(room, sla("availability")).status is Status.NOT_MEASURED
    assert level(room, sla("latency")).message == (
        "latency needs a duration; give `value` and a unit such as h or d"
    )

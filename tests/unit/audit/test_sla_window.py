"""Service levels per window of event time, and what late rows do to them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from lakegate.audit.base import EventClock
from lakegate.audit.late import WindowState
from lakegate.audit.level import sla_name
from lakegate.audit.result import Status
from lakegate.contract.stream import Place, SlaRule
from lakegate.contract.type import Severity

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FINAL, OPEN, REOPENED = WindowState.FINAL, WindowState.OPEN, WindowState.REOPENED


def sla(name, **parts):
    return SlaRule(name, Place.AUDIT, "", **{"window": HOUR, **parts})


class Hours:
    """A stream whose rows are given by the minute of their event; one level is watched."""

    def __init__(self, room, rule, **parts):
        self.room, self.rule = room, rule
        self.stream = room.orders(sla=(rule,), **parts)
        self.store = room.FakeWindows()

    def land(self, *minutes):
        self.room.lake.land([{"at": self.room.START + minute * MINUTE} for minute in minutes])

    def audit(self, minute, *, publish=False, clock=None):
        now = self.room.START + minute * MINUTE
        report = self.room.audit(self.stream, now=now, windows=self.store, clock=clock)
        self.store.keep(report, publish=publish)
        if publish:
            self.room.lake.branches["orders", "main"] = report.snapshot_id
        (result,) = report.results
        return result

    def windows(self):
        """State, status and observed of each hour."""
        found = self.store.newest("orders", sla_name(self.rule))
        return {
            (start - self.room.START) // HOUR: (one.state, one.status, one.observed)
            for start, one in found.items()
        }

    def of(self, hour):
        return self.store.newest("orders", sla_name(self.rule))[self.room.START + hour * HOUR]


@pytest.fixture
def hours(room):
    return lambda rule, **parts: Hours(room, rule, **parts)


def test_latency_is_of_the_rows_of_each_window_until_they_are_published(hours):
    one = hours(sla("latency", duration=2 * HOUR))
    one.land(10, 50, 70)
    result = one.audit(100, publish=True)
    assert result.status is Status.PASSED
    assert result.expected == "in each window of 1 h: at most 2 h"
    assert one.windows() == {
        0: (FINAL, Status.PASSED, 90 * 60),
        1: (OPEN, Status.PASSED, 30 * 60),
    }
    assert one.audit(200).status is Status.PASSED
    assert one.windows()[1] == (FINAL, Status.PASSED, 30 * 60), "it waits no longer"
    assert one.windows()[2] == (FINAL, Status.NOT_MEASURED, None), "nothing came, nothing waited"


def test_a_late_row_reopens_the_latency_of_its_window(hours):
    one = hours(sla("latency", duration=2 * HOUR))
    one.land(10, 130)
    one.audit(125, publish=True)
    assert one.windows()[0] == (FINAL, Status.PASSED, 115 * 60)
    one.land(40)
    result = one.audit(240)
    assert one.windows()[0] == (REOPENED, Status.FAILED, 200 * 60)
    assert (one.of(0).late, one.of(0).reason, one.of(0).revision) == (1, "1 row came late", 2)
    assert (result.status, result.observed, result.holds_back) == (Status.FAILED, 1, False)
    assert "2026-11-01T00:00:00Z (reopened, observed 3 h 20 min)" in result.sentence()
    one.audit(250, publish=True)
    again = one.audit(400)
    assert again.status is Status.NOT_MEASURED, "what is published is not complained of again"
    assert one.of(0).status is Status.FAILED, "but its result stays"
    assert one.of(0).observed == 210 * 60


def test_a_row_that_was_late_for_an_empty_window_reopens_it(hours):
    one = hours(sla("latency", duration=HOUR))
    one.land(10, 130)
    one.audit(180, publish=True)
    assert one.windows()[1] == (FINAL, Status.NOT_MEASURED, None)
    one.land(70)
    assert one.audit(180).status is Status.FAILED
    assert one.windows()[1] == (REOPENED, Status.FAILED, 110 * 60)


def test_latency_by_the_event_clock_is_read_from_the_table(hours):
    one = hours(sla("latency", duration=HOUR))
    one.land(10, 70, 20, 190)
    assert one.audit(0, clock=EventClock(), publish=True).status is Status.PASSED
    assert one.windows()[0] == (FINAL, Status.PASSED, 50 * 60)
    one.land(30)
    assert one.audit(0, clock=EventClock()).status is Status.FAILED
    assert one.windows()[0] == (REOPENED, Status.FAILED, 160 * 60)


def test_frequency_is_the_longest_silence_at_any_moment_of_the_window(hours):
    one = hours(sla("frequency", duration=30 * MINUTE))
    one.land(0, 20, 45, 80, 100, 200)
    assert one.audit(200).status is Status.FAILED
    assert one.windows() == {
        0: (FINAL, Status.PASSED, 25 * 60),
        1: (FINAL, Status.FAILED, 35 * 60),  # from 45 to 80: the gap ends here
        2: (FINAL, Status.FAILED, 80 * 60),  # no row since 100
        3: (OPEN, Status.FAILED, 100 * 60),
    }


def test_a_late_row_reopens_the_frequency_of_the_next_window_too(hours):
    one = hours(sla("frequency", duration=30 * MINUTE))
    one.land(10, 35, 80, 100)
    assert one.audit(120, publish=True).observed == 1
    assert one.windows()[1] == (FINAL, Status.FAILED, 45 * 60)
    one.land(55)
    assert one.audit(120).status is Status.PASSED
    assert one.windows()[0] == (REOPENED, Status.PASSED, 25 * 60)
    assert one.windows()[1] == (REOPENED, Status.PASSED, 25 * 60)
    assert one.of(0).reason == "1 row came late"
    assert one.of(1).reason == "rows of an earlier window came late or were taken off"


def test_a_stream_that_fell_silent_misses_its_frequency(hours):
    one = hours(sla("frequency", duration=HOUR))
    one.land(10)
    one.audit(30, publish=True)
    assert one.audit(200).observed == 2
    assert one.windows()[2][1:] == (Status.FAILED, 170 * 60)


def test_throughput_is_of_the_length_of_the_window(hours):
    one = hours(
        sla("throughput", value=Decimal(2), unit="rows", duration=HOUR, window=2 * HOUR),
        allowed_lateness=10 * MINUTE,
    )
    one.land(0, 60, 119, 241)
    assert one.audit(125).status is Status.NOT_MEASURED, "ten minutes more are allowed"
    assert one.windows()[0] == (OPEN, Status.FAILED, Decimal("1.5"))
    one.land(30)
    assert one.audit(370, publish=True).observed == 2, "the second was empty, the third too small"
    assert one.windows()[0] == (FINAL, Status.PASSED, 2)
    assert one.windows()[2] == (FINAL, Status.FAILED, 0)
    one.land(121, 122, 123, 124)
    assert one.audit(370).status is Status.PASSED
    assert one.windows()[2] == (REOPENED, Status.PASSED, 2)
    assert one.of(2).observed_text() == "2 rows per h"


def test_without_rows_there_is_no_window(hours):
    one = hours(sla("frequency", duration=HOUR))
    one.land()
    assert one.audit(100).status is Status.NOT_MEASURED
    assert one.windows() == {}


def test_by_another_element(hours):
    one = hours(sla("latency", duration=HOUR, element="_ingested_at"))
    one.land(0)  # ingested at minute 5
    one.audit(50)
    assert one.windows()[0] == (OPEN, Status.PASSED, 45 * 60)


@pytest.mark.parametrize(
    ("rule", "parts", "says"),
    [
        (sla("latency", duration=HOUR), {"event_time": None}, "a window needs an event time"),
        (sla("errorRate", value=Decimal(1)), {}, "errorRate is not told per window"),
        (sla("retention", duration=HOUR), {}, "take `lakegate.window` away"),
        (sla("latency"), {}, "latency needs a duration"),
    ],
)
def test_what_has_no_windows_is_an_error_of_that_level(room, rule, parts, says):
    from dataclasses import replace

    room.lake.land([{}])
    (result,) = room.audit(replace(room.orders(sla=(rule,)), **parts)).results
    assert result.status is Status.ERROR
    assert says in result.message


@pytest.mark.parametrize(
    ("window", "name"),
    [
        (None, "sla.latency.at"),
        (HOUR, "sla.latency.at.1h"),
        (90 * MINUTE, "sla.latency.at.90m"),
        (48 * HOUR, "sla.latency.at.2d"),
        (timedelta(seconds=1.5), "sla.latency.at.1.5s"),
    ],
)
def test_its_name_tells_it_from_the_level_without_a_window(window, name):
    rule = SlaRule("latency", Place.AUDIT, "", element="at", window=window, severity=Severity.INFO)
    assert sla_name(rule) == name


@pytest.mark.parametrize(
    ("query", "status", "observed"),
    [
        ("SELECT avg(price) FROM {object}", Status.NOT_MEASURED, None),
        ("SELECT COALESCE(avg(price), 0) FROM {object}", Status.FAILED, 0),
        ("SELECT COUNT(*) FROM {object} WHERE price < 2", Status.FAILED, 0),
    ],
)
def test_a_query_says_itself_what_no_rows_mean(room, query, status, observed):
    rule = room.sql(query, operator="mustBeGreaterThan", window=HOUR)
    room.lake.land([{"price": 1}, {"at": room.START + 2 * HOUR, "price": 1}])
    report = room.audit(room.orders(rules=(rule,)), now=room.START + 3 * HOUR)
    empty = report.windows[1]
    assert (empty.status, empty.observed, empty.rows) == (status, observed, 0)
    assert report.results[0].failed is (status is Status.FAILED)


def test_no_value_of_no_rows_is_null(room):
    rules = tuple(
        room.metric(name, "state", window=HOUR, **parts)
        for name, parts in {
            "nullValues": {"unit": "percent"},
            "invalidValues": {"valid_values": ("new",)},
            "duplicateValues": {},
        }.items()
    )
    room.lake.land([{"state": "new"}, {"at": room.START + 2 * HOUR, "state": "new"}])
    report = room.audit(room.orders(rules=rules), now=room.START + 3 * HOUR)
    assert [result.status for result in report.results] == [Status.PASSED] * 3
    empty = [one for one in report.windows if one.rows == 0]
    assert {(one.rule, one.status, one.observed) for one in empty if one.state is FINAL} == {
        (rule.name, Status.PASSED, 0) for rule in rules
    }

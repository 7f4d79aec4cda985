"""Which rows a failed rule names, out of a lake in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakegate.audit.accept import accept
from lakegate.audit.quarantine import offenders
from lakegate.audit.quarantine_letter import reasons
from lakegate.contract.stream import Reference, Scope
from lakegate.errors import AuditError, PublishRefused
from lakegate.topic.base import TopicPartition

HOUR = timedelta(hours=1)


@pytest.fixture
def find(room):
    def find(rule, *, references=(), streams=()):
        stream = room.orders(references=references) if references else room.orders(rules=(rule,))
        targets = {target.name: target for target in streams}
        windows = room.FakeWindows()
        report = room.audit(stream, targets=targets, windows=windows)
        windows.keep(report)
        name = references[0].name if references else rule.name
        (found,) = offenders(
            stream, report, [name], reader=room.lake, targets=targets, windows=windows
        )
        return found

    return find


def offsets(found):
    return [row.offset for row in found.waiting]


ROWS = [
    {"id": 1, "state": "new", "lines": [{"qty": 1}, {"qty": None}]},
    {"id": 2, "state": None, "lines": [{"qty": None}, {"qty": None}]},
    {"id": 2, "state": "N/A", "lines": []},
    {"id": None, "state": "odd", "lines": None},
    {"id": 2, "state": "new", "lines": None},
]


@pytest.mark.parametrize(
    ("metric", "columns", "parts", "expected"),
    [
        ("nullValues", ("state",), {}, [1]),
        ("missingValues", ("state",), {"missing_values": (None, "N/A")}, [1, 2]),
        ("invalidValues", ("state",), {"valid_values": ("new", "N/A")}, [3]),
        ("duplicateValues", ("id",), {}, [2, 4]),
        ("duplicateValues", ("id", "state"), {}, []),
        ("nullValues", ("lines.element.qty",), {}, [0, 1]),
    ],
)
def test_rows_of_a_metric(room, find, metric, columns, parts, expected) -> None:
    room.lake.land(ROWS)
    rule = room.metric(metric, *columns, **parts)
    if not expected:
        with pytest.raises(AuditError, match="nothing to quarantine"):
            find(rule)
        return
    found = find(rule)
    assert offsets(found) == expected
    assert found.published == 0


def test_what_is_published_stays_and_comes_first_among_equals(room, find) -> None:
    room.lake.land(ROWS[:2], publish=True)
    room.lake.land(ROWS[2:])
    found = find(room.metric("duplicateValues", "id"))
    assert (offsets(found), found.published) == ([2, 4], 0)
    found = find(room.metric("nullValues", "state"))
    assert (offsets(found), found.published) == ([], 1)


def test_rows_of_the_increment_only(room, find) -> None:
    room.lake.land(ROWS[:2], publish=True)
    room.lake.land(ROWS[2:])
    found = find(room.metric("duplicateValues", "id", scope=Scope.INCREMENT))
    assert offsets(found) == [4], "among the new rows, offset 2 is the first"


HOURS = [  # the hour of the event, the number, the state
    (0, 1, "new"), (0, 2, None), (0, 2, "new"), (1, 2, None), (1, 3, None), (1, 3, "old"),
    (2, 1, "new"), (2, 4, None), (2, 5, "new"), (2, 6, "new"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "column", "parts", "expected"),
    [
        ("duplicateValues", "id", {}, [2, 5]),  # twice within its hour, not within the day
        ("nullValues", "state", {}, [1, 3, 4, 7]),
        ("nullValues", "state", {"unit": "percent", "bounds": (34,)}, [3, 4]),  # the second hour
        ("nullValues", "state", {"scope": Scope.INCREMENT}, [1, 3, 4, 7]),
    ],
)
def test_rows_of_windows_that_failed(room, find, metric, column, parts, expected) -> None:
    rows = [
        {"at": room.START + timedelta(hours=hour), "id": number, "state": state}
        for hour, number, state in HOURS
    ]
    room.lake.land(rows)
    given = {"operator": "mustBeLessOrEqualTo", "bounds": (0,), "window": HOUR, **parts}
    found = find(room.metric(metric, column, **given))
    assert offsets(found) == expected
    assert found.expected.endswith(", in each window of 1 h")


def test_rows_of_a_query_per_window(room, find) -> None:
    rows = [
        {"at": room.START + timedelta(hours=hour), "id": number} for hour, number, _ in HOURS[:6]
    ]
    room.lake.land(rows[:3], publish=True)
    room.lake.land(rows[3:])
    query = "SELECT COUNT(*) FROM {object} WHERE id = (SELECT max(id) FROM {object})"
    found = find(room.sql(query, operator="mustBeLessThan", bounds=(2,), window=HOUR))
    assert (offsets(found), found.published) == ([4, 5], 2), "each hour has a highest of its own"


def test_a_window_that_is_not_known_to_have_failed(room) -> None:
    room.lake.land(ROWS)
    rule = room.metric("nullValues", "state", window=HOUR)
    stream = room.orders(rules=(rule,))
    report = room.audit(stream)
    with pytest.raises(AuditError, match="no window is known to have failed; audit again"):
        offenders(stream, report, [rule.name], reader=room.lake, targets={})


def test_rows_of_a_query_with_what_it_looked_at(room, find) -> None:
    room.lake.land(ROWS)
    found = find(room.sql("SELECT COUNT(*) FROM {object} WHERE state = 'odd' OR id = 1"))
    assert offsets(found) == [0, 3]
    assert found.waiting[1].observed == '{"state":"odd","id":null}'
    assert found.expected.startswith("not to be among SELECT COUNT(*)")
    why = reasons([found])[TopicPartition("orders.raw", 0)]
    assert [reason["rule"] for reason in why[3]] == ["quarantine.sql"]


def test_rows_of_a_reference_and_the_observed_value(room, find) -> None:
    room.lake.land(ROWS)
    own = Reference("same", ("id",), "orders", ("id",))
    with pytest.raises(AuditError, match="nothing to quarantine"):
        find(None, references=(own,))
    states = Reference("states", ("state",), "orders", ("address.city",))
    found = find(None, references=(states,))
    assert offsets(found) == [0, 2, 3, 4]
    assert (found.path, found.waiting[0].observed) == ("$.state", '"new"')
    assert found.expected == "a value in orders(address.city)"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 7", "only `SELECT COUNT"),
        ("SELECT COUNT(*) FROM (FROM {object}) WHERE id = 1", "only `SELECT COUNT"),
        ("SELECT COUNT(*) FROM {object} WHERE nothing = 1", "could not be judged"),
    ],
)
def test_queries_that_name_no_rows(room, find, query, says) -> None:
    room.lake.land(ROWS)
    with pytest.raises(AuditError, match=says):
        find(room.sql(query))


def test_more_offenders_wanted(room, find) -> None:
    room.lake.land(ROWS)
    rule = room.metric("nullValues", "state", operator="mustBeGreaterThan", bounds=(3,))
    with pytest.raises(AuditError, match="make it no better"):
        find(rule)


def test_accepting_needs_a_reason_and_a_failed_rule(room) -> None:
    room.lake.land(ROWS)
    rule = room.metric("nullValues", "state")
    report = room.audit(room.orders(rules=(rule,)))
    for reason in (None, " "):
        with pytest.raises(PublishRefused, match="needs a reason"):
            accept(report, [rule.name], reason=reason, by="ada")
    with pytest.raises(PublishRefused, match="holding it back: nullValues"):
        accept(report, ["other"], reason="because", by="ada")
    (one,) = accept(report, [rule.name, rule.name], reason=" because ", by="ada")
    assert (one.reason, one.offending, one.total) == ("because", 1, 5)
    assert one.at <= datetime.now(UTC)

"""Which rows a failed rule names, out of a lake in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakegate.audit.accept import accept
from lakegate.audit.quarantine import offenders
from lakegate.audit.quarantine_letter import reasons
from lakegate.contract.stream import Reference, Scope
from lakegate.errors import AuditError, PublishRefused
from lakegate.topic.base import TopicPartition


@pytest.fixture
def find(room):
    def find(rule, *, references=(), streams=()):
        stream = room.orders(references=references) if references else room.orders(rules=(rule,))
        targets = {target.name: target for target in streams}
        report = room.audit(stream, targets=targets)
        name = references[0].name if references else rule.name
        (found,) = offenders(stream, report, [name], reader=room.lake, targets=targets)
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

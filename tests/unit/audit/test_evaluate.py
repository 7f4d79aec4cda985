from __future__ import annotations

import pytest

from lakegate.audit.result import Status
from lakegate.contract.stream import Place, QualityRule, RuleKind
from lakegate.contract.type import Severity
from lakegate.errors import AuditError, CommitConflict


def test_report_names_what_it_judged(room):
    room.lake.land([{}], publish=True)
    room.lake.land([{"id": 1}])
    report = room.audit(room.orders())
    assert (report.snapshot_id, report.main_snapshot_id, report.rows) == (2, 1, 2)
    assert (report.stream, report.contract, report.clock) == ("orders", room.REF, "wall")
    assert report.started_at <= report.finished_at
    assert report.passed
    assert room.lake.pins == {("orders", "audited"): 2}


def test_rows_that_land_during_an_audit_are_not_looked_at(room):
    room.lake.land([{"id": 1}])
    head = room.lake.head

    def land_after_reading(stream, branch):
        found = head(stream, branch)
        if branch == "staged":
            room.lake.land([{"id": None}])
        return found

    room.lake.head = land_after_reading
    report = room.audit(room.orders(rules=(room.metric("nullValues", "id"),)))
    assert (report.snapshot_id, report.results[0].total) == (1, 1)


def test_pinning_waits_out_commits_that_come_between(room):
    room.lake.land([{}])
    pin, conflicts = room.lake.pin, [CommitConflict("another"), CommitConflict("another")]

    def busy(stream, *, snapshot_id, name):
        if conflicts:
            raise conflicts.pop()
        pin(stream, snapshot_id=snapshot_id, name=name)

    room.lake.pin = busy
    room.audit(room.orders())
    assert room.lake.pins == {("orders", "audited"): 1}


def test_nothing_staged(room):
    with pytest.raises(AuditError, match="branch staged has no snapshot; run the stream"):
        room.audit(room.orders())


def test_rules_that_nobody_judges_are_listed_with_their_reason(room):
    text = QualityRule("words", RuleKind.TEXT, Place.NONE, "prose", Severity.ERROR)
    (result,) = room.judge([{}], text)
    assert (result.status, result.sentence()) == (Status.NOT_MEASURED, "words: not measured; prose")


def test_a_name_that_differs_from_the_object_only_in_case_is_still_another_stream(room):
    from lakegate.contract.stream import Reference, Stream

    there = Stream(room.REF, "b/Orders", "Orders", room.orders().fields)
    room.lake.land([{"id": 1}], stream="b/Orders", publish=True)
    room.lake.land([{"id": 2}])
    reference = Reference("r", ("id",), "b/Orders", ("id",))
    report = room.audit(room.orders(references=(reference,)), targets={"b/Orders": there})
    assert report.results[0].offending == 1

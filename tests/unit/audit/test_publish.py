from __future__ import annotations

from dataclasses import replace

import pytest

from lakegate.audit.publish import publish
from lakegate.contract.stream import ContractRef
from lakegate.errors import PublishRefused


@pytest.fixture
def audited(room):
    room.lake.land([{"id": 1}], publish=True)
    room.lake.land([{"id": 2}])
    store = room.FakeStore()
    stream = room.orders(rules=(room.metric("nullValues", "id"),))
    report = room.audit(stream)
    store.record(report)
    return stream, report, store


def test_main_moves_to_exactly_the_audited_snapshot(room, audited):
    stream, report, store = audited
    room.lake.land([{"id": None}])
    published = publish(stream, report, publisher=room.lake, store=store, by="ada")
    assert room.lake.branches["orders", "main"] == 2
    assert (published.previous, published.snapshot_id, published.by) == (1, 2, "ada")
    assert store.publications == [published]


def test_publishing_again_moves_nothing_and_is_harmless(room, audited):
    stream, report, store = audited
    publish(stream, report, publisher=room.lake, store=store, by="ada")
    again = publish(stream, report, publisher=room.lake, store=store, by="ada")
    assert not again.moved


def refused(room, audited, match, **changed):
    stream, report, store = audited
    with pytest.raises(PublishRefused, match=match):
        publish(
            changed.get("stream", stream), changed.get("report", report),
            publisher=room.lake, store=store, by="ada",
        )  # fmt: skip
    assert store.publications == []


def test_refused_when_main_has_moved(room, audited):
    room.lake.branches["orders", "main"] = room.lake.land([])
    refused(room, audited, "somebody else published; audit again")
    assert room.lake.branches["orders", "main"] == 3


def test_refused_when_main_moves_during_the_commit(room, audited):
    head = room.lake.head

    def moved_after_reading(stream, branch):
        found = head(stream, branch)
        room.lake.branches["orders", "main"] = 7
        return found

    room.lake.head = moved_after_reading
    refused(room, audited, "main has moved")


def test_refused_when_a_rule_failed(room, audited):
    stream, _, store = audited
    room.lake.land([{"id": None}])
    report = room.audit(stream)
    store.record(report)
    refused(room, audited, r"1 rule holds it back(.|\n)*nullValues: failed", report=report)
    assert room.lake.branches["orders", "main"] == 1


def test_refused_without_an_audit_of_that_snapshot(room, audited):
    _, report, store = audited
    store.reports.clear()
    refused(room, audited, "none is kept")
    store.record(replace(report, audit_id="later"))
    refused(room, audited, "the newest is later")


def test_refused_under_another_contract_or_stream(room, audited):
    stream, report, _ = audited
    changed = replace(stream, contract=ContractRef("orders", "1.1.0", "b" * 64))
    refused(room, audited, "now in force is 1.1.0", stream=changed)
    refused(room, audited, "is of stream other", report=replace(report, stream="other"))

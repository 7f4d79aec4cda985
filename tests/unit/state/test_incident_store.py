"""Incidents: opened once, told again when worse or late, over once it stayed away."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakegate.contract.stream import ContractRef
from lakegate.contract.type import Severity
from lakegate.errors import StateError
from lakegate.state.alert_store import AlertStore, Outgoing
from lakegate.state.database import open_database
from lakegate.state.incident_field_store import UndeclaredStore
from lakegate.state.incident_store import Breach, Event, IncidentKind, IncidentStore, Key

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REF = ContractRef("o", "1.0.0", "a" * 64)
KEY = Key("orders", IncidentKind.DEAD_LETTERS, "rejected")
RULE = Key("orders", IncidentKind.RULE, "complete")
JUDGED = {("orders", KEY.kind), ("orders", RULE.kind)}
BREACH = Breach(
    KEY, Severity.ERROR, "bad", "look", REF, count=100, magnitude=100.0, fields=("a", "b")
)
FAILED = replace(BREACH, key=RULE, severity=Severity.WARNING)


def tell(incident, event):
    return [Outgoing("owner:me", '{"stdout": "text"}', {"event": event, "n": incident.number})]


@pytest.fixture
def database(tmp_path):
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def store(database):
    return IncidentStore(database)


def see(store, *breaches, at=0.0, **more):
    now = NOW + timedelta(seconds=at)
    found = store.observe(breaches, judged=JUDGED, now=now, route=tell, **more)
    return [(incident.number, incident.key.kind.value, event.value) for incident, event in found]


def test_opened_once_and_read_back_as_it_was(store, database):
    assert see(store, BREACH) == [(1, "deadletters", "opened")]
    assert see(store, BREACH, at=1) == []
    (incident,) = store.list()
    assert (incident.key, incident.severity, incident.contract) == (KEY, Severity.ERROR, REF)
    assert (incident.count, incident.fields, incident.open) == (100, ("a", "b"), True)
    assert (incident.opened_at, incident.updated_at) == (NOW, NOW + timedelta(seconds=1))
    assert store.find(1) == incident
    assert len(AlertStore(database).list()) == 1


def test_told_again_when_twice_as_bad_or_more_severe_or_late(store):
    see(store, BREACH)
    assert see(store, replace(BREACH, magnitude=199.0), at=1) == []
    assert see(store, replace(BREACH, magnitude=200.0), at=2) == [(1, "deadletters", "updated")]
    assert see(store, replace(BREACH, magnitude=399.0), at=3) == []
    worse = replace(BREACH, magnitude=200.0, severity=Severity.CRITICAL)
    assert see(store, worse, at=4) == [(1, "deadletters", "updated")]
    assert see(store, worse, at=4 * 3600) == []
    assert see(store, worse, at=4 * 3600 + 4) == [(1, "deadletters", "updated")]


def test_what_comes_and_goes_is_over_once_it_stayed_away(store):
    see(store, BREACH)
    assert see(store, at=10) == []
    assert see(store, at=60) == []
    assert see(store, BREACH, at=65) == []
    assert see(store, at=71) == []
    assert see(store, at=130) == []
    assert see(store, at=131) == [(1, "deadletters", "closed")]
    assert see(store, BREACH, at=132) == [(2, "deadletters", "opened")]


def test_a_rule_that_passes_is_over_at_once(store):
    see(store, FAILED)
    assert see(store, at=1) == [(1, "rule", "closed")]


def test_what_is_not_judged_or_not_known_stays(store):
    see(store, BREACH, FAILED)
    assert see(store, at=600, unknown=[KEY, RULE]) == []
    assert store.observe([], judged=(), now=NOW + timedelta(days=1), route=tell) == []
    assert len(store.list()) == 2


def test_a_clock_that_goes_back_neither_closes_nor_repeats(store):
    see(store, BREACH)
    assert see(store, BREACH, at=-86_400) == []
    assert see(store, at=-86_399) == []
    assert see(store, at=-90_000) == []
    assert see(store, at=-89_941) == []
    assert see(store, at=-89_940) == [(1, "deadletters", "closed")]
    (incident,) = store.list(only_open=False)
    assert incident.closed_at == incident.opened_at


def test_closed_by_hand_stays_closed_until_over_or_worse(store):
    see(store, FAILED)
    closed = store.close(1, reason="known", now=NOW, route=tell)
    assert (closed.open, closed.reason) == (False, "known")
    assert see(store, FAILED, at=1) == []
    assert see(store, replace(FAILED, magnitude=200.0), at=2) == [(2, "rule", "opened")]
    store.close(2, reason="known", now=NOW, route=tell)
    assert see(store, at=3) == []
    assert see(store, FAILED, at=4) == [(3, "rule", "opened")]


@pytest.mark.parametrize("number", [1, 99])
def test_closing_what_is_not_open_is_refused(store, number):
    see(store, FAILED)
    store.close(1, reason="x", now=NOW, route=tell)
    with pytest.raises(StateError, match="incident list --all"):
        store.close(number, reason="x", now=NOW, route=tell)


def test_incident_and_alert_are_written_together_or_not_at_all(store, database):
    def broken(incident, event):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.observe([BREACH], judged=JUDGED, now=NOW, route=broken)
    assert store.list(only_open=False) == ()
    assert AlertStore(database).list() == ()


def test_many_watchers_at_once_open_one(store):
    changes = []

    def watch():
        for _ in range(5):
            changes.extend(store.observe([BREACH, FAILED], judged=JUDGED, now=NOW, route=tell))

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event for _, event in changes) == [Event.OPENED, Event.OPENED]


def test_what_was_closed_long_ago_is_forgotten_but_not_what_is_held(store):
    see(store, BREACH, FAILED)
    store.close(1, reason="known", now=NOW, route=tell)
    see(store, BREACH, at=1)
    assert [one.number for one in store.list(only_open=False)] == [2, 1]
    assert store.prune(before=NOW) == 0
    assert store.prune(before=NOW + timedelta(days=1)) == 1
    assert [one.number for one in store.list(only_open=False)] == [1]


def test_an_older_database_gets_the_tables(database, tmp_path):
    with database.write() as connection:
        for name in ("incidents", "alerts", "service_levels", "undeclared"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.exec_driver_sql("UPDATE lakegate_version SET version = 1")
    again = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    assert see(IncidentStore(again), BREACH) == [(1, "deadletters", "opened")]


def test_a_note_is_closed_at_once(store, database):
    incident = store.note(BREACH, now=NOW, route=tell)
    assert (incident.open, incident.reason) == (False, "for information")
    assert [letter.event for letter in AlertStore(database).list()] == ["noted"]


def test_undeclared_fields_are_told_once_and_bounded(database):
    fields = UndeclaredStore(database)
    fields.see("orders", ["$.a", "$.b", "$.a"], now=NOW)
    fields.see("orders", ["$.b"], now=NOW)
    told = []
    assert fields.tell("orders", lambda _, paths: told.extend(paths)) == 2
    assert fields.tell("orders", lambda _, paths: told.extend(paths)) == 0
    assert told == ["$.a", "$.b"]
    fields.see("orders", [f"$.n{n}" for n in range(2_000)], now=NOW)
    assert fields.count("orders") == 1_000
    with pytest.raises(ZeroDivisionError):
        fields.tell("orders", lambda _, paths: 1 / 0)
    assert fields.tell("orders", lambda _, paths: None) == 998

"""The outbox: claimed by one, tried again later and later, given up at last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakegate.state.alert_store import MAX_DELAY, AlertState, AlertStore, Outgoing, enqueue
from lakegate.state.database import open_database

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=45)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def database(tmp_path):
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def store(database):
    return AlertStore(database)


def put(database, incident, event="opened", *, to="owner:a", channel="c", at=NOW):
    with database.write() as connection:
        enqueue(connection, incident, event, [Outgoing(to, channel, {"n": incident})], at)


def test_one_claims_and_delivers(store, database):
    put(database, 1)
    assert store.channels_due(NOW) == ["c"]
    letter = store.claim("c", now=NOW, lease=LEASE)
    assert (letter.incident, letter.document, letter.recipient) == (1, {"n": 1}, "owner:a")
    assert store.claim("c", now=NOW, lease=LEASE) is None
    assert store.channels_due(NOW) == []
    store.delivered(letter.number, now=after(1))
    (kept,) = store.list(state=AlertState.DELIVERED)
    assert kept.delivered_at == after(1)


def test_a_claim_runs_out_and_a_clock_gone_back_frees_it(store, database):
    put(database, 1, at=after(-90_000))
    assert store.claim("c", now=NOW, lease=LEASE) is not None
    assert store.claim("c", now=after(44), lease=LEASE) is None
    assert store.claim("c", now=after(45), lease=LEASE) is not None
    assert store.claim("c", now=after(-3_600), lease=LEASE) is not None


def test_who_read_the_clock_before_waiting_for_the_database_takes_no_claim_away(store, database):
    put(database, 1)
    assert store.claim("c", now=after(5), lease=LEASE) is not None
    assert store.claim("c", now=NOW, lease=LEASE) is None
    assert store.channels_due(NOW) == []


def test_later_and_later_and_the_whole_channel_waits(store, database):
    put(database, 1)
    put(database, 2)
    put(database, 3, channel="other")
    delays, now = [], NOW
    for _ in range(12):
        letter = store.claim("c", now=now, lease=LEASE)
        assert letter is not None
        delays.append(store.failed(letter, "no", now=now))
        assert "c" not in store.channels_due(now)
        assert "other" in store.channels_due(now)
        now += delays[-1]
    assert delays[:4] == [timedelta(seconds=s) for s in (5, 5, 10, 10)]  # both take turns
    assert max(delays) <= MAX_DELAY
    assert {one.tries for one in store.list() if one.channel == "c"} == {6}


def test_a_clock_gone_back_does_not_make_a_retry_wait_for_ever(store, database):
    put(database, 1)
    store.failed(store.claim("c", now=NOW, lease=LEASE), "no", now=NOW)
    assert store.channels_due(after(-86_400)) == ["c"]


def test_of_one_incident_in_order(store, database):
    put(database, 1, "opened")
    put(database, 1, "closed")
    put(database, 2, "opened")
    first = store.claim("c", now=NOW, lease=LEASE)
    assert (first.incident, first.event) == (1, "opened")
    second = store.claim("c", now=NOW, lease=LEASE)
    assert second.incident == 2
    store.delivered(first.number, now=NOW)
    third = store.claim("c", now=NOW, lease=LEASE)
    assert (third.incident, third.event) == (1, "closed")


def test_given_up_then_forgotten(store, database):
    put(database, 1)
    assert store.expire(now=after(3_600), max_age=timedelta(hours=2)) == 0
    assert store.expire(now=after(7_201), max_age=timedelta(hours=2)) == 1
    assert store.channels_due(after(7_201)) == []
    assert [one.state for one in store.list(incident=1)] == [AlertState.EXPIRED]
    assert store.prune(before=after(-1)) == 0
    assert store.prune(before=after(1)) == 1

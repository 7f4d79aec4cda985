"""Deliveries: one commit for many, each token once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakegate.errors import UnknownTopic
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.delivery import Delivery, Range, Receipt
from lakegate.topic.embedded import EmbeddedLog

RAW = TopicPartition("orders.raw", 0)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(tmp_path, clock):
    made = EmbeddedLog(tmp_path / "log", clock=clock)
    made.create("orders.raw")
    made.create("spread.raw", partitions=4)
    yield made
    made.close()


def given(*values: bytes, token: bytes | None = None, digest: bytes = b"d", topic="orders.raw"):
    return Delivery(topic, [Record(value, key=value) for value in values], token, digest)


def kept(log, source=RAW):
    return [r.value for batch in log.read(source, 0) for r in records(batch.rows)]


def test_many_deliveries_are_one_batch_and_keep_their_places(log):
    first, second = log.deliver([given(b"a", b"b"), given(b"c")])
    assert first == Receipt((Range(RAW, 0, 2),))
    assert second == Receipt((Range(RAW, 2, 1),))
    assert kept(log) == [b"a", b"b", b"c"]
    assert len(list(log.read(RAW, 0))) == 1


def test_a_known_token_appends_nothing_and_gets_the_same_ranges(log, tmp_path, clock):
    (first,) = log.deliver([given(b"a", token=b"t")])
    other = EmbeddedLog(tmp_path / "log", clock=clock)
    fresh, again = other.deliver([given(b"b"), given(b"a", token=b"t")])
    assert again == Receipt(first.ranges, duplicate=True)
    assert fresh.ranges == (Range(RAW, 1, 1),)
    assert kept(log) == [b"a", b"b"]
    other.close()


def test_the_same_token_with_other_content_is_a_conflict(log):
    log.deliver([given(b"a", token=b"t")])
    (answer,) = log.deliver([given(b"b", token=b"t", digest=b"other")])
    assert answer.conflict
    assert kept(log) == [b"a"]


def test_twins_of_one_group_count_once(log):
    answers = log.deliver(
        [given(b"a", token=b"t"), given(b"a", token=b"t"), given(b"x", token=b"t", digest=b"o")]
    )
    assert [(a.duplicate, a.conflict) for a in answers] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert answers[0].ranges == answers[1].ranges
    assert kept(log) == [b"a"]


def test_a_token_committed_by_another_process_meanwhile_counts_once(log, tmp_path, clock):
    other = EmbeddedLog(tmp_path / "log", clock=clock)
    deliveries = log._deliveries
    looked = deliveries._known
    raced = []

    def known(delivery):
        if not raced:  # what the first look misses, the look inside the commit finds
            raced.append(True)
            other.deliver([given(b"a", token=b"t")])
            return None
        return looked(delivery)

    deliveries._known = known
    fresh, again = log.deliver([given(b"b"), given(b"a", token=b"t")][::-1])[::-1]
    assert again.duplicate
    assert not fresh.duplicate
    assert sorted(kept(log)) == [b"a", b"b"]
    other.close()


def test_ranges_over_several_partitions_hold_every_record(log):
    values = [b"%d" % n for n in range(100)]
    log.deliver([given(*values[:50], topic="spread.raw")])
    (answer,) = log.deliver([given(*values[50:], topic="spread.raw", token=b"t")])
    found = []
    for range_ in answer.ranges:
        found += kept(log, range_.source)[range_.first_offset :][: range_.count]
    assert sorted(found) == sorted(values[50:])
    (again,) = log.deliver([given(*values[50:], topic="spread.raw", token=b"t")])
    assert again == Receipt(answer.ranges, duplicate=True)


def test_tokens_are_forgotten_after_their_window(log, clock):
    log.deliver([given(b"a", token=b"old")])
    clock.now = NOW + timedelta(hours=1)
    log.deliver([given(b"b", token=b"new")])
    assert log.forget_deliveries(timedelta(minutes=30)) == 1
    old, new = log.deliver([given(b"a", token=b"old"), given(b"b", token=b"new")])
    assert (old.duplicate, new.duplicate) == (False, True)


def test_nothing_happens_if_one_topic_is_not_known(log):
    with pytest.raises(UnknownTopic):
        log.deliver([given(b"a", token=b"t"), given(b"b", topic="nope")])
    assert kept(log) == []
    assert not log.deliver([given(b"a", token=b"t")])[0].duplicate

"""The producer: batches, and a run that is repeated."""

from __future__ import annotations

import pytest

from lakegate.errors import LogFull
from lakegate.ingest.producer import Producer
from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.embedded import EmbeddedLog

RAW = TopicPartition("orders.raw", 0)


@pytest.fixture
def log(tmp_path):
    made = EmbeddedLog(tmp_path / "log")
    made.create("orders.raw")
    yield made
    made.close()


def kept(log):
    return [record for batch in log.read(RAW, 0) for record in records(batch.rows)]


def test_key_headers_and_timestamp_are_kept(log):
    with Producer(log, "orders.raw") as producer:
        producer.send(b"v", key=b"k", headers=(("h", b"1"), ("h", None)), timestamp_ms=5)
    (record,) = kept(log)
    assert (record.value, record.key, record.timestamp_ms) == (b"v", b"k", 5)
    assert record.headers == (("h", b"1"), ("h", None))


def test_batches_end_by_records_or_by_bytes(log):
    producer = Producer(log, "orders.raw", batch_records=3, batch_bytes=100)
    for _ in range(3):
        producer.send(b"x")
    assert producer.acknowledged == 3
    producer.send(b"x" * 100)
    assert producer.acknowledged == 4


def test_a_failed_batch_is_sent_again_unchanged(log, monkeypatch):
    producer = Producer(log, "orders.raw", batch_records=2)
    send = log.send

    def lost_answer(*arguments, **named):
        send(*arguments, **named)
        monkeypatch.setattr(log, "send", send)
        raise LogFull("the answer was lost")

    monkeypatch.setattr(log, "send", lost_answer)
    producer.send(b"1")
    with pytest.raises(LogFull):
        producer.send(b"2")
    producer.send(b"3")
    producer.flush()
    assert [record.value for record in kept(log)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("batch_records", [2, 3, 7])
def test_a_repeated_run_under_one_id_appends_only_what_is_missing(log, batch_records):
    values = [b"%d" % n for n in range(10)]
    with Producer(log, "orders.raw", producer_id="day", batch_records=2) as first:
        for value in values[:6]:
            first.send(value)
    with Producer(log, "orders.raw", producer_id="day", batch_records=batch_records) as second:
        assert second.taken == 6
        for value in values:
            second.send(value)
    assert second.acknowledged == 4
    assert [record.value for record in kept(log)] == values


def test_skipping_is_bounded_by_what_was_taken(log):
    with Producer(log, "orders.raw", producer_id="day") as first:
        first.send(b"1")
    second = Producer(log, "orders.raw", producer_id="day")
    second.skip(1)
    with pytest.raises(ValueError, match="cannot skip"):
        second.skip(1)


def test_again_sends_everything_once_more(log):
    for again in (False, True):
        with Producer(log, "orders.raw", producer_id="day", again=again) as producer:
            producer.send(b"1")
    with Producer(log, "orders.raw", producer_id="day") as third:
        third.send(b"1")
    assert [record.value for record in kept(log)] == [b"1", b"1"]


def test_two_producers_without_id_are_two(log):
    for _ in range(2):
        with Producer(log, "orders.raw") as producer:
            producer.send(b"1")
    assert len(kept(log)) == 2


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("value", {"value": {"a": 1}}),
        ("key", {"value": b"v", "key": 1}),
        ("headers", {"value": b"v", "headers": {"a": 1}}),
        (r"headers\[0\]", {"value": b"v", "headers": (("a", 1),)}),
        ("timestamp_ms", {"value": b"v", "timestamp_ms": 1.5}),
        ("timestamp_ms", {"value": b"v", "timestamp_ms": 1 << 63}),
    ],
)
def test_a_wrong_argument_is_refused_at_once_and_nothing_beside_it_is_lost(log, argument, given):
    with Producer(log, "orders.raw") as producer:
        producer.send(b"1", key=b"a")
        with pytest.raises(TypeError, match=f"^{argument}: expected "):
            producer.send(**given)
        producer.send(b"2", key=b"b")
    assert [record.value for record in kept(log)] == [b"1", b"2"]


def test_what_was_taken_before_an_error_in_the_block_is_sent(log):
    with pytest.raises(TypeError, match="key"), Producer(log, "orders.raw") as producer:  # noqa: PT012
        producer.send(b"1")
        producer.send(b"2", key=2)
    assert [record.value for record in kept(log)] == [b"1"]


def test_text_is_sent_as_utf_8(log):
    with Producer(log, "orders.raw") as producer:
        producer.send("é", key="é", headers=[("h", "é")])
    (record,) = kept(log)
    assert (record.value, record.key, record.headers[0][1]) == ("é".encode(),) * 3


@pytest.mark.parametrize("own", [None, KeyError("of the program")])
def test_what_could_not_be_sent_is_said(log, monkeypatch, own):
    def full(*_arguments, **_named):
        raise LogFull("no room")

    monkeypatch.setattr(log, "send", full)
    producer = Producer(log, "orders.raw")
    with pytest.raises((LogFull, KeyError)) as raised, producer:  # noqa: PT012
        producer.send(b"1")
        if own is not None:
            raise own
    assert isinstance(raised.value, LogFull) == (own is None)
    assert "not sent: 1 record taken by the producer of orders.raw" in raised.value.__notes__[0]

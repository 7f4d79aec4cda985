"""Appends that are made durable ahead of the transaction that publishes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lakegate.errors import Fenced, TopicError, UnknownTopic
from lakegate.topic.base import Record, TopicLog, TopicPartition
from lakegate.topic.codec import record_batch

from .test_log import NOW, OUT, RAW, rows, values


@pytest.fixture
def made(log: TopicLog) -> TopicLog:
    log.create("orders.raw")
    log.create("orders.validated", partitions=2)
    return log


def big(first: int, count: int = 8):
    """Rows that fill half a segment of the tests' 16 KiB; nothing compresses them."""
    import random

    noise = random.Random(first)
    return record_batch([Record(noise.randbytes(1_000)) for _ in range(count)], now=NOW)


def test_nothing_is_visible_before_it_is_published(place, made):
    other = place.open()
    prepared = made.prepare([(OUT, rows(0, 2)), (OUT, rows(2, 2))])
    assert other.end_offset(OUT) == made.end_offset(OUT) == 0
    with made.transaction() as transaction:
        transaction.publish(prepared)
        transaction.append(OUT, rows(4, 1))
    assert values(other, OUT) == [b"0", b"1", b"2", b"3", b"4"]


def test_offsets_follow_the_order_of_publishing(made):
    first, second = (made.prepare([(OUT, rows(n, 1))]) for n in (1, 2))
    with made.transaction() as transaction:
        transaction.publish(second)
        transaction.publish(first)
    assert values(made, OUT) == [b"2", b"1"]


def test_nothing_to_prepare(made):
    with made.transaction() as transaction:
        transaction.publish(made.prepare([]))
        transaction.publish(made.prepare([(OUT, rows(0, 0))]))
    assert made.end_offset(OUT) == 0


def test_a_second_thread_prepares_while_the_first_commits(place, made):
    def prepare(number: int):
        target = TopicPartition("orders.validated", number % 2)
        return made.prepare([(target, rows(number, 1))])

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(prepare, number) for number in range(60)]
        for number, prepared in enumerate(waiting):
            made.append(RAW, rows(number, 1))
            with made.transaction() as transaction:
                transaction.publish(prepared.result())
    other = place.open()
    for partition in range(2):
        found = values(other, TopicPartition("orders.validated", partition))
        assert found == [b"%d" % number for number in range(partition, 60, 2)]
    assert len(values(other, RAW)) == 60


def test_what_is_prepared_survives_a_full_segment_and_retention(place, made):
    """Until it is published no row names its segment, which retention must leave alone."""
    prepared = [made.prepare([(OUT, big(number))]) for number in range(4)]
    place.open().retain()
    with made.transaction() as transaction:
        for each in prepared:
            transaction.publish(each)
    assert len(values(place.open(), OUT)) == 32
    assert list(made.verify(OUT)) == []


def test_what_is_discarded_never_was_and_its_segments_go(place, made, tmp_path):
    prepared = [made.prepare([(OUT, big(number))]) for number in range(6)]
    for each in prepared:
        each.discard()
        each.discard()
    assert made.end_offset(OUT) == 0
    place.open().retain()
    assert len(list(tmp_path.glob("log/segments/orders.validated/*.seg"))) == 1, "the one in use"
    made.append(OUT, rows(0, 1))
    assert values(made, OUT) == [b"0"]


def test_a_refused_commit_publishes_nothing(place, made):
    made.append(RAW, rows(0, 4))
    prepared = made.prepare([(OUT, rows(0, 4))])
    with pytest.raises(Fenced), made.transaction() as transaction:  # noqa: PT012
        transaction.publish(prepared)
        transaction.advance("gate", RAW, expected=1, to=4)
    assert made.end_offset(OUT) == 0
    prepared.discard()
    made.append(OUT, rows(7, 1))
    assert values(place.open(), OUT) == [b"7"]


def test_a_block_that_raises_publishes_nothing(made):
    prepared = made.prepare([(OUT, rows(0, 4))])
    with pytest.raises(ZeroDivisionError), made.transaction() as transaction:  # noqa: PT012
        transaction.publish(prepared)
        raise ZeroDivisionError
    assert made.end_offset(OUT) == 0


def test_an_unknown_partition_is_refused(made):
    with pytest.raises(UnknownTopic):
        made.prepare([(TopicPartition("nowhere", 0), rows(0, 1))])


def test_another_logs_appends_are_refused(made):
    class Foreign:
        def discard(self) -> None:
            """Nothing."""

    with pytest.raises(TopicError, match="another log"), made.transaction() as transaction:
        transaction.publish(Foreign())

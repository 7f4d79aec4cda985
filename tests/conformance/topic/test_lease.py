"""Leases of partitions: an epoch that only grows decides who may commit, and nothing else does."""

from __future__ import annotations

import pytest

from lakegate.errors import Fenced, UnknownTopic
from lakegate.topic.base import TopicLog, TopicPartition

from .test_log import OUT, RAW, entry, rows, values


@pytest.fixture
def made(log: TopicLog) -> TopicLog:
    log.create("orders.raw", partitions=2)
    log.create("orders.validated")
    log.append(RAW, rows(0, 4))
    return log


def commit(log: TopicLog, *, expected: int, to: int, epoch: int | None) -> None:
    with log.transaction() as transaction:
        transaction.append(OUT, rows(expected, to - expected))
        transaction.account(entry(expected, to))
        transaction.advance("gate", RAW, expected=expected, to=to, epoch=epoch)


def test_epochs_grow_per_group_and_partition(place, made):
    assert [made.claim("gate", RAW) for _ in range(3)] == [1, 2, 3]
    assert place.open().claim("gate", RAW) == 4
    assert made.claim("gate", TopicPartition("orders.raw", 1)) == 1
    assert made.claim("landing", RAW) == 1
    with pytest.raises(UnknownTopic):
        made.claim("gate", TopicPartition("orders.raw", 9))


def test_who_holds_the_lease_commits_again_and_again(made):
    epoch = made.claim("gate", RAW)
    commit(made, expected=0, to=2, epoch=epoch)
    commit(made, expected=2, to=4, epoch=epoch)
    assert values(made, OUT) == [b"0", b"1", b"2", b"3"]


def test_after_a_takeover_the_former_holder_cannot_commit(place, made):
    """Its offset is where it left it: only the epoch says that somebody else is at work."""
    stale = made.claim("gate", RAW)
    other = place.open()
    fresh = other.claim("gate", RAW)
    with pytest.raises(Fenced, match=f"epoch {fresh} by now, this commit is of epoch {stale}"):
        commit(made, expected=0, to=2, epoch=stale)
    assert made.end_offset(OUT) == 0
    assert made.committed("gate", RAW) is None
    assert list(made.ledger("orders")) == []
    commit(other, expected=0, to=4, epoch=fresh)
    assert values(made, OUT) == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
def test_no_clock_has_a_part_in_it(place, made, seconds):
    stale = made.claim("gate", RAW)
    place.clock.move(seconds)
    fresh = place.open().claim("gate", RAW)
    place.clock.move(-2 * seconds)
    with pytest.raises(Fenced):
        commit(made, expected=0, to=2, epoch=stale)
    commit(made, expected=0, to=2, epoch=fresh)


def test_an_epoch_that_was_never_given_out_is_refused(made):
    made.claim("gate", TopicPartition("orders.raw", 1))
    with pytest.raises(Fenced, match="under epoch 0"):
        commit(made, expected=0, to=2, epoch=1)


def test_one_stale_partition_refuses_the_whole_commit(place, made):
    second = TopicPartition("orders.raw", 1)
    made.append(second, rows(0, 2))
    epochs = [made.claim("gate", source) for source in (RAW, second)]
    place.open().claim("gate", second)
    with pytest.raises(Fenced), made.transaction() as transaction:  # noqa: PT012
        transaction.advance("gate", RAW, expected=0, to=4, epoch=epochs[0])
        transaction.advance("gate", second, expected=0, to=2, epoch=epochs[1])
    assert made.committed("gate", RAW) is None


def test_without_an_epoch_only_the_offset_counts(made):
    made.claim("gate", RAW)
    commit(made, expected=0, to=2, epoch=None)
    assert made.committed("gate", RAW) == 2

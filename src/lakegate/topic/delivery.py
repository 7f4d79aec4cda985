"""Deliveries: what many senders hand over together, appended in one commit, each with its receipt.

A delivery may carry a token. The log then keeps, in the commit that appends the records, which
token came with which content and where its records went, so that the same delivery handed over
again appends nothing and gets the same answer. Receipts are kept until they are forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lakegate.errors import UnknownTopic
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.codec import record_batch
from lakegate.topic.commit import Commits, Work
from lakegate.topic.index import Index, to_us
from lakegate.topic.partitioner import assign

__all__ = ["Deliveries", "Delivery", "Range", "Receipt"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivery (
    token BLOB PRIMARY KEY, digest BLOB NOT NULL, ranges TEXT NOT NULL, at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_at ON delivery (at_us);
"""
_CHUNK = 2_000  # receipts forgotten per transaction: a few milliseconds


@dataclass(frozen=True, slots=True)
class Delivery:
    """Records for one topic. ``token`` names the delivery, ``digest`` is a hash of its content."""

    topic: str
    records: Sequence[Record]
    token: bytes | None = None
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Range:
    """``count`` consecutive offsets of a partition, from ``first_offset``."""

    source: TopicPartition
    first_offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where the records of a delivery are; within a partition they are in the order delivered.

    ``duplicate``: its token was known, and nothing was appended this time. ``conflict``: its token
    was known with another digest; nothing was appended, and ``ranges`` is empty.
    """

    ranges: tuple[Range, ...]
    duplicate: bool = False
    conflict: bool = False


class _Overtaken(Exception):
    """Another process committed one of the tokens meanwhile; nothing of this commit happened."""


class Deliveries:
    """Appends deliveries to one log."""

    def __init__(
        self, index: Index, commits: Commits, *, clock: Callable[[], datetime], turn: int
    ) -> None:
        self._index = index
        self._commits = commits
        self._clock = clock
        self._turn = turn
        self._prepared = False

    def deliver(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Append them in one commit; see :meth:`EmbeddedLog.deliver`."""
        if any(delivery.token is not None for delivery in deliveries):
            self._prepare()
        while True:
            try:
                return self._try(deliveries)
            except _Overtaken:
                continue

    def _prepare(self) -> None:
        if not self._prepared:
            with self._index.immediate():
                self._index.execute(_SCHEMA)
            self._prepared = True

    def _try(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        receipts: list[Receipt | None] = [None] * len(deliveries)
        first: dict[bytes, int] = {}  # position of the first delivery with a token
        fresh: list[int] = []
        for position, delivery in enumerate(deliveries):
            token = delivery.token
            if token is not None and token in first:
                continue
            if token is not None and (known := self._known(delivery)) is not None:
                receipts[position] = known
                continue
            if token is not None:
                first[token] = position
            if delivery.records:
                fresh.append(position)
            else:
                receipts[position] = Receipt(())
        appended = self._append([deliveries[position] for position in fresh])
        for position, receipt in zip(fresh, appended, strict=True):
            receipts[position] = receipt
        return [
            _of_twin(deliveries, first, receipts, position) if receipt is None else receipt
            for position, receipt in enumerate(receipts)
        ]

    def _known(self, delivery: Delivery) -> Receipt | None:
        row = self._index.one("SELECT digest, ranges FROM delivery WHERE token = ?", delivery.token)
        if row is None:
            return None
        return _read(delivery, row[0], row[1])

    def _append(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        if not deliveries:
            return []
        chosen: dict[TopicPartition, list[Record]] = {}
        places: list[list[tuple[TopicPartition, int, int]]] = []
        self._turn += 1
        for delivery in deliveries:
            places.append([])
            partitions = self._partitions(delivery.topic)
            by_partition = assign(delivery.records, partitions, self._turn % partitions)
            for partition, positions in by_partition.items():
                target = TopicPartition(delivery.topic, partition)
                records = chosen.setdefault(target, [])
                places[-1].append((target, len(records), len(positions)))
                records.extend(delivery.records[position] for position in positions)
        return self._commit(deliveries, chosen, places)

    def _commit(
        self,
        deliveries: Sequence[Delivery],
        chosen: dict[TopicPartition, list[Record]],
        places: Sequence[Sequence[tuple[TopicPartition, int, int]]],
    ) -> list[Receipt]:
        now = self._clock()
        receipts: list[Receipt] = []

        def keep(bases: Sequence[int], now_us: int) -> None:
            base = dict(zip(chosen, bases, strict=True))
            for delivery, place in zip(deliveries, places, strict=True):
                ranges = tuple(Range(at, base[at] + start, count) for at, start, count in place)
                receipts.append(Receipt(ranges))
                if delivery.token is not None:
                    self._keep(delivery, ranges, now_us)

        staged = [
            self._commits.stage(target, record_batch(records, now=now))
            for target, records in chosen.items()
        ]
        self._commits.commit(Work(staged=staged, keep=keep))
        return receipts

    def _keep(self, delivery: Delivery, ranges: tuple[Range, ...], now_us: int) -> None:
        if self._known(delivery) is not None:
            raise _Overtaken
        text = json.dumps([[r.source.partition, r.first_offset, r.count] for r in ranges])
        self._index.execute(
            "INSERT INTO delivery VALUES (?, ?, ?, ?)",
            delivery.token,
            delivery.digest,
            text,
            now_us,
        )

    def _partitions(self, topic: str) -> int:
        row = self._index.one("SELECT partitions FROM topic WHERE name = ?", topic)
        if row is None:
            raise UnknownTopic(f"{self._index.root} has no topic {topic}; create it first")
        return int(row[0])

    def forget(self, age: timedelta) -> int:
        """Forget receipts older than ``age``; return how many."""
        self._prepare()
        before_us = to_us(self._clock() - age)
        forgotten = 0
        while True:
            tokens = self._index.all(
                "SELECT token FROM delivery WHERE at_us < ? ORDER BY at_us LIMIT ?",
                before_us,
                _CHUNK,
            )
            if not tokens:
                return forgotten
            with self._index.immediate():
                for (token,) in tokens:
                    self._index.execute("DELETE FROM delivery WHERE token = ?", token)
            forgotten += len(tokens)


def _read(delivery: Delivery, digest: bytes, ranges: str) -> Receipt:
    if digest != delivery.digest:
        return Receipt((), duplicate=True, conflict=True)
    kept = tuple(
        Range(TopicPartition(delivery.topic, partition), first, count)
        for partition, first, count in json.loads(ranges)
    )
    return Receipt(kept, duplicate=True)


def _of_twin(
    deliveries: Sequence[Delivery],
    first: dict[bytes, int],
    receipts: Sequence[Receipt | None],
    position: int,
) -> Receipt:
    """The receipt of a delivery whose token another one of the same group has."""
    token = deliveries[position].token
    assert token is not None
    twin = first[token]
    receipt = receipts[twin]
    assert receipt is not None
    if deliveries[twin].digest != deliveries[position].digest:
        return Receipt((), duplicate=True, conflict=True)
    return replace(receipt, duplicate=True)

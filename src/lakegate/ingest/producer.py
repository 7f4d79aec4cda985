"""A producer: records in, durable and acknowledged batches out."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Self

from lakegate.topic.base import ProducerStamp, Record, TopicLog

__all__ = ["Producer"]


class Producer:
    """Sends records to one topic in batches.

    A record is durable when the :meth:`flush` behind it (or the ``with`` block) returns. A batch
    whose acknowledgement was lost may be flushed again: the log knows the producer's id and
    sequence, and appends nothing twice. Order is kept per key.
    """

    def __init__(
        self,
        log: TopicLog,
        topic: str,
        *,
        batch_records: int = 10_000,
        producer_id: str | None = None,
    ) -> None:
        self._log = log
        self._topic = topic
        self._batch_records = batch_records
        self._id = producer_id or uuid.uuid4().hex
        self._sequence = 0
        self._waiting: list[Record] = []
        self._unacknowledged: list[Record] = []
        self.acknowledged = 0

    def send(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Take a record; it is flushed with its batch. ``timestamp_ms`` None means now.

        Raises:
            LogFull: the batch could not be appended; its records are kept for the next flush.
        """
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000
        self._waiting.append(Record(value, key, headers, timestamp_ms))
        if len(self._waiting) >= self._batch_records:
            self.flush()

    def flush(self) -> int:
        """Append everything taken so far, in one commit; return how many records that were.

        Raises:
            LogFull: no room; the records are kept, and flushing again is harmless.
        """
        before = self.acknowledged
        while self._unacknowledged or self._waiting:
            if not self._unacknowledged:
                self._unacknowledged, self._waiting = self._waiting, []
            batch = self._unacknowledged  # tried again unchanged until the log has it
            self._log.send(self._topic, batch, stamp=ProducerStamp(self._id, self._sequence))
            self._sequence += len(batch)
            self.acknowledged += len(batch)
            self._unacknowledged = []
        return self.acknowledged - before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.flush()

"""Batches that were just committed, still in memory for a reader in the same process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from lakegate.topic.base import TopicPartition

__all__ = ["Fresh", "Place"]

Place = tuple[str, int, int]
"""Where a batch is on disk: its segment, its position, its CRC-32."""

_Held = dict[int, tuple[Place, pa.RecordBatch]]  # of one partition, by first offset


class Fresh:
    """The newest batches of topics that a reader in this process follows.

    The reader gets the rows that were committed without reading, checking and decoding them again.
    Each batch is given once, and only for the very place the index names; what is not here (it did
    not fit, another process appended it, it was given already) is read from disk as ever, so this
    changes the cost of reading and never what is read. At most ``limit_bytes`` are held. The logs
    of several threads may share one instance.
    """

    def __init__(self, *, limit_bytes: int = 64 << 20) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._topics: dict[str, dict[TopicPartition, _Held]] = {}
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """How much is held."""
        return self._bytes

    @contextmanager
    def following(self, topic: str) -> Iterator[None]:
        """Hold what is committed to the topic from now on, until the block ends."""
        with self._lock:
            self._topics[topic] = {}
        try:
            yield
        finally:
            with self._lock:
                for held in self._topics.pop(topic, {}).values():
                    self._drop(held, list(held))

    def put(self, target: TopicPartition, base: int, place: Place, rows: pa.RecordBatch) -> None:
        """A batch was committed at offset ``base``."""
        with self._lock:
            partitions = self._topics.get(target.topic)
            if partitions is None or self._bytes + rows.nbytes > self._limit_bytes:
                return
            held = partitions.setdefault(target, {})
            self._drop(held, [base])
            held[base] = (place, rows)
            self._bytes += rows.nbytes

    def take(self, source: TopicPartition, base: int, place: Place) -> pa.RecordBatch | None:
        """The rows of the batch, if they are here; what lies before it in the partition goes."""
        with self._lock:
            held = self._topics.get(source.topic, {}).get(source)
            if held is None:
                return None
            found = held.get(base)
            self._drop(held, [offset for offset in held if offset <= base])
        return found[1] if found is not None and found[0] == place else None

    def _drop(self, held: _Held, bases: list[int]) -> None:
        for base in bases:
            if (batch := held.pop(base, None)) is not None:
                self._bytes -= batch[1].nbytes

"""How far a stream's rows reach in time: read from the tail of its validated topic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
from lakegate.topic.base import TopicLog, TopicPartition

__all__ = ["Marks", "Watermarks"]

_TAIL_ROWS = 20_000  # of a partition, per look: what came before is passed over
_OLDEST_ROWS = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Marks:
    """Newest time per column, and the oldest among rows that are not published yet (UTC)."""

    newest: Mapping[str, datetime]
    oldest_waiting: Mapping[str, datetime]


@dataclass(slots=True)
class _Partition:
    seen: int | None = None
    published: int | None = None
    newest: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, int] = field(default_factory=dict)


class Watermarks:
    """Follows validated topics at a bounded cost: at most 20,000 of the newest rows per look.

    ``published`` gives the next offset of each validated partition that is on ``main``.
    """

    def __init__(
        self, log: TopicLog, published: Callable[[Stream], Mapping[TopicPartition, int]]
    ) -> None:
        self._log = log
        self._published = published
        self._partitions: dict[TopicPartition, _Partition] = {}

    def look(self, stream: Stream, columns: Collection[str], *, waiting: bool) -> Marks:
        """The marks of those timestamp or date columns; the oldest ones only if ``waiting``."""
        topic = stream.topic("validated")
        count = self._log.topics().get(topic, 0)
        published = self._published(stream) if waiting else {}
        newest: dict[str, int] = {}
        oldest: dict[str, int] = {}
        for number in range(count):
            source = TopicPartition(topic, number)
            kept = self._partitions.setdefault(source, _Partition())
            end = self._log.end_offset(source)
            self._follow(source, kept, end, columns)
            _fold(newest, kept.newest, max)
            if waiting and published.get(source, 0) < end:
                self._oldest(source, kept, published.get(source, 0), columns)
                _fold(oldest, kept.oldest, min)
        return Marks(_times(newest), _times(oldest))

    def _follow(
        self, source: TopicPartition, kept: _Partition, end: int, columns: Collection[str]
    ) -> None:
        start = max(kept.seen or 0, end - _TAIL_ROWS, self._log.start_offset(source))
        for low, high in self._ranges(source, start, end, columns):
            _fold(kept.newest, high, max)
            if kept.published is not None:
                _fold(kept.oldest, low, min)
        kept.seen = end

    def _oldest(
        self, source: TopicPartition, kept: _Partition, published: int, columns: Collection[str]
    ) -> None:
        """Of the first rows that wait, and (by ``_follow``) of those that came since."""
        if kept.published == published:
            return
        kept.published, kept.oldest = published, {}
        start = max(published, self._log.start_offset(source))
        end = min(start + _OLDEST_ROWS, self._log.end_offset(source))
        for low, _ in self._ranges(source, start, end, columns):
            _fold(kept.oldest, low, min)

    def _ranges(
        self, source: TopicPartition, start: int, end: int, columns: Collection[str]
    ) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
        while start < end:
            batches = list(self._log.read(source, start, max_records=end - start))
            if not batches:
                return
            start = batches[-1].next_offset
            for batch in batches:
                there = [name for name in columns if name in batch.rows.schema.names]
                yield _range(batch.rows, there)


def _range(rows: pa.RecordBatch, columns: Collection[str]) -> tuple[dict[str, int], dict[str, int]]:
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for name in columns:
        found: Any = pc.min_max(rows.column(name).cast(_STAMP).cast(pa.int64())).as_py()
        if found["min"] is not None:
            low[name], high[name] = found["min"], found["max"]
    return low, high


def _fold(into: dict[str, int], values: Mapping[str, int], choose: Callable[..., int]) -> None:
    for name, value in values.items():
        into[name] = choose(into.get(name, value), value)


def _times(values: Mapping[str, int]) -> dict[str, datetime]:
    times = {}
    for name, value in values.items():
        try:
            times[name] = _EPOCH + timedelta(microseconds=value)
        except OverflowError:
            continue
    return times

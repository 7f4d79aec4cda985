"""The embedded log against a plain model: whatever is done to it, they agree."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lakegate.errors import Fenced, TopicError
from lakegate.topic.base import ProducerStamp, Record, Retention, TopicPartition
from lakegate.topic.codec import record_batch, records
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.partitioner import partition_of

TOPICS = {"kept": Retention(), "aged": Retention(age=timedelta(seconds=50))}
PARTITIONS = [TopicPartition(topic, number) for topic in TOPICS for number in (0, 1)]
GROUPS = ("g", "h")

partitions = st.sampled_from(PARTITIONS)
some_records = st.lists(
    st.builds(
        Record,
        value=st.none() | st.binary(max_size=30),
        key=st.none() | st.binary(max_size=4),
        headers=st.lists(
            st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2
        ).map(tuple),
        timestamp_ms=st.integers(0, 2**40),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Model:
    """A partition: records in order, how they were cut into batches and when they came."""

    records: list[Record] = field(default_factory=list)
    batches: list[tuple[int, datetime]] = field(default_factory=list)  # end, appended at
    start: int = 0
    erased: set[int] = field(default_factory=set)

    def append(self, given: list[Record], now: datetime) -> int:
        base = len(self.records)
        self.records += given
        at = max(now, self.batches[-1][1]) if self.batches else now
        self.batches.append((len(self.records), at))
        return base


class Log(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.model = {source: Model() for source in PARTITIONS}
        self.offsets: dict[tuple[str, TopicPartition], int] = {}
        self.sequence = dict.fromkeys(PARTITIONS, 0)
        self.taken: list[tuple[TopicPartition, int, list[Record], int]] = []
        self.epoch = 0

    def open(self) -> EmbeddedLog:
        path = Path(self.directory.name) / "log"
        return EmbeddedLog(path, segment_bytes=4_000, clock=lambda: self.now)

    @initialize()
    def create(self) -> None:
        self.logs = [self.open(), self.open()]
        self.turn = 0
        for topic, retention in TOPICS.items():
            self.logs[0].create(topic, partitions=2, retention=retention)

    @property
    def log(self) -> EmbeddedLog:
        """One of two instances, by turns: what one does, the other must see."""
        self.turn += 1
        return self.logs[self.turn % 2]

    @rule(onto=partitions, given=some_records)
    def append(self, onto: TopicPartition, given: list[Record]) -> None:
        rows = record_batch(given, now=self.now)
        assert self.log.append(onto, rows) == self.model[onto].append(given, self.now)

    @rule(topic=st.sampled_from(sorted(TOPICS)), given=some_records)
    def send(self, topic: str, given: list[Record]) -> None:
        coordinates = self.log.send(topic, given)
        placed: dict[TopicPartition, list[tuple[int, Record]]] = {}
        for record, (target, offset) in zip(given, coordinates, strict=True):
            if record.key is not None:
                assert target.partition == partition_of(record.key, 2)
            placed.setdefault(target, []).append((offset, record))
        for target, here in placed.items():
            base = self.model[target].append([record for _, record in here], self.now)
            assert [offset for offset, _ in here] == list(range(base, base + len(here)))

    @rule(onto=partitions, given=some_records)
    def append_stamped(self, onto: TopicPartition, given: list[Record]) -> None:
        sequence = self.sequence[onto]
        stamp = ProducerStamp("p", sequence, self.epoch)
        base = self.log.append(onto, record_batch(given, now=self.now), stamp=stamp)
        assert base == self.model[onto].append(given, self.now)
        self.sequence[onto] += len(given)
        self.taken.append((onto, sequence, given, base))

    @rule(choice=st.integers(0))
    def retry(self, choice: int) -> None:
        if not self.taken:
            return
        onto, sequence, given, base = self.taken[choice % len(self.taken)]
        stamp = ProducerStamp("p", sequence, self.epoch)
        assert self.log.append(onto, record_batch(given, now=self.now), stamp=stamp) == base

    @rule(onto=partitions, given=some_records, ahead=st.integers(1, 3))
    def append_with_a_gap(self, onto: TopicPartition, given: list[Record], ahead: int) -> None:
        stamp = ProducerStamp("p", self.sequence[onto] + ahead, self.epoch)
        with pytest.raises(TopicError, match="missing"):
            self.log.append(onto, record_batch(given, now=self.now), stamp=stamp)

    @rule(onto=partitions, given=some_records)
    def take_over(self, onto: TopicPartition, given: list[Record]) -> None:
        self.epoch += 1
        self.sequence = dict.fromkeys(PARTITIONS, 0)
        self.taken.clear()
        self.append_stamped(onto, given)
        with pytest.raises(Fenced):
            self.log.append(
                onto,
                record_batch(given, now=self.now),
                stamp=ProducerStamp("p", 0, self.epoch - 1),
            )

    @rule(
        source=partitions,
        onto=partitions,
        given=some_records,
        group=st.sampled_from(GROUPS),
        step=st.integers(0, 4),
        late_by=st.integers(0, 1),
        fails=st.booleans(),
    )
    def transact(
        self,
        source: TopicPartition,
        onto: TopicPartition,
        given: list[Record],
        group: str,
        step: int,
        late_by: int,
        fails: bool,
    ) -> None:
        model = self.model[source]
        at = self.offsets.get((group, source), model.start)
        to = min(at + step, len(model.records))
        log = self.log
        try:
            with log.transaction() as transaction:
                transaction.append(onto, record_batch(given, now=self.now))
                transaction.append(source, record_batch(given[:1], now=self.now))
                transaction.advance(group, source, expected=at - late_by, to=to)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert fails
            return
        except Fenced:
            assert late_by
            return
        assert not late_by
        self.model[onto].append(given, self.now)
        self.model[source].append(given[:1], self.now)
        self.offsets[group, source] = to

    @rule(group=st.sampled_from(GROUPS), topic=st.sampled_from(sorted(TOPICS)))
    def register(self, group: str, topic: str) -> None:
        self.log.register(group, topic)
        for source in PARTITIONS:
            if source.topic == topic:
                self.offsets.setdefault((group, source), self.model[source].start)

    @rule(seconds=st.integers(-30, 60))
    def move_clock(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def retain(self) -> None:
        expected = {}
        for source, model in self.model.items():
            age = TOPICS[source.topic].age
            held = [at for (_, where), at in self.offsets.items() if where == source]
            start = model.start
            for end, at in model.batches:
                if age is None or at >= self.now - age or end > min(held, default=end):
                    break
                start = max(start, end)
            if start > model.start:
                expected[source] = model.start = start
        assert self.log.retain() == expected

    @rule(source=partitions, choices=st.lists(st.integers(0), max_size=4))
    def erase(self, source: TopicPartition, choices: list[int]) -> None:
        model = self.model[source]
        kept = range(model.start, len(model.records))
        chosen = {kept[choice % len(kept)] for choice in choices} if kept else set()
        assert self.log.erase(source, sorted(chosen)) == len(chosen - model.erased)
        model.erased |= chosen

    @rule()
    def reopen(self) -> None:
        self.logs.pop(0).close()
        self.logs.append(self.open())

    @rule(
        source=partitions,
        skip=st.integers(0, 20),
        max_records=st.integers(1, 10),
        max_bytes=st.sampled_from([1, 1 << 20]),
    )
    def read(self, source: TopicPartition, skip: int, max_records: int, max_bytes: int) -> None:
        model = self.model[source]
        offset = min(model.start + skip, len(model.records))
        end = offset
        log = self.log
        for batch in log.read(source, offset, max_records=max_records, max_bytes=max_bytes):
            assert batch.base_offset == end
            end = batch.next_offset
            self._same(source, batch.base_offset, records(batch.rows))
            held = next(at for until, at in model.batches if until > batch.base_offset)
            assert batch.appended_at == held
        assert end - offset <= max_records
        assert (end > offset) == (offset < len(model.records))
        if max_bytes > 1:
            assert end == min(offset + max_records, len(model.records))

    def _same(self, source: TopicPartition, base: int, found: list[Record]) -> None:
        model = self.model[source]
        for offset, record in enumerate(found, base):
            given = model.records[offset]
            if offset in model.erased:
                assert [name for name, _ in record.headers] == ["lakegate.erased"]
                assert record == replace(given, key=None, value=None, headers=record.headers)
            else:
                assert record == given

    @invariant()
    def agrees(self) -> None:
        log = self.log
        for source, model in self.model.items():
            assert log.start_offset(source) == model.start
            assert log.end_offset(source) == len(model.records)
            for group in GROUPS:
                assert log.committed(group, source) == self.offsets.get((group, source))

    def teardown(self) -> None:
        for log in self.logs:
            for source, model in self.model.items():
                assert list(log.verify(source)) == []
                offset = model.start
                while offset < len(model.records):
                    for batch in log.read(source, offset):
                        self._same(source, offset, records(batch.rows))
                        offset = batch.next_offset
            log.close()
        self.directory.cleanup()


TestLog = Log.TestCase
TestLog.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

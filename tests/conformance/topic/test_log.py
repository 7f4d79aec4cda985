"""What a log promises (:class:`lakegate.topic.base.TopicLog`), whichever it is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from lakegate.contract.stream import ContractRef
from lakegate.errors import Fenced, TopicError, UnknownTopic
from lakegate.topic.base import (
    LedgerEntry,
    ProducerStamp,
    Record,
    Retention,
    TopicLog,
    TopicPartition,
)
from lakegate.topic.codec import record_batch, records
from lakegate.topic.schema import DEADLETTER, RECORD, validated_schema
from lakegate.topic.stub import stubs

RAW = TopicPartition("orders.raw", 0)
OUT = TopicPartition("orders.validated", 0)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def rows(first: int, count: int) -> pa.RecordBatch:
    return record_batch([Record(b"%d" % n) for n in range(first, first + count)], now=NOW)


def values(log: TopicLog, source: TopicPartition, offset: int = 0) -> list[bytes | None]:
    end = log.end_offset(source)
    found: list[bytes | None] = []
    while offset < end:
        for batch in log.read(source, offset):
            assert batch.source == source
            assert batch.base_offset == offset
            found += [record.value for record in records(batch.rows)]
            offset = batch.next_offset
    return found


def entry(first: int, until: int, **changes: object) -> LedgerEntry:
    content: dict[str, object] = {
        "stream": "orders",
        "source": RAW,
        "first_offset": first,
        "next_offset": until,
        "accepted": until - first,
        "rejected": 0,
        "tombstones": 0,
        "accepted_checksum": 2**64 - 1,
        "rejected_checksum": 2**63,
        "tombstone_checksum": 0,
        "contract": ContractRef("orders", "1.0.0", "ab" * 32),
        "noted": 1,
    }
    return LedgerEntry(**(content | changes))  # type: ignore[arg-type]


@pytest.fixture
def made(log: TopicLog) -> TopicLog:
    log.create("orders.raw")
    log.create("orders.validated")
    return log


class TestTopics:
    def test_is_a_topic_log(self, log):
        assert isinstance(log, TopicLog)

    def test_lists_by_name_and_create_is_idempotent(self, log):
        log.create("b", partitions=3)
        log.create("a")
        log.create("b", partitions=3, retention=Retention(size_bytes=1))
        assert list(log.topics().items()) == [("a", 1), ("b", 3)]

    def test_another_number_of_partitions_is_refused(self, log):
        log.create("a", partitions=2)
        with pytest.raises(TopicError, match="has 2 partitions, asked for 3"):
            log.create("a", partitions=3)
        assert log.topics() == {"a": 2}

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "a\n", "x" * 250])
    def test_illegal_names(self, log, name):
        with pytest.raises(TopicError, match="not legal"):
            log.create(name)

    def test_longest_legal_name(self, log):
        target = TopicPartition("x" * 249, 0)
        log.create(target.topic)
        log.append(target, rows(0, 1))
        assert values(log, target) == [b"0"]

    def test_no_partitions_are_refused(self, log):
        with pytest.raises(TopicError, match="at least 1 partition"):
            log.create("a", partitions=0)

    @pytest.mark.parametrize("target", [TopicPartition("orders.raw", 1), TopicPartition("no", 0)])
    def test_unknown_partition(self, made, target):
        for call in (
            lambda: made.append(target, rows(0, 1)),
            lambda: made.read(target, 0),
            lambda: made.end_offset(target),
            lambda: made.committed("g", target),
            lambda: made.erase(target, [0]),
            lambda: list(made.verify(target)),
        ):
            with pytest.raises(UnknownTopic):
                call()
        with pytest.raises(UnknownTopic):
            made.send("no", [Record(b"")])
        with pytest.raises(UnknownTopic):
            made.register("g", "no")


class TestAppendAndRead:
    def test_offsets_have_no_holes(self, made):
        assert made.append(RAW, rows(0, 3)) == 0
        assert made.append(RAW, rows(3, 0)) == 3
        assert made.append(RAW, rows(3, 2)) == 3
        assert (made.start_offset(RAW), made.end_offset(RAW)) == (0, 5)
        assert values(made, RAW) == [b"0", b"1", b"2", b"3", b"4"]

    def test_what_one_instance_appends_another_reads(self, place, made):
        other = place.open()
        made.append(RAW, rows(0, 2))
        assert values(other, RAW) == [b"0", b"1"]

    def test_survives_closing(self, place, made):
        made.append(RAW, rows(0, 2))
        place.opened.remove(made)
        made.close()
        assert values(place.open(), RAW) == [b"0", b"1"]

    def test_bytes_are_kept_exactly(self, made):
        given = [
            Record(b"\x00\xff" * 9, b"", (("h", b"\xfe"), ("h", None), ("", b"")), 0),
            Record(None, b"\x80", (), -1),
            Record(b"", None, (("é", b"1"),), 253402300799999),
        ]
        ((_, first), *_) = made.send("orders.raw", given)
        (batch,) = made.read(RAW, first)
        assert batch.rows.schema == RECORD
        assert records(batch.rows) == given

    def test_a_record_without_timestamp_gets_now(self, place, made):
        made.send("orders.raw", [Record(b"1")])
        (batch,) = made.read(RAW, 0)
        assert records(batch.rows)[0].timestamp_ms == int(place.clock.now.timestamp() * 1000)

    def test_any_schema_comes_back_with_its_metadata(self, made):
        accepted = pa.schema(
            [
                pa.field("price", pa.decimal128(18, 4), nullable=False),
                pa.field("lines", pa.list_(pa.struct([pa.field("n", pa.int64())]))),
                pa.field("at", pa.timestamp("us", tz="UTC"), metadata={"unit": "us"}),
            ],
            metadata={"lakegate.contract.id": "orders"},
        )
        given = pa.RecordBatch.from_pylist(
            [
                {
                    "price": Decimal("1.2345"),
                    "lines": [{"n": 1}, None],
                    "at": NOW,
                    "_timestamp": NOW,
                    "_topic": "orders.raw",
                    "_source_partition": 0,
                    "_offset": 7,
                    "_ingested_at": NOW,
                }
            ],
            schema=validated_schema(accepted),
        )
        made.append(OUT, given)
        made.append(OUT, rows(0, 1))
        first, second = made.read(OUT, 0)
        assert first.rows.equals(given, check_metadata=True)
        assert first.rows.schema.equals(given.schema, check_metadata=True)
        assert second.rows.schema == RECORD

    def test_a_slice_is_stored_as_a_slice(self, made):
        made.append(RAW, rows(0, 100).slice(10, 5))
        assert values(made, RAW) == [b"10", b"11", b"12", b"13", b"14"]

    @pytest.mark.parametrize("offset", range(7))
    @pytest.mark.parametrize("most", [1, 2, 3, 100])
    def test_reads_are_cut_at_both_ends(self, made, offset, most):
        for first in (0, 3, 6):
            made.append(RAW, rows(first, 3))
        batches = list(made.read(RAW, offset, max_records=most))
        found = [record.value for batch in batches for record in records(batch.rows)]
        assert found == [b"%d" % n for n in range(offset, min(offset + most, 9))]
        assert batches[0].base_offset == offset

    def test_bytes_limit_the_read_but_one_batch_always_comes(self, made):
        for first in (0, 3, 6):
            made.append(RAW, rows(first, 3))
        assert [batch.base_offset for batch in made.read(RAW, 0, max_bytes=1)] == [0]

    def test_memory_is_bounded_however_much_is_appended_at_once(self, made):
        big = record_batch([Record(b"x" * 400_000) for _ in range(100)], now=NOW)
        made.append(RAW, big)
        largest = max(batch.rows.nbytes for batch in made.read(RAW, 0))
        assert largest <= 16 << 20
        first = list(made.read(RAW, 0, max_bytes=1 << 20))
        assert sum(batch.rows.nbytes for batch in first) <= (1 << 20) + largest
        assert len(values(made, RAW)) == 100

    def test_the_end_is_where_it_was_when_reading_began(self, made):
        made.append(RAW, rows(0, 1))
        reading = made.read(RAW, 0)
        made.append(RAW, rows(1, 1))
        assert [batch.next_offset for batch in reading] == [1]

    def test_nothing_at_the_end_and_an_error_beyond(self, made):
        made.append(RAW, rows(0, 1))
        assert list(made.read(RAW, 1)) == []
        for offset in (2, -1):
            with pytest.raises(TopicError, match=f"asked for {offset}"):
                made.read(RAW, offset)

    def test_time_never_goes_back_within_a_partition(self, place, made):
        made.append(RAW, rows(0, 1))
        place.clock.move(-3600)
        made.append(RAW, rows(1, 1))
        first, second = (batch.appended_at for batch in made.read(RAW, 0))
        assert first == second
        assert first.utcoffset() == timedelta(0)


class TestSend:
    def test_equal_keys_stay_together_in_order(self, log):
        log.create("orders.raw", partitions=4)
        given = [Record(b"%d" % n, key=b"k%d" % (n % 10)) for n in range(100)]
        coordinates = log.send("orders.raw", given)
        homes: dict[bytes, TopicPartition] = {}
        for record, (target, offset) in zip(given, coordinates, strict=True):
            assert homes.setdefault(record.key, target) == target
            (batch,) = log.read(target, offset, max_records=1)
            assert records(batch.rows)[0].value == record.value
        assert len(set(homes.values())) > 1

    def test_partitions_are_those_of_kafka(self, log):
        # The hash is from the tests of org.apache.kafka.common.utils.Utils.
        log.create("orders.raw", partitions=4)
        ((target, _),) = log.send("orders.raw", [Record(b"", key=b"foobar")])
        assert target.partition == (-790332482 & 0x7FFFFFFF) % 4

    def test_keyless_batches_take_turns(self, log):
        log.create("orders.raw", partitions=3)
        turns = [log.send("orders.raw", [Record(b"a"), Record(b"b")]) for _ in range(6)]
        assert all(first[0] == second[0] for first, second in turns)
        homes = [first[0].partition for first, _ in turns]
        assert sorted(homes[:3]) == [0, 1, 2]
        assert homes[:3] == homes[3:]

    def test_one_commit_for_all_partitions(self, place, log):
        log.create("orders.raw", partitions=4)
        other = place.open()
        other.wait(0)
        log.send("orders.raw", [Record(b"", key=b"%d" % n) for n in range(50)])
        assert other.wait(1)
        assert not other.wait(0)

    def test_nothing_to_send(self, made):
        assert made.send("orders.raw", []) == []


class TestStamps:
    def test_a_retry_appends_nothing_and_returns_the_first_offset(self, made):
        assert made.append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0)) == 0
        made.append(RAW, rows(90, 2))
        assert made.append(RAW, rows(3, 2), stamp=ProducerStamp("p", 3)) == 5
        assert made.append(RAW, rows(3, 2), stamp=ProducerStamp("p", 3)) == 5
        assert made.append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0)) == 0
        assert made.append(RAW, rows(1, 2), stamp=ProducerStamp("p", 1)) == 1
        assert made.end_offset(RAW) == 7

    def test_a_retry_by_another_instance(self, place, made):
        made.append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0))
        assert place.open().append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0)) == 0
        assert made.end_offset(RAW) == 3

    def test_a_gap_is_refused(self, made):
        with pytest.raises(TopicError, match="2 records are missing"):
            made.append(RAW, rows(0, 1), stamp=ProducerStamp("p", 2))
        made.append(RAW, rows(0, 1), stamp=ProducerStamp("p", 0))
        with pytest.raises(TopicError, match=r"sequence 2 .*expected 1"):
            made.append(RAW, rows(0, 1), stamp=ProducerStamp("p", 2))
        assert made.end_offset(RAW) == 1

    def test_a_retry_that_is_cut_otherwise_is_refused(self, made):
        made.append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0))
        with pytest.raises(TopicError, match="retry must repeat the batch"):
            made.append(RAW, rows(2, 3), stamp=ProducerStamp("p", 2))
        assert made.end_offset(RAW) == 3

    def test_producers_and_partitions_count_apart(self, log):
        log.create("orders.raw", partitions=2)
        for producer in ("p", "q"):
            for partition in (0, 1):
                target = TopicPartition("orders.raw", partition)
                log.append(target, rows(0, 2), stamp=ProducerStamp(producer, 0))
        assert log.end_offset(RAW) == 4

    def test_a_higher_epoch_begins_again_and_fences_the_lower(self, log):
        log.create("orders.raw", partitions=2)
        log.append(RAW, rows(0, 3), stamp=ProducerStamp("p", 0))
        assert log.append(RAW, rows(3, 1), stamp=ProducerStamp("p", 0, epoch=1)) == 3
        assert log.append(RAW, rows(3, 1), stamp=ProducerStamp("p", 0, epoch=1)) == 3
        for target in (RAW, TopicPartition("orders.raw", 1)):
            with pytest.raises(Fenced, match="epoch 1"):
                log.append(target, rows(0, 3), stamp=ProducerStamp("p", 0))
        with pytest.raises(TopicError, match="missing"):
            log.append(RAW, rows(0, 1), stamp=ProducerStamp("p", 3, epoch=2))
        assert log.end_offset(RAW) == 4

    def test_a_retried_send_has_the_same_coordinates(self, place, log):
        log.create("orders.raw", partitions=4)
        given = [Record(b"%d" % n, key=b"%d" % n if n % 2 else None) for n in range(40)]
        first = log.send("orders.raw", given, stamp=ProducerStamp("p", 0))
        log.send("orders.raw", given[:7])
        second = log.send("orders.raw", given, stamp=ProducerStamp("p", 40))
        ends = [log.end_offset(TopicPartition("orders.raw", n)) for n in range(4)]
        again = place.open()
        assert again.send("orders.raw", given, stamp=ProducerStamp("p", 0)) == first
        assert again.send("orders.raw", given, stamp=ProducerStamp("p", 40)) == second
        assert [log.end_offset(TopicPartition("orders.raw", n)) for n in range(4)] == ends
        with pytest.raises(TopicError, match="differ"):
            log.send("orders.raw", given[:5], stamp=ProducerStamp("p", 0))


class TestTransactions:
    def test_everything_becomes_visible_together(self, place, made):
        made.append(RAW, rows(0, 4))
        other = place.open()
        with made.transaction() as transaction:
            transaction.append(OUT, rows(0, 2))
            transaction.append(OUT, rows(2, 2))
            transaction.account(entry(0, 4))
            transaction.advance("gate", RAW, expected=0, to=4)
            assert other.end_offset(OUT) == 0
            assert made.end_offset(OUT) == 0
            assert other.committed("gate", RAW) is None
        assert values(other, OUT) == [b"0", b"1", b"2", b"3"]
        assert other.committed("gate", RAW) == 4
        assert len(list(other.ledger("orders"))) == 1

    def test_nothing_happens_when_the_block_raises(self, made):
        made.append(RAW, rows(0, 4))
        with pytest.raises(ZeroDivisionError), made.transaction() as transaction:  # noqa: PT012
            transaction.append(OUT, rows(0, 2))
            transaction.account(entry(0, 4))
            transaction.advance("gate", RAW, expected=0, to=4)
            raise ZeroDivisionError
        self._untouched(made)

    def test_nothing_happens_when_fenced(self, place, made):
        made.append(RAW, rows(0, 4))
        with place.open().transaction() as transaction:
            transaction.advance("gate", RAW, expected=0, to=2)
        with pytest.raises(Fenced, match=r"at offset 2 .*expected 0"):  # noqa: PT012, SIM117
            with made.transaction() as transaction:
                transaction.append(OUT, rows(0, 2))
                transaction.account(entry(0, 4))
                transaction.advance("gate", RAW, expected=0, to=4)
        assert made.committed("gate", RAW) == 2
        assert made.end_offset(OUT) == 0
        assert list(made.ledger("orders")) == []

    @pytest.mark.parametrize("to", [-1, 5])
    def test_an_offset_outside_the_partition_is_refused(self, made, to):
        made.append(RAW, rows(0, 4))
        with pytest.raises(TopicError, match=f"cannot move to offset {to}"):  # noqa: PT012, SIM117
            with made.transaction() as transaction:
                transaction.append(OUT, rows(0, 2))
                transaction.advance("gate", RAW, expected=0, to=to)
        self._untouched(made)

    def test_an_entry_that_does_not_add_up_is_refused(self, made):
        made.append(RAW, rows(0, 4))
        with pytest.raises(TopicError, match="counts 3 records"):  # noqa: PT012, SIM117
            with made.transaction() as transaction:
                transaction.append(OUT, rows(0, 2))
                transaction.account(entry(0, 4, accepted=3))
        self._untouched(made)

    def _untouched(self, made):
        assert made.end_offset(OUT) == 0
        assert made.committed("gate", RAW) is None
        assert list(made.ledger("orders")) == []

    def test_the_ledger_is_ordered_and_exact(self, place, made):
        made.append(RAW, rows(0, 2500))
        for first in range(0, 2500, 2):
            with made.transaction() as transaction:
                transaction.account(entry(first, first + 2))
                transaction.account(entry(first, first + 2, stream="other"))
            if first == 200:
                break
        found = list(made.ledger("orders"))
        assert [each.first_offset for each in found] == list(range(0, 202, 2))
        assert found[0] == entry(0, 2, at=place.clock.now)
        assert list(made.ledger("nobody")) == []

    def test_groups_count_apart(self, made):
        made.append(RAW, rows(0, 4))
        with made.transaction() as transaction:
            transaction.advance("a", RAW, expected=0, to=1)
            transaction.advance("b", RAW, expected=0, to=2)
        assert [made.committed(group, RAW) for group in "abc"] == [1, 2, None]


class TestWait:
    def test_tells_of_own_and_other_commits_once(self, place, made):
        other = place.open()
        while made.wait(0) or other.wait(0):
            pass
        assert not made.wait(0.01)
        other.append(RAW, rows(0, 1))
        assert made.wait(10)
        assert not made.wait(0)
        assert other.wait(0)
        assert not other.wait(0)

    def test_a_commit_before_the_call_counts(self, place, made):
        other = place.open()
        made.wait(0)
        assert list(made.read(RAW, 0)) == []
        other.append(RAW, rows(0, 1))
        assert made.wait(0)


class TestRetention:
    def test_by_age_in_whole_batches(self, place, log):
        log.create("orders.raw", retention=Retention(age=timedelta(seconds=100)))
        for first in (0, 2, 4):
            log.append(RAW, rows(first, 2))
            place.clock.move(40)
        assert log.retain() == {RAW: 2}
        assert (log.start_offset(RAW), log.end_offset(RAW)) == (2, 6)
        assert values(log, RAW, 2) == [b"2", b"3", b"4", b"5"]
        with pytest.raises(TopicError, match="retention took"):
            log.read(RAW, 1)
        assert log.retain() == {}
        place.clock.move(3600)
        assert log.retain() == {RAW: 6}
        assert log.append(RAW, rows(6, 1)) == 6
        assert list(log.verify(RAW)) == []

    def test_by_size_per_partition(self, log):
        log.create("orders.raw", retention=Retention(size_bytes=0))
        log.append(RAW, rows(0, 2))
        assert log.retain() == {RAW: 2}

    def test_what_nobody_limits_stays(self, place, made):
        made.append(RAW, rows(0, 2))
        place.clock.move(10**9)
        assert made.retain() == {}
        assert values(made, RAW) == [b"0", b"1"]

    def test_never_passes_a_registered_group(self, place, log):
        log.create("orders.raw", retention=Retention(age=timedelta(0)))
        for first in (0, 2, 4):
            log.append(RAW, rows(first, 2))
        log.register("slow", "orders.raw")
        assert log.committed("slow", RAW) == 0
        place.clock.move(60)
        assert log.retain() == {}
        with log.transaction() as transaction:
            transaction.advance("slow", RAW, expected=0, to=3)
            transaction.advance("fast", RAW, expected=0, to=6)
        assert log.retain() == {RAW: 2}
        assert values(log, RAW, 3) == [b"3", b"4", b"5"]

    def test_registering_begins_at_the_start_and_only_once(self, place, log):
        log.create("orders.raw", retention=Retention(age=timedelta(0)))
        log.append(RAW, rows(0, 2))
        place.clock.move(60)
        log.retain()
        log.append(RAW, rows(2, 2))
        log.register("late", "orders.raw")
        assert log.committed("late", RAW) == 2
        with log.transaction() as transaction:
            transaction.advance("late", RAW, expected=2, to=3)
        log.register("late", "orders.raw")
        assert log.committed("late", RAW) == 3

    def test_an_unknown_group_begins_at_the_start(self, place, log):
        log.create("orders.raw", retention=Retention(age=timedelta(0)))
        log.append(RAW, rows(0, 2))
        place.clock.move(60)
        log.retain()
        log.append(RAW, rows(2, 2))
        with log.transaction() as transaction:
            transaction.advance("new", RAW, expected=2, to=4)
        assert log.committed("new", RAW) == 4

    def test_a_stamped_retry_is_harmless_after_its_records_are_gone(self, place, log):
        log.create("orders.raw", retention=Retention(age=timedelta(0)))
        log.append(RAW, rows(0, 2), stamp=ProducerStamp("p", 0))
        place.clock.move(60)
        log.retain()
        assert log.append(RAW, rows(0, 2), stamp=ProducerStamp("p", 0)) == 0
        assert (log.start_offset(RAW), log.end_offset(RAW)) == (2, 2)


class TestErase:
    def test_leaves_a_stub_with_the_documented_hash(self, made):
        given = [Record(b"v%d" % n, b"k", (("h", b"x"), ("n", None)), n) for n in range(3)]
        made.send("orders.raw", given)
        assert made.erase(RAW, [1, 1]) == 1
        (batch,) = made.read(RAW, 0)
        left = records(batch.rows)
        whole = b"".join(
            len(part).to_bytes(4, "big") + part for part in (b"k", b"v1", b"h", b"x", b"n")
        )
        stub = hashlib.sha256(whole + b"\xff" * 4).hexdigest().encode()
        assert left == [given[0], Record(None, None, (("lakegate.erased", stub),), 1), given[2]]
        assert batch.rows.schema == RECORD

    def test_counts_only_what_was_not_a_stub(self, made):
        made.append(RAW, rows(0, 2))
        made.append(RAW, rows(2, 2))
        assert made.erase(RAW, [1, 2]) == 2
        assert made.erase(RAW, [0, 1, 2, 3]) == 2
        assert made.erase(RAW, [0, 1, 2, 3]) == 0
        assert values(made, RAW) == [None] * 4
        assert list(made.verify(RAW)) == []
        assert (made.start_offset(RAW), made.end_offset(RAW)) == (0, 4)

    def test_a_record_that_looks_like_a_stub_is_erased_all_the_same(self, made):
        made.send("orders.raw", [Record(b"secret", b"7", (("lakegate.erased", b"no"),))])
        assert made.erase(RAW, [0]) == 1
        assert values(made, RAW) == [None]

    def test_stubs_are_told_from_records_that_call_themselves_so(self, made):
        forged = [b"no", b"0" * 64, None]
        made.send("orders.raw", [Record(b"v", b"k", (("lakegate.erased", v),)) for v in forged])
        made.send("orders.raw", [Record(b"v", b"k"), Record(b"v", b"k", (("h", b"x"),))])
        made.erase(RAW, [1, 3])
        found = [stub for batch in made.read(RAW, 0) for stub in stubs(batch.rows).tolist()]
        assert found == [False, True, False, True, False]

    @pytest.mark.parametrize("offsets", [[2], [-1], [0, 9]])
    def test_what_is_not_there_is_refused(self, made, offsets):
        made.append(RAW, rows(0, 2))
        with pytest.raises(TopicError, match="nothing was erased"):
            made.erase(RAW, offsets)
        assert values(made, RAW) == [b"0", b"1"]

    def test_nothing_to_erase(self, made):
        assert made.erase(RAW, []) == 0

    def test_a_dead_letter_keeps_its_reasons_but_not_what_was_observed(self, log):
        log.create("orders.deadletter")
        target = TopicPartition("orders.deadletter", 0)
        reason = {"path": "$.a", "rule": "type", "expected": "integer", "severity": "error"}
        given = {
            "key": b"k",
            "value": b"secret",
            "headers": None,
            "timestamp": NOW,
            "source_topic": "orders.raw",
            "source_partition": 0,
            "source_offset": 4,
            "contract_id": "orders",
            "contract_version": "1.0.0",
            "contract_digest": "ab",
            "rejected_at": NOW,
            "reasons": [{**reason, "observed": '"secret"'}],
        }
        log.append(target, pa.RecordBatch.from_pylist([given], schema=DEADLETTER))
        assert log.erase(target, [0]) == 1
        assert log.erase(target, [0]) == 0
        (row,) = next(log.read(target, 0)).rows.to_pylist()
        assert row["headers"][0]["key"] == "lakegate.erased"
        assert row == given | {
            "key": None,
            "value": None,
            "headers": row["headers"],
            "reasons": [{**reason, "observed": ""}],
        }

    def test_a_typed_row_keeps_its_coordinates_and_its_schema(self, made):
        nested = pa.struct([pa.field("n", pa.int32(), nullable=False), pa.field("s", pa.string())])
        accepted = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("price", pa.decimal128(9, 2), nullable=False),
                pa.field("day", pa.date32(), nullable=False),
                pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
                pa.field("time", pa.time64("us"), nullable=False),
                pa.field("ratio", pa.float64(), nullable=False),
                pa.field("ok", pa.bool_(), nullable=False),
                pa.field("raw", pa.binary(), nullable=False),
                pa.field("nested", nested, nullable=False),
                pa.field("tags", pa.list_(pa.string()), nullable=False),
                pa.field("note", pa.string()),
            ],
            metadata={"lakegate.contract.id": "orders"},
        )
        kept = {
            "_timestamp": NOW,
            "_topic": "orders.raw",
            "_source_partition": 0,
            "_offset": 7,
            "_ingested_at": NOW,
        }
        given = {
            "id": "secret",
            "price": Decimal("1.20"),
            "day": NOW.date(),
            "at": NOW,
            "time": NOW.time(),
            "ratio": 0.5,
            "ok": True,
            "raw": b"secret",
            "nested": {"n": 5, "s": "secret"},
            "tags": ["secret"],
            "note": "secret",
            "_key": b"secret",
            "_headers": [{"key": "h", "value": b"secret"}],
            **kept,
        }
        schema = validated_schema(accepted)
        made.append(OUT, pa.RecordBatch.from_pylist([given, given], schema=schema))
        assert made.erase(OUT, [0]) == 1
        assert made.erase(OUT, [0]) == 0
        (batch,) = made.read(OUT, 0)
        stub, other = batch.rows.to_pylist()
        assert batch.rows.schema.equals(schema, check_metadata=True)
        assert other == given
        assert stub.items() >= kept.items()
        assert stub["nested"] == {"n": 0, "s": None}
        assert stub["price"] == 0
        assert [pair["key"] for pair in stub["_headers"]] == ["lakegate.erased"]
        assert "secret" not in str(stub)

    def test_rows_without_headers_cannot_be_marked(self, made):
        made.append(OUT, pa.record_batch({"a": [1]}))
        with pytest.raises(TopicError, match="no headers column"):
            made.erase(OUT, [0])

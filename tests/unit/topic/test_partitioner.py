"""The partitioner is Kafka's."""

from __future__ import annotations

import pytest

from lakegate.topic.base import ProducerStamp, Record
from lakegate.topic.partitioner import assign, murmur2, partition_of, sticky

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), VECTORS.items())
def test_vectors_of_kafka(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_of(key, 7) == (signed & 0x7FFFFFFF) % 7


@pytest.mark.parametrize("key", [b"", b"\xff", b"\x80\xff", b"\xff\xfe\xfd"])
def test_short_and_high_bytes_stay_in_range(key: bytes) -> None:
    assert 0 <= murmur2(key) < 2**32
    assert 0 <= partition_of(key, 5) < 5


def test_assign_keeps_order_and_puts_the_keyless_together() -> None:
    given = [Record(b"", key=key) for key in (b"21", None, b"foobar", b"21", None)]
    placed = assign(given, 4, keyless=3)
    assert sorted(position for here in placed.values() for position in here) == list(range(5))
    assert all(here == sorted(here) for here in placed.values())
    assert {1, 4} <= set(placed[3])
    assert {0, 3} <= set(placed[partition_of(b"21", 4)])


def test_assign_of_nothing() -> None:
    assert assign([], 1, keyless=0) == assign([], 4, keyless=0) == {}


def test_sticky_depends_on_nothing_but_the_stamp() -> None:
    stamps = [ProducerStamp("p", 100 * n) for n in range(50)]
    first = [sticky(stamp, 4) for stamp in stamps]
    assert first == [sticky(stamp, 4) for stamp in stamps]
    assert set(first) == {0, 1, 2, 3}

"""Which partition a record goes to: the choice Kafka's default partitioner makes.

A key chooses ``toPositive(murmur2(key)) % partitions`` (``org.apache.kafka.common.utils.Utils``),
so a topic copied to or from Kafka keeps its keys where they were. Records without a key stick
together, batch by batch, and the batches take turns.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakegate.topic.base import ProducerStamp, Record

__all__ = ["assign", "murmur2", "partition_of", "sticky"]

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 as an unsigned number (Java's is the same bits, signed)."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole != length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, from 0, of a record with that key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def sticky(stamp: ProducerStamp, partitions: int) -> int:
    """The partition of the keyless records of a stamped batch: the same for every retry of it."""
    return partition_of(f"{stamp.producer_id}:{stamp.epoch}:{stamp.sequence}".encode(), partitions)


def assign(records: Sequence[Record], partitions: int, keyless: int) -> dict[int, list[int]]:
    """Positions in ``records`` by partition, each list ascending; ``keyless`` takes the keyless."""
    if partitions == 1:
        return {0: list(range(len(records)))} if records else {}
    positions: dict[int, list[int]] = {}
    known: dict[bytes, int] = {}
    for position, record in enumerate(records):
        key = record.key
        if key is None:
            partition = keyless
        else:
            found = known.get(key)
            partition = partition_of(key, partitions) if found is None else found
            known[key] = partition
        positions.setdefault(partition, []).append(position)
    return positions

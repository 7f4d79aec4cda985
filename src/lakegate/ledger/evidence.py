"""The data itself, read again: which source offsets are where, and what their rows hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.errors import DamagedLog
from lakegate.ledger.content import row_hash
from lakegate.topic.base import Batch, TopicLog, TopicPartition
from lakegate.topic.schema import QUARANTINE_NOTE, RECORD
from lakegate.topic.stub import stubs

__all__ = [
    "Evidence",
    "Positions",
    "Validated",
    "read_deadletters",
    "read_landed",
    "read_raw",
    "read_validated",
]

Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Positions:
    """Source offsets of one raw partition found in one place, sorted, with a hash of each row."""

    offsets: Offsets
    hashes: Hashes

    @staticmethod
    def of(offsets: Sequence[Offsets], hashes: Sequence[Hashes]) -> Positions:
        """From pieces in any order; doubles are kept."""
        if not offsets:
            return Positions(np.zeros(0, np.int64), np.zeros(0, np.uint64))
        all_offsets, all_hashes = np.concatenate(offsets), np.concatenate(hashes)
        order = np.argsort(all_offsets, kind="stable")
        return Positions(all_offsets[order], all_hashes[order])

    def between(self, first: int, end: int) -> Positions:
        """Those with ``first <= offset < end``."""
        low, high = np.searchsorted(self.offsets, [first, end])
        return Positions(self.offsets[low:high], self.hashes[low:high])

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(slots=True)
class Evidence:
    """Positions per raw partition, and the damage met on the way."""

    found: dict[int, Positions]
    damage: list[str] = field(default_factory=list)

    def of(self, partition: int) -> Positions:
        """The positions found for a raw partition."""
        return self.found.get(partition, Positions.of([], []))


class _Collector:
    """Gathers (partition, offset, hash) triples."""

    def __init__(self) -> None:
        self._offsets: dict[int, list[Offsets]] = {}
        self._hashes: dict[int, list[Hashes]] = {}

    def add(self, partitions: pa.Array, offsets: pa.Array, hashes: Hashes) -> None:
        numbers = np.asarray(partitions)
        positions = np.asarray(offsets)
        if not len(numbers):
            return
        if numbers[0] == numbers[-1] and bool(np.all(numbers == numbers[0])):
            self._offsets.setdefault(int(numbers[0]), []).append(positions)
            self._hashes.setdefault(int(numbers[0]), []).append(hashes)
            return
        for partition in np.unique(numbers):
            mine = numbers == partition
            self._offsets.setdefault(int(partition), []).append(positions[mine])
            self._hashes.setdefault(int(partition), []).append(hashes[mine])

    def positions(self) -> dict[int, Positions]:
        return {
            partition: Positions.of(self._offsets[partition], self._hashes[partition])
            for partition in self._offsets
        }


def read_raw(
    log: TopicLog, source: TopicPartition, start: int, wanted: Offsets, damage: list[str]
) -> Positions:
    """Re-read a raw partition; hashes of the records at the ``wanted`` offsets (sorted)."""
    offsets: list[Offsets] = []
    hashes: list[Hashes] = []
    for batch in _read(log, source, start, damage):
        low, high = np.searchsorted(wanted, [batch.base_offset, batch.next_offset])
        mine = wanted[low:high]
        if len(mine):
            rows = batch.rows.take(pa.array(mine - batch.base_offset))
            offsets.append(mine)
            hashes.append(row_hash(rows, RECORD.names))
    return Positions.of(offsets, hashes)


@dataclass(frozen=True, slots=True)
class Validated:
    """Accepted rows by how far they should have got, and tombstones.

    ``replayed`` are the repaired ones, likewise published, landed and waiting. ``runs`` has, per
    partition of ``topic``, the offset behind each batch and the highest source offset in it.
    """

    published: Evidence
    landed: Evidence  # and not yet published
    waiting: Evidence  # to land
    tombstones: Evidence
    replayed: tuple[Evidence, Evidence, Evidence]
    runs: dict[int, list[tuple[int, int]]]


def read_validated(
    log: TopicLog,
    topic: str,
    columns: list[str],
    *,
    starts: Mapping[int, int],
    published: Mapping[TopicPartition, int],
    landed: Mapping[TopicPartition, int],
    conform: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> Validated:
    """Re-read a validated topic from ``starts`` (offsets of ``topic`` per partition) on.

    ``published`` and ``landed`` are the offsets of ``topic`` up to which rows are on the branches.
    """
    collectors = [_Collector() for _ in range(7)]
    runs: dict[int, list[tuple[int, int]]] = {}
    damage: list[str] = []
    for partition in range(log.topics()[topic]):
        source = TopicPartition(topic, partition)
        horizons = (published.get(source, 0), landed.get(source, 0))
        start = max(starts.get(partition, 0), log.start_offset(source))
        for batch in _read(log, source, start, damage):
            highest = int(pc.max(batch.rows.column("_offset")).as_py())
            runs.setdefault(partition, []).append((batch.next_offset, highest))
            for part, reached in _cut(batch, horizons):
                kind = (part.schema.metadata or {}).get(b"lakegate.kind")
                if kind == b"tombstones":
                    target, rows, names = collectors[3], part, ["_key"]
                else:
                    place = reached + 4 if kind == b"replayed" else reached
                    target, rows, names = collectors[place], conform(part), columns
                partitions, offsets = rows.column("_source_partition"), rows.column("_offset")
                target.add(partitions, offsets, row_hash(rows, names))
    found = [Evidence(collector.positions()) for collector in collectors]
    found[0].damage.extend(damage)
    first, replayed = found[:4], (found[4], found[5], found[6])
    return Validated(first[0], first[1], first[2], first[3], replayed, runs)


def read_deadletters(
    log: TopicLog,
    topic: str,
    raw_topic: str,
    *,
    starts: Mapping[int, int],
    off_main: Mapping[TopicPartition, int],
    off_staged: Mapping[TopicPartition, int],
    counted: Mapping[int, tuple[int, int]],
) -> tuple[list[Evidence], dict[int, tuple[Offsets, Offsets]], dict[int, Offsets]]:
    """Dead letters of the raw topic, with hashes of the record they carry.

    First what the gate rejected, then what was quarantined: off ``main`` (below ``off_main``), off
    ``staged`` only, and not yet off any. Then, per partition, all source and letter offsets; and
    the letter offsets of those that were erased.
    Left out of the quarantined are those ``counted`` by a seal: per partition, with a source offset
    below the first number and a letter offset below the second.
    """
    collectors = [_Collector() for _ in range(4)]
    places: dict[int, list[tuple[Offsets, Offsets]]] = {}
    erased: dict[int, list[Offsets]] = {}
    damage: list[str] = []
    for partition in range(log.topics()[topic]):
        source = TopicPartition(topic, partition)
        horizons = (off_main.get(source, 0), off_staged.get(source, 0))
        start = max(starts.get(partition, 0), log.start_offset(source))
        for batch in _read(log, source, start, damage):
            note = QUARANTINE_NOTE in (batch.rows.schema.metadata or {})
            first = batch.base_offset
            for part, reached in _cut(batch, horizons):
                at = np.flatnonzero(np.asarray(pc.equal(part.column("source_topic"), raw_topic)))
                offsets = np.asarray(part.column("source_offset"))[at]
                places.setdefault(partition, []).append((offsets, first + at))
                erased.setdefault(partition, []).append(first + at[stubs(part)[at]])
                if note:
                    sealed, known = counted.get(partition, (0, 0))
                    at = at[(offsets >= sealed) | (first + at >= known)]
                rows = part.take(pa.array(at))
                collectors[1 + reached if note else 0].add(
                    rows.column("source_partition"),
                    rows.column("source_offset"),
                    row_hash(rows, RECORD.names),
                )
                first += part.num_rows
    found = [Evidence(collector.positions()) for collector in collectors]
    found[0].damage.extend(damage)
    joined = {
        partition: (np.concatenate([s for s, _ in held]), np.concatenate([p for _, p in held]))
        for partition, held in places.items()
    }
    gone = {partition: np.concatenate(held) for partition, held in erased.items()}
    return found, joined, gone


def read_landed(batches: Iterable[pa.RecordBatch], raw_topic: str, columns: list[str]) -> Evidence:
    """Rows of a table at one snapshot, which came from the raw topic."""
    collector = _Collector()
    for batch in batches:
        rows = batch.filter(pc.equal(batch.column("_topic"), raw_topic))
        if rows.num_rows:
            partitions, offsets = rows.column("_source_partition"), rows.column("_offset")
            collector.add(partitions, offsets, row_hash(rows, columns))
    return Evidence(collector.positions())


def _cut(batch: Batch, horizons: tuple[int, int]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The rows below the first horizon (0), from there to the second (1), and behind it (2)."""
    edges = [batch.base_offset, *horizons, batch.next_offset]
    edges = [min(max(edge, batch.base_offset), batch.next_offset) for edge in edges]
    for reached, (first, end) in enumerate(itertools.pairwise(edges)):
        if end > first:
            yield batch.rows.slice(first - batch.base_offset, end - first), reached


def _read(log: TopicLog, source: TopicPartition, offset: int, damage: list[str]) -> Iterator[Batch]:
    """Everything from ``offset`` on; damage is noted, and what lies behind it is not read."""
    while True:
        last = offset
        try:
            for batch in log.read(source, offset, max_records=_CHUNK):
                yield batch
                offset = batch.next_offset
        except DamagedLog:
            damage.extend(log.verify(source))
            return
        if offset == last:
            return

"""Comparisons that end in a sentence: what differs, how many, and which offsets first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lakegate.ledger.evidence import Offsets, Positions
from lakegate.topic.base import LedgerEntry, TopicPartition
from lakegate.topic.checksum import offset_checksum

__all__ = ["different", "entry_gaps", "misplaced", "name_offsets", "tiling_gaps"]

_NAMED = 5


def name_offsets(offsets: Offsets) -> str:
    """``offset 7``, ``offsets 7, 9, 12`` or ``offsets 7, 8, … (1,204 of them)``."""
    shown = ", ".join(str(int(offset)) for offset in offsets[:_NAMED])
    if len(offsets) > _NAMED:
        return f"offsets {shown}, … ({len(offsets):,} of them)"
    return f"offset{'' if len(offsets) == 1 else 's'} {shown}"


def misplaced(
    source: TopicPartition, entries: Sequence[LedgerEntry], places: dict[str, Positions]
) -> Iterator[str]:
    """Each offset the entries judged is in exactly one of the places; an observed one in none."""
    if not entries:
        return
    first, end = entries[0].first_offset, entries[-1].next_offset
    wanted = np.zeros(end - first, dtype=bool)
    for entry in entries:
        wanted[entry.first_offset - first : entry.next_offset - first] = not entry.observed
    found = np.concatenate([positions.offsets for positions in places.values()])
    counts = np.bincount(found - first, minlength=end - first)
    names = ", ".join(places)
    missing = np.flatnonzero((counts == 0) & wanted) + first
    if len(missing):
        yield f"{source}: {name_offsets(missing)} judged, but in none of {names}"
    surplus = np.flatnonzero((counts > 0) & ~wanted) + first
    if len(surplus):
        yield f"{source}: {name_offsets(surplus)} only observed, but in one of {names}"
    doubled = np.flatnonzero(counts > 1) + first
    for name, positions in places.items():
        twice = np.intersect1d(positions.offsets, doubled)
        if len(twice):
            yield f"{source}: {name_offsets(twice)} more than once, in {name}"


def different(
    source: TopicPartition, wanted: Positions, found: Positions, *, by: str, there: str
) -> Iterator[str]:
    """``found`` has exactly the offsets of ``wanted``, once each, with the same content."""
    if (
        np.array_equal(wanted.offsets, found.offsets)
        and np.array_equal(wanted.hashes, found.hashes)
        and bool(np.all(np.diff(found.offsets) > 0))
    ):
        return
    missing = np.setdiff1d(wanted.offsets, found.offsets)
    if len(missing):
        yield f"{source}: {name_offsets(missing)} {by}, but not {there}"
    surplus = np.setdiff1d(found.offsets, wanted.offsets)
    if len(surplus):
        yield f"{source}: {name_offsets(surplus)} {there}, but not {by}"
    unique, counts = np.unique(found.offsets, return_counts=True)
    if len(unique) != len(found.offsets):
        yield f"{source}: {name_offsets(unique[counts > 1])} {there} more than once"
        return
    if len(missing) or len(surplus):
        both = np.intersect1d(wanted.offsets, found.offsets)
        wanted, found = _only(wanted, both), _only(found, both)
    if len(wanted) == len(found):
        changed = wanted.offsets[wanted.hashes != found.hashes]
        if len(changed):
            yield f"{source}: {name_offsets(changed)} {there} with other content than {by}"


def tiling_gaps(
    source: TopicPartition, entries: Sequence[LedgerEntry], judged: int, *, until: int
) -> Iterator[str]:
    """The ledger's ranges follow one another from 0 to the gate's committed offset.

    That was ``judged`` before the ledger was read, and is ``until`` now.
    """
    expected = 0
    for entry in entries:
        if entry.first_offset != expected:
            what = "skips" if entry.first_offset > expected else "repeats"
            low, high = sorted((entry.first_offset, expected))
            yield f"{source}: the ledger {what} offsets {low} to {high - 1}"
        expected = entry.next_offset
    if not judged <= expected <= until:
        yield (
            f"{source}: the ledger ends at offset {expected}, the gate's committed offset is "
            f"{judged}"
        )


def entry_gaps(
    source: TopicPartition,
    entry: LedgerEntry,
    accepted: Positions,
    rejected: Positions,
    tombstones: Positions,
) -> Iterator[str]:
    """What a ledger entry counted in its range is what is there."""
    judged = (
        ("accepted", accepted, entry.accepted, entry.accepted_checksum),
        ("rejected", rejected, entry.rejected, entry.rejected_checksum),
        ("tombstones", tombstones, entry.tombstones, entry.tombstone_checksum),
    )
    where = f"{source} offsets {entry.first_offset} to {entry.next_offset - 1}"
    for name, positions, count, checksum in judged:
        there = positions.between(entry.first_offset, entry.next_offset)
        if len(there) != count:
            yield f"{where}: the ledger says {count:,} {name}, there are {len(there):,}"
        elif offset_checksum(there.offsets) != checksum:
            yield f"{where}: {count:,} {name}, but not those the ledger counted"


def _only(positions: Positions, offsets: Offsets) -> Positions:
    keep = np.isin(positions.offsets, offsets)
    return Positions(positions.offsets[keep], positions.hashes[keep])

"""Quarantined rows in the books: accepted once, off the table, and dead letters instead.

A quarantined dead letter is the end of one landed row. Whether it is off a branch, the branch says
itself (``lakegate.quarantined``): below that offset of the dead letter topic it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lakegate.ledger.compare import name_offsets
from lakegate.ledger.evidence import Evidence, Offsets, Positions
from lakegate.topic.base import TopicPartition

__all__ = ["DeadLetters", "Quarantined", "less", "letters_read", "quarantine_gaps"]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Quarantined rows by how far that went: off ``main``'s table too, off ``staged``, not yet."""

    main: Evidence
    staged: Evidence
    pending: Evidence


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of a raw topic: what the gate rejected, and what was quarantined.

    ``places`` has, per partition, source offsets and letter offsets of all of them; ``erased`` the
    letter offsets of those of which only a stub is left.
    """

    rejected: Evidence
    quarantined: Quarantined
    places: dict[int, tuple[Offsets, Offsets]] = field(default_factory=dict)
    erased: dict[int, Offsets] = field(default_factory=dict)

    def end(self, partition: int) -> int:
        """The letter offset behind the last one that was read; 0 if none was."""
        _, places = self.places.get(partition, (None, np.zeros(0, np.int64)))
        return int(places.max(initial=-1)) + 1


def letters_read(letters: DeadLetters, partition: int, *, end: int, before: int) -> int:
    """The letter offset from which those of source offsets ``end`` and later begin.

    ``before`` is where reading began: nothing was read, nothing is passed over.
    """
    sources, places = letters.places.get(partition, (np.zeros(0, np.int64),) * 2)
    if not len(places):
        return before
    later = places[sources >= end]
    return int(later.min()) if len(later) else int(places.max()) + 1


def less(rows: Positions, gone: Positions) -> Positions:
    """The rows without those that are gone; of a row that came twice the first goes first."""
    if not len(gone):
        return rows
    offsets, counts = np.unique(gone.offsets, return_counts=True)
    at = np.searchsorted(offsets, rows.offsets)
    at[at == len(offsets)] = 0
    leaving = np.where(offsets[at] == rows.offsets, counts[at], 0)
    occurrence = np.arange(len(rows)) - np.searchsorted(rows.offsets, rows.offsets)
    keep = occurrence >= leaving
    return Positions(rows.offsets[keep], rows.hashes[keep])


def quarantine_gaps(
    source: TopicPartition, landed: Positions, gone: Positions, *, where: str
) -> Iterator[str]:
    """Every row that is gone was there: so many times at least."""
    offsets, counts = np.unique(gone.offsets, return_counts=True)
    there, came = np.unique(landed.offsets, return_counts=True)
    known = dict(zip(there.tolist(), came.tolist(), strict=True))
    wrong = [
        o for o, n in zip(offsets.tolist(), counts.tolist(), strict=True) if n > known.get(o, 0)
    ]
    if wrong:
        named = name_offsets(np.array(wrong, dtype=np.int64))
        yield f"{source}: {named} quarantined, but never landed {where}"

"""The conservation proof: every raw record is in exactly one place, whole.

Per raw partition, over source offsets (SEMANTICS "States of a record")::

    raw      = judged + waiting to judge
    judged   = accepted + rejected + tombstones      each offset in exactly one of the three
    rejected + quarantined = open + requested + replayed + discarded + erased
    accepted + replayed = landed + waiting to land   the same rows, by content
    landed   = published + waiting to publish + quarantined
                                                     the same rows, by content; those quarantined
                                                     are dead letters and no longer in the table

It is computed from the rows and bytes themselves and compared with the ledger, which was written in
the same transactions. Stores are read from the far end of the flow to the near one, so that data
moving on meanwhile never looks like a gap. Where retention, the sweep or another proof takes what
is being read, the proof begins again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from lakegate.contract.stream import Stream
from lakegate.deadletter.triage import State
from lakegate.errors import LakegateError, TopicError
from lakegate.ledger.books import PartitionBooks, StreamProof
from lakegate.ledger.compare import different, entry_gaps, misplaced, name_offsets, tiling_gaps
from lakegate.ledger.evidence import Positions, read_raw
from lakegate.ledger.findings import Findings, Span, gather, raw_partition
from lakegate.ledger.quarantine import less, quarantine_gaps
from lakegate.ledger.replayed import without
from lakegate.ledger.seal import Seal, SealBook
from lakegate.ledger.sealing import carried, fresh_seals, let_go, sealed_gaps
from lakegate.ledger.tables import Overtaken, Tables
from lakegate.runner.base import GATE_GROUP
from lakegate.topic.base import TopicLog, TopicPartition

__all__ = ["prove"]

_log = logging.getLogger("lakegate.ledger")
_ATTEMPTS = 5
_SEALED_KINDS = ("raw", "validated", "deadletter")


def prove(
    log: TopicLog,
    tables: Tables,
    stream: Stream,
    *,
    seals: SealBook,
    seal_after: timedelta | None = None,
    full: bool = False,
) -> StreamProof:
    """Read again what is not sealed (``full``: everything still there) and balance the books.

    With ``seal_after``, ranges judged longer ago than that are sealed once proven; if that fails,
    the log says so and the proof stands.

    Raises:
        LedgerError: the seals cannot be read.
        Overtaken: again and again, others took what was being read; try again.
        LakeError: the lake cannot be read; try again if it is transient.
    """
    overtaken: LakegateError | None = None
    for _ in range(_ATTEMPTS):
        ground = _ground(log, stream, seals)
        try:
            proof = _prove(log, tables, stream, ground, seals, seal_after, full=full)
        except Overtaken as error:
            overtaken = error
        except TopicError as error:
            if ground == _ground(log, stream, seals):
                raise
            overtaken = error
        else:
            if proof.proven or ground == _ground(log, stream, seals):
                return proof
    raise Overtaken(
        f"the books of {stream.name} could not be read as of one moment in {_ATTEMPTS} attempts: "
        f"retention, the sweep or another proof went on meanwhile ({overtaken or 'seals moved'}); "
        "try again"
    ) from overtaken


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a proof begins from: while it stays the same, a gap is none that others made."""

    seals: Mapping[int, Seal]
    starts: Mapping[TopicPartition, int]  # first offsets kept

    def cut(self, stream: Stream, partition: int) -> bool:
        """Whether retention took anything of what a seal of that partition vouches for."""
        topics = [stream.topic(kind) for kind in _SEALED_KINDS]
        return any(self.starts.get(TopicPartition(topic, partition), 0) > 0 for topic in topics)


def _ground(log: TopicLog, stream: Stream, seals: SealBook) -> _Ground:
    known, there = seals.read(stream.name), log.topics()
    partitions = [
        TopicPartition(topic, number)
        for topic in (stream.topic(kind) for kind in (*_SEALED_KINDS, "replay", "triage"))
        for number in range(there.get(topic, 0))
    ]
    return _Ground(known, {source: log.start_offset(source) for source in partitions})


def _prove(
    log: TopicLog,
    tables: Tables,
    stream: Stream,
    ground: _Ground,
    seals: SealBook,
    seal_after: timedelta | None,
    *,
    full: bool,
) -> StreamProof:
    known = ground.seals
    if full:
        known = {number: seal for number, seal in known.items() if ground.cut(stream, number)}
    gaps: list[str] = []
    findings = gather(log, tables, stream, known, gaps, full=full)
    if gaps and known and not full:
        return _prove(log, tables, stream, ground, seals, None, full=True)
    partitions = range(log.topics()[stream.topic("raw")])
    books = [
        _balance(
            log, stream, raw_partition(stream, partition), findings, known.get(partition), gaps
        )
        for partition in partitions
    ]
    proof = StreamProof(stream.name, tuple(books), tuple(dict.fromkeys(gaps)))
    if proof.proven and seal_after is not None:
        try:
            before = datetime.now(UTC) - seal_after
            fresh = fresh_seals(stream, findings, known, before=before)
            if fresh:
                let_go(log, stream, seals.extend(stream.name, fresh, over=ground.seals))
        except LakegateError as error:  # a full or read-only disk makes nothing less true
            _log.warning("%s is proven, but could not be sealed: %s", stream.name, error)
    return proof


def _balance(
    log: TopicLog,
    stream: Stream,
    source: TopicPartition,
    findings: Findings,
    seal: Seal | None,
    gaps: list[str],
) -> PartitionBooks:
    """The books of one raw partition; adds a sentence to ``gaps`` for all that does not hold."""
    entries = findings.entries.get(source.partition, [])
    judged = entries[-1].next_offset if entries else 0
    first = 0 if seal is None else seal.next_offset
    until = log.committed(GATE_GROUP, source) or 0
    gaps += tiling_gaps(source, entries, findings.judged[source], until=until)
    fresh = [entry for entry in entries if entry.first_offset >= first]
    late = findings.late(source.partition, seal)
    span = Span(source, first, judged, fresh, late)
    if seal is not None:
        gaps += sealed_gaps(stream, seal, without(findings.staged.rows.of(source.partition), late))
    _compare(log, stream, span, findings, gaps)
    acted = [entry for entry in fresh if not entry.observed]
    before = (0, 0, 0, 0) if seal is None else carried(seal)
    partition, gone = source.partition, findings.deadletters.quarantined
    sealed_gone = 0 if seal is None else seal.quarantined
    quarantined = len(span.gone(gone.main, gone.staged))
    carried_rows = before[0] + (0 if seal is None else seal.replayed)
    states = findings.events[partition].count()
    stubs = findings.deadletters.erased.get(partition, np.zeros(0, np.int64))
    return PartitionBooks(
        source=source,
        raw=log.end_offset(source),
        sealed=first,
        judged=judged,
        observed=before[3] + sum(e.next_offset - e.first_offset for e in fresh if e.observed),
        accepted=before[0] + sum(entry.accepted for entry in acted),
        rejected=before[1] + sum(entry.rejected for entry in acted),
        tombstones=before[2] + sum(entry.tombstones for entry in acted),
        landed=carried_rows + len(span.inside(findings.staged.rows.of(partition))) + quarantined,
        published=carried_rows - sealed_gone + len(span.inside(findings.main.rows.of(partition))),
        quarantined=sealed_gone + quarantined,
        replayed=states[State.REPLAYED],
        requested=states[State.REQUESTED],
        discarded=states[State.DISCARDED],
        erased=states[State.ERASED] + len(findings.events[partition].open(stubs)),
    )


def _compare(
    log: TopicLog, stream: Stream, span: Span, findings: Findings, gaps: list[str]
) -> None:
    source, validated = span.source, findings.validated
    accepted = span.of(validated.published, validated.landed, validated.waiting)
    gone = findings.deadletters.quarantined
    rejected = span.of(findings.deadletters.rejected)
    tombstones = span.of(validated.tombstones)
    places = {"validated": accepted, "dead letters": rejected, "tombstones": tombstones}
    gaps += misplaced(source, span.entries, places)
    for entry in span.entries:
        if not entry.observed:
            gaps += entry_gaps(source, entry, accepted, rejected, tombstones)
    damage: list[str] = []
    for letters in (rejected, span.of(gone.main), span.of(gone.staged), span.of(gone.pending)):
        originals = read_raw(log, source, span.first, letters.offsets, damage)
        gaps += damage
        same = np.array_equal(originals.offsets, letters.offsets)  # twice, when replayed between
        if not damage and not (same and np.array_equal(originals.hashes, letters.hashes)):
            where = "among the dead letters"
            gaps += different(source, originals, letters, by="in raw", there=where)
    gaps += _replayed_gaps(span, findings)
    staged = _with(span.of(validated.published, validated.landed), span, findings, upto=1)
    off_staged = span.gone(gone.main, gone.staged)
    gaps += quarantine_gaps(source, staged, off_staged, where=f"in {stream.table}@staged")
    staged = less(staged, off_staged)
    where = f"in {stream.table}@staged"
    found = span.inside(findings.staged.rows.of(source.partition))
    gaps += different(source, staged, found, by="validated", there=where)
    where = f"in {stream.table}@main"
    published = _with(span.of(validated.published), span, findings, upto=0)
    wanted = less(published, span.gone(gone.main))
    found = span.inside(findings.main.rows.of(source.partition))
    gaps += different(source, wanted, found, by="validated", there=where)


def _with(first: Positions, span: Span, findings: Findings, *, upto: int) -> Positions:
    """The rows accepted at first, and those replayed that should have got as far."""
    again = span.inside(findings.replayed(span.source.partition, upto=upto))
    return Positions.of([first.offsets, again.offsets], [first.hashes, again.hashes])


def _replayed_gaps(span: Span, findings: Findings) -> Iterator[str]:
    """Every dead letter that passed has its row in validated, and no row came from nowhere."""
    partition, source = span.source.partition, span.source
    rows = span.inside(findings.replayed(partition)).offsets
    sources = findings.events[partition].replayed()
    inside = sources[(sources >= span.first) & (sources < span.end)]
    wanted = np.sort(np.concatenate([inside, span.late]))
    if np.array_equal(rows, wanted):
        return
    missing, surplus = np.setdiff1d(wanted, rows), np.setdiff1d(rows, wanted)
    if len(missing):
        yield f"{source}: {name_offsets(missing)} replayed, but not in validated"
    if len(surplus):
        yield f"{source}: {name_offsets(surplus)} in validated as replayed, but never were"
    if not len(missing) and not len(surplus):
        unique, counts = np.unique(rows, return_counts=True)
        twice = unique[counts > 1]
        yield f"{source}: {name_offsets(twice)} in validated as replayed, not as often as replayed"

"""The conservation proof: every raw record is in exactly one place, whole.

Per raw partition, over source offsets (SEMANTICS "States of a record")::

    raw      = judged + waiting to judge
    judged   = accepted + rejected + tombstones      each offset in exactly one of the three
    accepted = landed + waiting to land              the same rows, by content
    landed   = published + waiting to publish        the same rows, by content

It is computed from the rows and bytes themselves and compared with the ledger, which was written in
the same transactions. Stores are read from the far end of the flow to the near one, so that data
moving on meanwhile never looks like a gap.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from lakegate.contract.stream import Stream
from lakegate.errors import LakegateError
from lakegate.ledger.books import PartitionBooks, StreamProof
from lakegate.ledger.compare import different, entry_gaps, misplaced, tiling_gaps
from lakegate.ledger.evidence import read_raw
from lakegate.ledger.findings import Findings, Span, Tables, gather, raw_partition
from lakegate.ledger.seal import Seal, SealBook
from lakegate.ledger.sealing import carried, seal_proven, sealed_gaps
from lakegate.runner.base import GATE_GROUP
from lakegate.topic.base import TopicLog, TopicPartition

__all__ = ["prove"]

_log = logging.getLogger("lakegate.ledger")


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
    """
    known = seals.read(stream.name)
    if full:
        known = {p: s for p, s in known.items() if log.start_offset(raw_partition(stream, p)) > 0}
    gaps: list[str] = []
    findings = gather(log, tables, stream, known, gaps, full=full)
    if gaps and known and not full:
        return prove(log, tables, stream, seals=seals, full=True)
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
            seal_proven(log, stream, findings, known, seals, before=datetime.now(UTC) - seal_after)
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
    gaps += tiling_gaps(source, entries, log.committed(GATE_GROUP, source) or 0)
    fresh = [entry for entry in entries if entry.first_offset >= first]
    span = Span(source, first, judged, fresh)
    if seal is not None:
        gaps += sealed_gaps(stream, seal, findings.staged.rows.of(source.partition))
    _compare(log, stream, span, findings, gaps)
    acted = [entry for entry in fresh if not entry.observed]
    before = (0, 0, 0, 0) if seal is None else carried(seal)
    partition = source.partition
    return PartitionBooks(
        source=source,
        raw=log.end_offset(source),
        sealed=first,
        judged=judged,
        observed=before[3] + sum(e.next_offset - e.first_offset for e in fresh if e.observed),
        accepted=before[0] + sum(entry.accepted for entry in acted),
        rejected=before[1] + sum(entry.rejected for entry in acted),
        tombstones=before[2] + sum(entry.tombstones for entry in acted),
        landed=before[0] + len(findings.staged.rows.of(partition).between(first, judged)),
        published=before[0] + len(findings.main.rows.of(partition).between(first, judged)),
    )


def _compare(
    log: TopicLog, stream: Stream, span: Span, findings: Findings, gaps: list[str]
) -> None:
    source, validated = span.source, findings.validated
    accepted = span.of(validated.published, validated.landed, validated.waiting)
    rejected = span.of(findings.deadletters)
    tombstones = span.of(validated.tombstones)
    places = {"validated": accepted, "dead letters": rejected, "tombstones": tombstones}
    gaps += misplaced(source, span.entries, places)
    for entry in span.entries:
        if not entry.observed:
            gaps += entry_gaps(source, entry, accepted, rejected, tombstones)
    damage: list[str] = []
    originals = read_raw(log, source, span.first, rejected.offsets, damage)
    gaps += damage
    if not damage:
        where = "among the dead letters"
        gaps += different(source, originals, rejected, by="in raw", there=where)
    staged = span.of(validated.published, validated.landed)
    where = f"in {stream.table}@staged"
    gaps += different(source, staged, span.of(findings.staged.rows), by="validated", there=where)
    where = f"in {stream.table}@main"
    wanted, found = span.of(validated.published), span.of(findings.main.rows)
    gaps += different(source, wanted, found, by="validated", there=where)

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

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import Fenced, LakeError
from lakegate.lake.landing import GROUP as LANDING_GROUP
from lakegate.ledger.books import PartitionBooks, StreamProof
from lakegate.ledger.compare import different, entry_gaps, misplaced, tiling_gaps
from lakegate.ledger.evidence import (
    Evidence,
    Positions,
    Validated,
    read_deadletters,
    read_landed,
    read_raw,
    read_validated,
)
from lakegate.ledger.seal import Seal, SealBook
from lakegate.runner.base import GATE_GROUP
from lakegate.topic.base import LedgerEntry, TopicLog, TopicPartition

__all__ = ["PROOF_GROUP", "Tables", "prove"]

# The consumer group that keeps raw data until it is proven; advanced when a range is sealed.
PROOF_GROUP = "lakegate.proof"


class Tables(Protocol):
    """What the proof reads of the lake."""

    def snapshot(self, stream: Stream, branch: str) -> int | None:
        """The newest snapshot of a branch, or None if the table is not there yet."""
        ...

    def landed(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        """Next offset of each validated partition, by the newest snapshot that records it."""
        ...

    def count(self, stream: Stream, branch: str) -> int:
        """Rows of the branch, as its metadata says."""
        ...

    def rows(
        self, stream: Stream, snapshot_id: int, *, since: Mapping[int, int]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of that snapshot with ``_offset >= since[_partition]``, and their system columns.

        Raises:
            LakeError: a data file is missing or damaged; names it.
        """
        ...

    def damage(self, stream: Stream, snapshot_id: int) -> Iterator[str]:
        """A sentence per data file of that snapshot that is not what was written, to the byte."""
        ...

    def conform(self, stream: Stream, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Validated rows under the names the table gives their columns now."""
        ...


@dataclass(frozen=True, slots=True)
class _Table:
    """One branch, read again; ``upto`` are the validated offsets it has landed."""

    rows: Evidence
    upto: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class _Findings:
    """Everything read again for one stream, from the seals on."""

    entries: Mapping[int, list[LedgerEntry]]
    main: _Table
    staged: _Table
    validated: Validated
    deadletters: Evidence


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

    With ``seal_after``, ranges judged longer ago than that are sealed once proven.

    Raises:
        LedgerError: the seals cannot be read or written.
    """
    known = seals.read(stream.name)
    if full:
        known = {p: s for p, s in known.items() if log.start_offset(_raw(stream, p)) > 0}
    gaps: list[str] = []
    findings = _gather(log, tables, stream, known, gaps, full=full)
    if gaps and known and not full:
        return prove(log, tables, stream, seals=seals, full=True)
    partitions = range(log.topics()[stream.topic("raw")])
    books = [
        _balance(log, stream, _raw(stream, partition), findings, known.get(partition), gaps)
        for partition in partitions
    ]
    proof = StreamProof(stream.name, tuple(books), tuple(dict.fromkeys(gaps)))
    if proof.proven and seal_after is not None:
        _seal(log, stream, findings, known, seals, before=datetime.now(UTC) - seal_after)
    return proof


def _raw(stream: Stream, partition: int) -> TopicPartition:
    return TopicPartition(stream.topic("raw"), partition)


def _columns(stream: Stream) -> list[str]:
    return [*(field.name for field in stream.fields), "_unknown_fields"]


def _gather(
    log: TopicLog,
    tables: Tables,
    stream: Stream,
    known: Mapping[int, Seal],
    gaps: list[str],
    *,
    full: bool,
) -> _Findings:
    """Read from the far end of the flow to the near one."""
    raw, columns = stream.topic("raw"), _columns(stream)
    sealed = {} if full else known
    followed = _followed(log, stream)
    main = _read_table(tables, stream, "main", sealed, gaps)
    staged = _read_table(tables, stream, "staged", sealed, gaps)
    gaps += _gone_back(stream, followed, staged.upto)
    entries: dict[int, list[LedgerEntry]] = {}
    for entry in log.ledger(stream.name):
        if entry.source.topic == raw:
            entries.setdefault(entry.source.partition, []).append(entry)
    validated = read_validated(
        log,
        stream.topic("validated"),
        columns,
        starts={partition: seal.validated_next for partition, seal in known.items()},
        published=main.upto,
        landed=staged.upto,
        conform=lambda rows: tables.conform(stream, rows),
    )
    starts = {partition: seal.deadletter_next for partition, seal in known.items()}
    deadletters = read_deadletters(log, stream.topic("deadletter"), raw, starts=starts)
    gaps += [*validated.published.damage, *deadletters.damage]
    return _Findings(entries, main, staged, validated, deadletters)


def _followed(log: TopicLog, stream: Stream) -> dict[TopicPartition, int]:
    """How far the lander has noted to have landed, per validated partition."""
    topic = stream.topic("validated")
    sources = [TopicPartition(topic, number) for number in range(log.topics().get(topic, 0))]
    return {source: log.committed(LANDING_GROUP, source) or 0 for source in sources}


def _gone_back(
    stream: Stream, followed: Mapping[TopicPartition, int], landed: Mapping[TopicPartition, int]
) -> Iterator[str]:
    """The lander notes what has landed only once it has, so the table is never behind it."""
    for source, noted in followed.items():
        there = landed.get(source, 0)
        if there < noted:
            yield (
                f"{stream.table}@staged has landed {source} up to offset {there}, but it had "
                f"landed up to {noted}: the table is gone or an older one; restore the lake's "
                f"catalog, or `lakegate land {stream.name}` lands again what the log still has"
            )


def _read_table(
    tables: Tables, stream: Stream, branch: str, sealed: Mapping[int, Seal], gaps: list[str]
) -> _Table:
    """Rows of a branch, but for those ``sealed`` vouches for."""
    snapshot = tables.snapshot(stream, branch)
    if snapshot is None:
        lost = sum(seal.accepted for seal in sealed.values())
        if lost:
            gaps.append(f"{stream.table}@{branch} is missing, with {lost:,} rows proven earlier")
        return _Table(Evidence({}), {})
    since = {partition: seal.next_offset for partition, seal in sealed.items()}
    upto = tables.landed(stream, branch)
    try:
        if not sealed:
            gaps += tables.damage(stream, snapshot)
        batches = tables.rows(stream, snapshot, since=since)
        evidence = read_landed(batches, stream.topic("raw"), _columns(stream))
    except LakeError as error:
        gaps.append(str(error))
        return _Table(Evidence({}), upto)
    expected = sum(seal.accepted for seal in sealed.values())
    expected += sum(len(positions) for positions in evidence.found.values())
    there = tables.count(stream, branch)
    if there != expected:
        gaps.append(f"{stream.table}@{branch}: {there:,} rows, {expected:,} are accounted for")
    return _Table(evidence, upto)


def _balance(
    log: TopicLog,
    stream: Stream,
    source: TopicPartition,
    findings: _Findings,
    seal: Seal | None,
    gaps: list[str],
) -> PartitionBooks:
    """The books of one raw partition; adds a sentence to ``gaps`` for all that does not hold."""
    entries = findings.entries.get(source.partition, [])
    judged = entries[-1].next_offset if entries else 0
    first = 0 if seal is None else seal.next_offset
    gaps += tiling_gaps(source, entries, log.committed(GATE_GROUP, source) or 0)
    fresh = [entry for entry in entries if entry.first_offset >= first]
    span = _Span(source, first, judged, fresh)
    if seal is not None:
        gaps += _sealed_gaps(stream, seal, findings.staged.rows.of(source.partition))
    _compare(log, stream, span, findings, gaps)
    acted = [entry for entry in fresh if not entry.observed]
    carried = (0, 0, 0, 0) if seal is None else _carried(seal)
    partition = source.partition
    return PartitionBooks(
        source=source,
        raw=log.end_offset(source),
        sealed=first,
        judged=judged,
        observed=carried[3] + sum(e.next_offset - e.first_offset for e in fresh if e.observed),
        accepted=carried[0] + sum(entry.accepted for entry in acted),
        rejected=carried[1] + sum(entry.rejected for entry in acted),
        tombstones=carried[2] + sum(entry.tombstones for entry in acted),
        landed=carried[0] + len(findings.staged.rows.of(partition).between(first, judged)),
        published=carried[0] + len(findings.main.rows.of(partition).between(first, judged)),
    )


def _carried(seal: Seal) -> tuple[int, int, int, int]:
    """Accepted, rejected, tombstones and observed records of a sealed range."""
    acted = (seal.accepted, seal.rejected, seal.tombstones)
    return (*acted, seal.next_offset - sum(acted))


def _sealed_gaps(stream: Stream, seal: Seal, landed: Positions) -> Iterator[str]:
    """Rows of a sealed range that were read again are those that were sealed."""
    below = landed.between(0, seal.next_offset)
    where = f"{stream.table}@staged, {seal.topic}[{seal.partition}] below offset {seal.next_offset}"
    if not len(below):
        return  # vouched for by the seal; its rows were counted, not read
    if len(below) != seal.accepted:
        yield f"{where}: {len(below):,} rows, {seal.accepted:,} were sealed"
    elif seal.columns == tuple(sorted(_columns(stream))):
        content = int(below.hashes.sum(dtype=np.uint64))
        if content != seal.content:
            yield f"{where}: rows have other content than was sealed"


@dataclass(frozen=True, slots=True)
class _Span:
    """The judged offsets of one raw partition that are proven now, and their ledger entries."""

    source: TopicPartition
    first: int
    end: int
    entries: list[LedgerEntry]

    def of(self, *evidence: Evidence) -> Positions:
        """What all of those found in this span."""
        found = [e.of(self.source.partition).between(self.first, self.end) for e in evidence]
        return Positions.of([p.offsets for p in found], [p.hashes for p in found])


def _compare(
    log: TopicLog, stream: Stream, span: _Span, findings: _Findings, gaps: list[str]
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


def _seal(
    log: TopicLog,
    stream: Stream,
    findings: _Findings,
    known: dict[int, Seal],
    seals: SealBook,
    *,
    before: datetime,
) -> None:
    """Seal what was judged before that time and is published; let retention pass it."""
    fresh = dict(known)
    for partition, entries in findings.entries.items():
        old = known.get(partition)
        first = 0 if old is None else old.next_offset
        done = [
            e for e in entries if e.first_offset >= first and e.at is not None and e.at < before
        ]
        source = _raw(stream, partition)
        span = _Span(source, first, done[-1].next_offset if done else first, done)
        published = span.of(findings.main.rows)
        accepted = sum(entry.accepted for entry in done if not entry.observed)
        if not done or len(published) != accepted:
            continue
        fresh[partition] = _extend(stream, old, span, published)
    if fresh == known:
        return
    for partition, seal in seals.extend(stream.name, fresh).items():
        ends = {
            "raw": seal.next_offset,
            "validated": seal.validated_next,
            "deadletter": seal.deadletter_next,
        }
        with suppress(Fenced), log.transaction() as transaction:  # another proof has moved it
            for kind, end in ends.items():
                target = TopicPartition(stream.topic(kind), partition)
                at = log.committed(PROOF_GROUP, target) or 0
                if end > at:
                    transaction.advance(PROOF_GROUP, target, expected=at, to=end)


def _extend(stream: Stream, old: Seal | None, span: _Span, published: Positions) -> Seal:
    entries = [entry for entry in span.entries if not entry.observed]
    accepted = sum(entry.accepted for entry in entries)
    rejected = sum(entry.rejected for entry in entries)
    tombstones = sum(entry.tombstones for entry in entries)
    content = int(published.hashes.sum(dtype=np.uint64))
    checksums = [
        sum(entry.accepted_checksum for entry in entries),
        sum(entry.rejected_checksum for entry in entries),
    ]
    base = old or Seal(
        span.source.topic, span.source.partition, 0, 0, 0, 0, 0, 0, 0, 0, 0, (), datetime.now(UTC)
    )
    return Seal(
        topic=base.topic,
        partition=base.partition,
        next_offset=span.end,
        validated_next=base.validated_next + accepted + tombstones,
        deadletter_next=base.deadletter_next + rejected,
        accepted=base.accepted + accepted,
        rejected=base.rejected + rejected,
        tombstones=base.tombstones + tombstones,
        accepted_checksum=(base.accepted_checksum + checksums[0]) % 2**64,
        rejected_checksum=(base.rejected_checksum + checksums[1]) % 2**64,
        content=(base.content + content) % 2**64,
        columns=tuple(sorted(_columns(stream))),
        sealed_at=datetime.now(UTC),
    )

"""Sealing what was proven, and holding the seal against what is read later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np

from lakegate.contract.stream import Stream
from lakegate.errors import Fenced
from lakegate.ledger.evidence import Offsets, Positions
from lakegate.ledger.findings import Findings, Span, content_columns, raw_partition
from lakegate.ledger.quarantine import letters_read
from lakegate.ledger.seal import Seal
from lakegate.topic.base import TopicLog, TopicPartition

__all__ = ["PROOF_GROUP", "carried", "fresh_seals", "let_go", "sealed_gaps"]

# The consumer group that keeps raw data until it is proven; advanced when a range is sealed.
PROOF_GROUP = "lakegate.proof"


def carried(seal: Seal) -> tuple[int, int, int, int]:
    """Accepted, rejected, tombstones and observed records of a sealed range."""
    acted = (seal.accepted, seal.rejected, seal.tombstones)
    return (*acted, seal.next_offset - sum(acted))


def sealed_gaps(stream: Stream, seal: Seal, landed: Positions) -> Iterator[str]:
    """Rows of a sealed range that were read again are those that were sealed."""
    below = landed.between(0, seal.next_offset)
    where = f"{stream.table}@staged, {seal.topic}[{seal.partition}] below offset {seal.next_offset}"
    if not len(below):
        return  # vouched for by the seal; its rows were counted, not read
    if len(below) != seal.rows:
        yield f"{where}: {len(below):,} rows, {seal.rows:,} were sealed"
    elif seal.columns == tuple(sorted(content_columns(stream))):
        content = int(below.hashes.sum(dtype=np.uint64))
        if content != seal.content:
            yield f"{where}: rows have other content than was sealed"


def fresh_seals(
    stream: Stream, findings: Findings, known: Mapping[int, Seal], *, before: datetime
) -> dict[int, Seal]:
    """Newer seals than the known ones: of what was judged before that time and is published."""
    fresh = {}
    for partition, entries in findings.entries.items():
        old = known.get(partition)
        first = 0 if old is None else old.next_offset
        done = [
            e for e in entries if e.first_offset >= first and e.at is not None and e.at < before
        ]
        source = raw_partition(stream, partition)
        late = findings.late(partition, old)
        span = Span(source, first, done[-1].next_offset if done else first, done, late)
        published = span.inside(findings.main.rows.of(partition))
        accepted = sum(entry.accepted for entry in done if not entry.observed)
        accepted += len(_replayed(findings, span))
        gone = len(span.gone(findings.deadletters.quarantined.main))
        if not (done or len(late)) or len(published) + gone != accepted:
            continue
        fresh[partition] = _extend(stream, old, span, published, findings)
    return fresh


def let_go(log: TopicLog, stream: Stream, seals: Mapping[int, Seal]) -> None:
    """Let retention pass what is sealed."""
    for partition, seal in seals.items():
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


def _replayed(findings: Findings, span: Span) -> Offsets:
    """Source offsets in the span, or late for it, that were replayed."""
    sources = findings.events[span.source.partition].replayed()
    inside = sources[(sources >= span.first) & (sources < span.end)]
    return np.concatenate([inside, span.late])


def _validated_next(findings: Findings, span: Span, before: int) -> int:
    """The offset of the validated topic below which everything is of the span or before it."""
    partition = span.source.partition
    events = findings.events[partition]
    new = findings.later[partition].replayed(since=events.end)
    if len(new):
        return before  # rows came while this was read: the next proof will know them
    for behind, highest in findings.validated.runs.get(partition, []):
        if highest >= span.end:
            break
        before = max(before, behind)
    return before


def _extend(
    stream: Stream, old: Seal | None, span: Span, published: Positions, findings: Findings
) -> Seal:
    letters = findings.deadletters
    entries = [entry for entry in span.entries if not entry.observed]
    accepted = sum(entry.accepted for entry in entries)
    rejected = sum(entry.rejected for entry in entries)
    tombstones = sum(entry.tombstones for entry in entries)
    replayed = len(_replayed(findings, span))
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
        validated_next=_validated_next(findings, span, base.validated_next),
        deadletter_next=letters_read(
            letters, base.partition, end=span.end, before=base.deadletter_next
        ),
        accepted=base.accepted + accepted,
        rejected=base.rejected + rejected,
        tombstones=base.tombstones + tombstones,
        accepted_checksum=(base.accepted_checksum + checksums[0]) % 2**64,
        rejected_checksum=(base.rejected_checksum + checksums[1]) % 2**64,
        content=(base.content + content) % 2**64,
        columns=tuple(sorted(content_columns(stream))),
        sealed_at=datetime.now(UTC),
        quarantined=base.quarantined + len(span.gone(letters.quarantined.main)),
        letters_next=max(base.letters_next, letters.end(base.partition)),
        replayed=base.replayed + replayed,
        triage_next=findings.events[base.partition].end,
    )

"""What the proof reads of one stream, gathered from the far end of the flow to the near one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import LakeError
from lakegate.lake.landing import GROUP as LANDING_GROUP
from lakegate.ledger.evidence import (
    Evidence,
    Positions,
    Validated,
    read_deadletters,
    read_landed,
    read_validated,
)
from lakegate.ledger.seal import Seal
from lakegate.topic.base import LedgerEntry, TopicLog, TopicPartition

__all__ = ["Findings", "Span", "Table", "Tables", "content_columns", "gather", "raw_partition"]


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
        """Rows of that snapshot with ``_offset >= since[_source_partition]``, all columns.

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
class Table:
    """One branch, read again; ``upto`` are the validated offsets it has landed."""

    rows: Evidence
    upto: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything read again for one stream, from the seals on."""

    entries: Mapping[int, list[LedgerEntry]]
    main: Table
    staged: Table
    validated: Validated
    deadletters: Evidence


@dataclass(frozen=True, slots=True)
class Span:
    """The judged offsets of one raw partition that are proven now, and their ledger entries."""

    source: TopicPartition
    first: int
    end: int
    entries: list[LedgerEntry]

    def of(self, *evidence: Evidence) -> Positions:
        """What all of those found in this span."""
        found = [e.of(self.source.partition).between(self.first, self.end) for e in evidence]
        return Positions.of([p.offsets for p in found], [p.hashes for p in found])


def raw_partition(stream: Stream, partition: int) -> TopicPartition:
    """A partition of the stream's raw topic."""
    return TopicPartition(stream.topic("raw"), partition)


def content_columns(stream: Stream) -> list[str]:
    """The columns whose content is compared between stores."""
    return [*(field.name for field in stream.fields), "_unknown_fields"]


def gather(
    log: TopicLog,
    tables: Tables,
    stream: Stream,
    known: Mapping[int, Seal],
    gaps: list[str],
    *,
    full: bool,
) -> Findings:
    """Read from the far end of the flow to the near one."""
    raw, columns = stream.topic("raw"), content_columns(stream)
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
    return Findings(entries, main, staged, validated, deadletters)


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
) -> Table:
    """Rows of a branch, but for those ``sealed`` vouches for."""
    snapshot = tables.snapshot(stream, branch)
    if snapshot is None:
        lost = sum(seal.accepted for seal in sealed.values())
        if lost:
            gaps.append(f"{stream.table}@{branch} is missing, with {lost:,} rows proven earlier")
        return Table(Evidence({}), {})
    since = {partition: seal.next_offset for partition, seal in sealed.items()}
    upto = tables.landed(stream, branch)
    try:
        if not sealed:
            gaps += tables.damage(stream, snapshot)
        batches = tables.rows(stream, snapshot, since=since)
        evidence = read_landed(batches, stream.topic("raw"), content_columns(stream))
    except LakeError as error:
        gaps.append(str(error))
        return Table(Evidence({}), upto)
    expected = sum(seal.accepted for seal in sealed.values())
    expected += sum(len(positions) for positions in evidence.found.values())
    there = tables.count(stream, branch)
    if there != expected:
        gaps.append(f"{stream.table}@{branch}: {there:,} rows, {expected:,} are accounted for")
    return Table(evidence, upto)

"""What the proof reads of one stream, gathered from the far end of the flow to the near one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from lakegate.contract.cdc import CDC_COLUMNS
from lakegate.contract.stream import Stream
from lakegate.errors import LakeError
from lakegate.lake.landing import GROUP as LANDING_GROUP
from lakegate.ledger.compare import tiling_gaps
from lakegate.ledger.evidence import (
    Evidence,
    Offsets,
    Positions,
    Validated,
    read_deadletters,
    read_landed,
    read_validated,
)
from lakegate.ledger.quarantine import DeadLetters, Quarantined
from lakegate.ledger.replayed import (
    Events,
    late_of,
    picked,
    read_events,
    replay_gaps,
    without,
)
from lakegate.ledger.seal import Seal
from lakegate.ledger.tables import Overtaken, Tables
from lakegate.runner.base import GATE_GROUP
from lakegate.topic.base import LedgerEntry, TopicLog, TopicPartition

__all__ = [
    "Findings",
    "Span",
    "Table",
    "content_columns",
    "gather",
    "raw_partition",
]


_END = 1 << 62  # behind every offset


@dataclass(frozen=True, slots=True)
class Table:
    """One branch, read again; ``upto`` are the validated offsets it has landed.

    ``off`` are the dead letter offsets below which quarantined rows are off it.
    """

    rows: Evidence
    upto: Mapping[TopicPartition, int]
    off: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything read again for one stream, from the seals on."""

    entries: Mapping[int, list[LedgerEntry]]
    main: Table
    staged: Table
    validated: Validated
    deadletters: DeadLetters
    judged: Mapping[TopicPartition, int]  # the gate's offsets, before the ledger was read
    events: Mapping[int, Events]  # of triage, read before the tables
    later: Mapping[int, Events]  # the same and those that came until the end

    def late(self, partition: int, seal: Seal | None) -> Offsets:
        """Source offsets below a seal whose rows came after it: replayed since."""
        if seal is None or partition not in self.events:
            return np.zeros(0, np.int64)
        events = self.events[partition]
        return late_of(events, sealed=seal.next_offset, since=seal.triage_next)

    def replayed(self, partition: int, *, upto: int | None = None) -> Positions:
        """Rows of validated that were replayed before the tables were read, by how far they are.

        ``upto``: 0 those published, 1 those landed too, None all of them.
        """
        evidence = self.validated.replayed[: None if upto is None else upto + 1]
        rows = [e.of(partition) for e in evidence]
        found = Positions.of([r.offsets for r in rows], [r.hashes for r in rows])
        if partition not in self.events:
            return found
        new = self.later[partition].replayed(since=self.events[partition].end)
        return without(found, new)


@dataclass(frozen=True, slots=True)
class Span:
    """The judged offsets of one raw partition that are proven now, and their ledger entries."""

    source: TopicPartition
    first: int
    end: int
    entries: list[LedgerEntry]
    late: Offsets = field(default_factory=lambda: np.zeros(0, np.int64))

    def inside(self, *rows: Positions) -> Positions:
        """Those of the rows in this span, or late: replayed since what is below was sealed."""
        found = [r.between(self.first, self.end) for r in rows]
        found += [picked(r.between(0, self.first), self.late) for r in rows if len(self.late)]
        return Positions.of([p.offsets for p in found], [p.hashes for p in found])

    def gone(self, *evidence: Evidence) -> Positions:
        """Quarantined rows in this span, or below it: those came back after it was sealed."""
        found = [e.of(self.source.partition).between(0, self.end) for e in evidence]
        return Positions.of([p.offsets for p in found], [p.hashes for p in found])

    def of(self, *evidence: Evidence) -> Positions:
        """What all of those found in this span."""
        found = [e.of(self.source.partition).between(self.first, self.end) for e in evidence]
        return Positions.of([p.offsets for p in found], [p.hashes for p in found])


def raw_partition(stream: Stream, partition: int) -> TopicPartition:
    """A partition of the stream's raw topic."""
    return TopicPartition(stream.topic("raw"), partition)


def content_columns(stream: Stream) -> list[str]:
    """The columns whose content is compared between stores."""
    of_change = CDC_COLUMNS if stream.cdc is not None else ()
    return [*(field.name for field in stream.fields), "_unknown_fields", *of_change]


def gather(
    log: TopicLog,
    tables: Tables,
    stream: Stream,
    known: Mapping[int, Seal],
    gaps: list[str],
    *,
    full: bool,
) -> Findings:
    """Read from the far end of the flow to the near one; what is no fact of the data is no gap.

    Raises:
        Overtaken: a snapshot expired, and files of it were swept, while it was being read.
        LakeError: the lake cannot be read just now (transient), or not at all.
        TopicError: retention took what was being read.
    """
    raw, columns = stream.topic("raw"), content_columns(stream)
    sealed = {} if full else known
    numbers = range(log.topics()[raw])
    followed = _followed(log, stream)
    pins = {branch: _pin(tables, stream, branch, sealed, gaps) for branch in ("main", "staged")}
    events = {number: read_events(log, stream, number, gaps) for number in numbers}
    late = {
        number: late_of(events[number], sealed=seal.next_offset, since=seal.triage_next)
        for number, seal in sealed.items()
    }
    main = _read_table(tables, stream, pins["main"], sealed, late, gaps)
    staged = _read_table(tables, stream, pins["staged"], sealed, late, gaps)
    gaps += _gone_back(stream, followed, staged.upto)
    judged = _judged(log, stream)
    entries: dict[int, list[LedgerEntry]] = {}
    replays: dict[int, list[LedgerEntry]] = {}
    for entry in log.ledger(stream.name):
        if entry.source.topic == raw:
            entries.setdefault(entry.source.partition, []).append(entry)
        elif entry.source.topic == stream.topic("replay"):
            replays.setdefault(entry.source.partition, []).append(entry)
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
    counted = {number: (seal.next_offset, seal.letters_next) for number, seal in known.items()}
    deadletters = _dead_letters(log, stream, starts, counted, main, staged)
    gaps += [*validated.published.damage, *deadletters.rejected.damage]
    later = {number: read_events(log, stream, number, gaps) for number in numbers}
    for number in numbers:
        source = TopicPartition(stream.topic("replay"), number)
        made = replays.get(number, [])
        if source in judged:
            until = log.committed(GATE_GROUP, source) or 0
            gaps += tiling_gaps(source, made, judged[source], until=until)
        gaps += replay_gaps(log, stream, number, later[number], made)
    return Findings(entries, main, staged, validated, deadletters, judged, events, later)


def _judged(log: TopicLog, stream: Stream) -> dict[TopicPartition, int]:
    """How far the gate is in each partition that it reads."""
    there = log.topics()
    return {
        source: log.committed(GATE_GROUP, source) or 0
        for topic in (stream.topic("raw"), stream.topic("replay"))
        for source in (TopicPartition(topic, number) for number in range(there.get(topic, 0)))
    }


def _dead_letters(
    log: TopicLog,
    stream: Stream,
    starts: Mapping[int, int],
    counted: Mapping[int, tuple[int, int]],
    main: Table,
    staged: Table,
) -> DeadLetters:
    found, places, erased = read_deadletters(
        log,
        stream.topic("deadletter"),
        stream.topic("raw"),
        starts=starts,
        off_main=main.off,
        off_staged=staged.off,
        counted=counted,
    )
    return DeadLetters(found[0], Quarantined(*found[1:]), places, erased)


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


@dataclass(frozen=True, slots=True)
class _Pin:
    """The newest snapshot of a branch, and what its metadata says; taken before any row is read."""

    branch: str
    snapshot: int | None
    upto: Mapping[TopicPartition, int]
    off: Mapping[TopicPartition, int]
    rows: int


def _pin(
    tables: Tables, stream: Stream, branch: str, sealed: Mapping[int, Seal], gaps: list[str]
) -> _Pin:
    snapshot = tables.snapshot(stream, branch)
    if snapshot is None:
        lost = sum(seal.rows for seal in sealed.values())
        if lost:
            gaps.append(f"{stream.table}@{branch} is missing, with {lost:,} rows proven earlier")
        return _Pin(branch, None, {}, {}, 0)
    while True:  # what the metadata says must be of that very snapshot
        upto, off = tables.landed(stream, branch), tables.quarantined(stream, branch)
        pin = _Pin(branch, snapshot, upto, off, tables.count(stream, branch))
        now = tables.snapshot(stream, branch)
        if now == snapshot or now is None:
            return pin
        snapshot = now


def _read_table(
    tables: Tables,
    stream: Stream,
    pin: _Pin,
    sealed: Mapping[int, Seal],
    late: Mapping[int, Offsets],
    gaps: list[str],
) -> Table:
    """Rows of a branch, but for those ``sealed`` vouches for; of ``late`` nobody has yet.

    Raises:
        Overtaken: the snapshot has expired meanwhile, and files of it are gone.
        LakeError: transient.
    """
    if pin.snapshot is None:
        return Table(Evidence({}), {}, {})
    since = {
        partition: int(late[partition].min(initial=seal.next_offset))
        for partition, seal in sealed.items()
    }
    damage: list[str] = []
    evidence = None
    try:
        if not sealed:
            damage += tables.damage(stream, pin.snapshot)
        batches = tables.rows(stream, pin.snapshot, since=since)
        evidence = read_landed(batches, stream.topic("raw"), content_columns(stream))
    except LakeError as error:
        if error.transient:
            raise
        damage.append(str(error))
    if damage and not tables.kept(stream, pin.snapshot):
        raise Overtaken(
            f"snapshot {pin.snapshot} of {stream.table}@{pin.branch} expired while it was being "
            f"read: {damage[0]}"
        )
    gaps += damage
    if evidence is None:
        return Table(Evidence({}), pin.upto, pin.off)
    for partition, seal in sealed.items():
        rows = evidence.of(partition)
        span = Span(raw_partition(stream, partition), seal.next_offset, _END, [], late[partition])
        if len(late[partition]):
            evidence.found[partition] = span.inside(rows)
    expected = sum(seal.rows for seal in sealed.values())
    expected += sum(len(positions) for positions in evidence.found.values())
    if pin.rows != expected:
        gaps.append(
            f"{stream.table}@{pin.branch}: {pin.rows:,} rows, {expected:,} are accounted for"
        )
    return Table(evidence, pin.upto, pin.off)

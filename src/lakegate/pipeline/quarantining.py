"""Quarantine, wired: offending rows leave ``staged`` and become dead letters, exactly once.

In this order, under the stream's publishing lease, so that nothing is published in between:

1. the dead letters are appended in one transaction of the log: from then on the quarantine is
   decided, and each of its batches carries its note;
2. the rows are taken off ``staged`` by a snapshot that says how far it went in the dead letters;
3. the note is kept in the state, and the group ``lakegate.quarantine`` moves on.

Whatever dies when, :func:`finish` goes on from there: it reads the dead letters that the table does
not know of yet. Every quarantine, audit and publish begins with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa

from lakegate.audit.quarantine import Offenders, offenders
from lakegate.audit.quarantine_letter import letters, reasons
from lakegate.audit.quarantine_note import QuarantineNote, RuleRows
from lakegate.audit.result import AuditReport
from lakegate.contract.stream import Stream
from lakegate.errors import AuditError
from lakegate.fault import reach
from lakegate.lake.delete import FAULT_POINTS as LAKE_POINTS
from lakegate.pipeline.current import reader_of
from lakegate.runner.lease import FileLease
from lakegate.runner.lineage import who
from lakegate.topic.base import TopicLog, TopicPartition
from lakegate.topic.schema import QUARANTINE_NOTE

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = [
    "FAULT_POINTS",
    "GROUP",
    "Quarantined",
    "finish",
    "finish_held",
    "publishing",
    "quarantine",
]

FAULT_POINTS = (
    "quarantine.decided",
    "quarantine.logged",
    *LAKE_POINTS,
    "quarantine.recorded",
    "quarantine.finished",
)

# The consumer group that follows the dead letters that are off the table.
GROUP = "lakegate.quarantine"

_WAIT_S = 60.0
_SAMPLES = 5
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What a quarantine did, or (``dry_run``) would do.

    ``samples`` are up to five rows of each rule by source coordinates, with the reason; they hold
    data. ``note.rows`` is 0 when every offending row is on ``main`` or was taken off before.
    ``finished`` are earlier quarantines that were cut short, and that this one finished first.
    """

    note: QuarantineNote
    samples: tuple[Offenders, ...]
    dry_run: bool
    finished: tuple[QuarantineNote, ...] = ()

    @property
    def rows(self) -> int:
        """Rows taken off."""
        return self.note.rows

    @property
    def published(self) -> int:
        """Offending rows that stay, because they are on ``main``."""
        return self.note.published


def quarantine(
    project: Project,
    stream: Stream,
    *,
    rules: Sequence[str],
    reason: str | None = None,
    by: str | None = None,
    dry_run: bool = False,
) -> Quarantined:
    """Take the rows that offend these rules off ``staged``; they become dead letters.

    Raises:
        AuditError: nothing was audited, or under another contract; a rule did not fail, or cannot
            name its rows; another quarantine or publish does not end.
        CommitConflict: others kept committing; it is decided and finished by the next try.
    """
    if not rules:
        raise AuditError(f"stream {stream.name}: name the failed rule whose rows to take off")
    with publishing(project, stream):
        finished = () if dry_run else finish_held(project, stream)
        report = _audited(project, stream)
        found = offenders(
            stream,
            report,
            rules,
            reader=reader_of(project, stream),
            targets={name: file.stream for name, file in project.found.items()},
            windows=project.windows,
        )
        found = _less_taken(project, stream, report, found)
        why = reasons(found)
        note = QuarantineNote(
            id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}",
            stream=stream.name,
            audit_id=report.audit_id,
            snapshot_id=report.snapshot_id,
            rules=tuple(RuleRows(one.rule, len(one.waiting), one.published) for one in found),
            reason=reason,
            by=who() if by is None else by,
            at=datetime.now(UTC),
            rows=sum(len(rows) for rows in why.values()),
        )
        if not dry_run and note.rows:
            _log(project, stream, note, why)
            note = next(done for done in finish_held(project, stream) if done.id == note.id)
    return Quarantined(note, tuple(_sampled(one) for one in found), dry_run, finished)


def finish(project: Project, stream: Stream) -> tuple[QuarantineNote, ...]:
    """Finish quarantines that were cut short; returns those that it finished.

    Raises:
        AuditError: another quarantine or publish does not end.
    """
    if not _pending(project.log, stream):
        return ()
    with publishing(project, stream):
        return finish_held(project, stream)


@contextmanager
def publishing(project: Project, stream: Stream) -> Iterator[None]:
    """Hold the stream's publishing lease: what is quarantined must not be published meanwhile."""
    name = f"{stream.name.replace('/', '.')}.publish"
    lease = FileLease(project.state_folder / "locks" / name)
    if not lease.acquire(stopped=lambda: False, timeout_s=_WAIT_S):
        raise AuditError(
            f"stream {stream.name}: process {lease.holder()} has been publishing or quarantining "
            f"it for more than {_WAIT_S:.0f} s; wait for it or end it, then try again"
        )
    try:
        yield
    finally:
        lease.release()


def _audited(project: Project, stream: Stream) -> AuditReport:
    report = project.audits.latest(stream.name)
    if report is None:
        raise AuditError(f"{stream.name} was never audited; `lakegate audit {stream.name}` first")
    if report.contract != stream.contract:
        raise AuditError(
            f"stream {stream.name}: audited under contract version {report.contract.version}, now "
            f"in force is {stream.contract.version}; audit again"
        )
    return report


def _less_taken(
    project: Project, stream: Stream, report: AuditReport, found: Sequence[Offenders]
) -> tuple[Offenders, ...]:
    """Leave out rows that an earlier quarantine of the same snapshot has decided on already."""
    starts = project.lake.quarantined(stream, snapshot_id=report.snapshot_id)
    if project.log.committed(GROUP, _partitions(project.log, stream)[0]) is None:
        return tuple(found)
    taken: set[tuple[str, int, int]] = set()
    for _, _, rows in _batches(project.log, stream, lambda source: starts.get(source, 0)):
        taken.update(_coordinates(rows))
    return tuple(
        replace(
            one,
            waiting=tuple(r for r in one.waiting if (r.topic, r.partition, r.offset) not in taken),
        )
        for one in found
    )


def _log(
    project: Project,
    stream: Stream,
    note: QuarantineNote,
    why: Mapping[TopicPartition, Mapping[int, list[dict[str, str]]]],
) -> None:
    """Append the dead letters, all or nothing."""
    topic = stream.topic("deadletter")
    project.log.register(GROUP, topic)
    landed = project.lake.scan(stream, snapshot_id=note.snapshot_id)
    made = list(letters(project.log, stream, why, landed, now=note.at))
    rebuilt = sum(letter.rebuilt for letter in made)
    said = {QUARANTINE_NOTE: note.with_rebuilt(rebuilt).encode()}
    reach("quarantine.decided")
    with project.log.transaction() as transaction:
        for letter in made:
            target = TopicPartition(topic, letter.partition)
            transaction.append(target, letter.rows.replace_schema_metadata(said))
    reach("quarantine.logged")


def _pending(log: TopicLog, stream: Stream) -> bool:
    """Whether dead letters were appended since the last quarantine was finished."""
    return any(
        (done := log.committed(GROUP, source)) is not None and done < log.end_offset(source)
        for source in _partitions(log, stream)
    )


def finish_held(project: Project, stream: Stream) -> tuple[QuarantineNote, ...]:
    """:func:`finish`, by a caller that holds the publishing lease already."""
    log = project.log
    if not _pending(log, stream):
        return ()
    before = {source: log.committed(GROUP, source) or 0 for source in _partitions(log, stream)}
    ends = {source: log.end_offset(source) for source in before}
    notes: dict[str, QuarantineNote] = {}
    undone: dict[str, QuarantineNote] = {}
    upto: dict[TopicPartition, int] = {}
    rows: dict[TopicPartition, list[int]] = {}
    applied = project.lake.quarantined(stream)
    for source, after, batch in _batches(log, stream, lambda source: before[source]):
        if after > ends[source]:
            continue
        note = QuarantineNote.decode(batch.schema.metadata[QUARANTINE_NOTE])
        notes[note.id] = note
        if after > applied.get(source, 0):
            undone[note.id] = note
            upto[source] = after
            for topic, partition, offset in _coordinates(batch):
                rows.setdefault(TopicPartition(topic, partition), []).append(offset)
    if undone:
        wanted = {source: np.unique(np.array(n, dtype=np.int64)) for source, n in rows.items()}
        project.lake.take_off(stream, wanted, upto=upto, quarantines=tuple(undone))
    for note in notes.values():
        project.quarantines.record(note)
    reach("quarantine.recorded")
    with log.transaction() as transaction:
        for source, end in ends.items():
            if end > before[source]:
                transaction.advance(GROUP, source, expected=before[source], to=end)
    reach("quarantine.finished")
    return tuple(undone.values())


def _partitions(log: TopicLog, stream: Stream) -> list[TopicPartition]:
    topic = stream.topic("deadletter")
    return [TopicPartition(topic, number) for number in range(log.topics()[topic])]


def _batches(
    log: TopicLog, stream: Stream, first: Callable[[TopicPartition], int]
) -> Iterator[tuple[TopicPartition, int, pa.RecordBatch]]:
    """Every batch of quarantined dead letters, with the offset after it."""
    for source in _partitions(log, stream):
        offset = max(first(source), log.start_offset(source))
        while offset < log.end_offset(source):
            for batch in log.read(source, offset, max_records=_CHUNK):
                offset = batch.next_offset
                if QUARANTINE_NOTE in (batch.rows.schema.metadata or {}):
                    yield source, offset, batch.rows


def _coordinates(rows: pa.RecordBatch) -> Iterator[tuple[str, int, int]]:
    names = ("source_topic", "source_partition", "source_offset")
    yield from zip(*(rows.column(name).to_pylist() for name in names), strict=True)


def _sampled(found: Offenders) -> Offenders:
    return replace(found, waiting=found.waiting[:_SAMPLES])

"""What the watch sees of one stream: facts read from log, ledger, lake and state, as breaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.alert import condition
from lakegate.alert.condition import Backlog, Cause
from lakegate.alert.watermark import Marks, Watermarks
from lakegate.alert.window import Totals, Windows
from lakegate.audit import level as meaning
from lakegate.audit.base import Unjudgeable
from lakegate.audit.level import INGESTED, Level
from lakegate.audit.result import AuditReport, RuleResult, Status, duration_text
from lakegate.contract.stream import Place, SlaRule, Stream
from lakegate.lake.snapshot import MAIN, OFFSETS, parse_offsets
from lakegate.runner.base import GATE_GROUP
from lakegate.runner.lease import FileLease
from lakegate.state.incident_store import Breach, IncidentKind, Key
from lakegate.state.sla_store import Measurement
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from lakegate.lake import Lake
    from lakegate.pipeline.config import AlertsSection
    from lakegate.pipeline.project import Project
    from lakegate.topic.embedded import EmbeddedLog

__all__ = ["JUDGED", "Seen", "StreamEyes"]

# The kinds of incident that a look at a stream decides on.
JUDGED = (
    IncidentKind.DEAD_LETTERS,
    IncidentKind.WARNINGS,
    IncidentKind.SLA,
    IncidentKind.RULE,
    IncidentKind.PAUSED,
    IncidentKind.STUCK,
)
_CAUSE_RECORDS = 2_000
_CAUSE_BYTES = 8 << 20
_FROM_AUDIT = frozenset({"retention"})


@dataclass(slots=True)
class Seen:
    """One look: what is wrong, about what nothing can be said, and what was measured."""

    breaches: list[Breach] = field(default_factory=list)
    unknown: list[Key] = field(default_factory=list)
    measured: list[Measurement] = field(default_factory=list)


class StreamEyes:
    """Looks at streams; reads only, at a cost that does not grow with what is behind."""

    def __init__(self, project: Project, log: EmbeddedLog, lake: Lake) -> None:
        self._project = project
        self._log = log
        self._lake = lake
        self._config: AlertsSection = project.config.alerts
        self._marks = Watermarks(log, self._published)
        self.windows = Windows(log, self._longest())

    def look(self, stream: Stream, now: datetime, *, threshold: int) -> Seen:
        """Everything there is to say about a stream at ``now``.

        Raises:
            LakegateError: log, lake or state cannot be read.
        """
        seen = Seen()
        window = timedelta(seconds=self._config.window_s)
        totals = self.windows.totals(stream.name, window)
        causes, examined = (
            self._causes(stream, now - window) if totals.rejected >= threshold else ([], 0)
        )
        found = [
            condition.dead_letters(
                stream,
                totals,
                threshold=threshold,
                window=window,
                causes=causes,
                examined=examined,
            ),
            condition.warnings(
                stream, totals, threshold=self._config.warning_threshold, window=window
            ),
            self._pause_or_stuck(stream, now),
        ]
        report = self._project.audits.latest(stream.name)
        seen.breaches += [breach for breach in found if breach is not None]
        if report is not None:
            seen.breaches += condition.failed_rules(stream, report)
        self._levels(stream, now, report, seen)
        return seen

    def _longest(self) -> timedelta:
        config = self._config
        spans = [config.window_s, config.sla_window_s, config.stuck_after_s]
        return timedelta(seconds=max(spans))

    def _pause_or_stuck(self, stream: Stream, now: datetime) -> Breach | None:
        pause = self._project.brake.paused(stream.name)
        if pause is not None:
            reached = self._log.committed(GATE_GROUP, pause.source) or 0
            if reached >= pause.next_offset:
                return condition.paused(stream, reason=pause.reason, at=pause.at)
        backlog = self._backlog(stream)
        if backlog is None:
            return None
        limit_s = self._config.stuck_after_s
        last = self.windows.totals(stream.name, timedelta(seconds=limit_s)).last
        idle_since = backlog.since if last is None else max(last, backlog.since)
        idle_s = (now - idle_since).total_seconds()
        if idle_s < limit_s:
            return None
        lock = f"{stream.name.replace('/', '.')}.gate"
        holder = FileLease(self._project.state_folder / "locks" / lock).holder()
        return condition.stuck(stream, backlog, idle_s=idle_s, limit_s=limit_s, holder=holder)

    def _backlog(self, stream: Stream) -> Backlog | None:
        there = self._log.topics()
        records, since = 0, None
        for kind in ("raw", "replay"):
            topic = stream.topic(kind)
            for number in range(there.get(topic, 0)):
                source = TopicPartition(topic, number)
                committed = self._log.committed(GATE_GROUP, source)
                if committed is None and kind != "raw":
                    continue  # nobody judges it under this name
                start = max(committed or 0, self._log.start_offset(source))
                waiting = self._log.end_offset(source) - start
                if waiting <= 0:
                    continue
                records += waiting
                first = next(iter(self._log.read(source, start, max_records=1)))
                since = first.appended_at if since is None else min(since, first.appended_at)
        return None if since is None else Backlog(records, since)

    def _causes(self, stream: Stream, since: datetime) -> tuple[list[Cause], int]:
        """The commonest causes among the newest dead letters since then, and how many these are."""
        counts: Counter[tuple[str, str]] = Counter()
        examined = 0
        topic = stream.topic("deadletter")
        for number in range(self._log.topics().get(topic, 0)):
            source = TopicPartition(topic, number)
            end = self._log.end_offset(source)
            start = max(self._log.start_offset(source), end - _CAUSE_RECORDS)
            if start >= end:
                continue
            for batch in self._log.read(
                source, start, max_records=_CAUSE_RECORDS, max_bytes=_CAUSE_BYTES
            ):
                fresh = pc.greater_equal(batch.rows.column("rejected_at"), pa.scalar(since))
                for reasons in batch.rows.filter(fresh).column("reasons").to_pylist():
                    counts.update({(one["path"], one["rule"]) for one in reasons})
                    examined += 1
        return [Cause(path, rule, n) for (path, rule), n in counts.most_common(3)], examined

    def _published(self, stream: Stream) -> Mapping[TopicPartition, int]:
        """Next offset of each validated partition on ``main``."""
        if not self._lake.exists(stream):
            return {}
        head = self._lake.head(stream, MAIN)
        if head is None or OFFSETS not in head.properties:
            return {}
        return parse_offsets(head.properties[OFFSETS])

    def _levels(
        self, stream: Stream, now: datetime, report: AuditReport | None, seen: Seen
    ) -> None:
        rules = [rule for rule in stream.sla if rule.place is Place.AUDIT]
        if not rules:
            return
        event_clock = self._config.clock == "event"
        columns = {rule.element or stream.event_time for rule in rules} | {stream.event_time}
        marks = self._marks.look(
            stream,
            {INGESTED, *(column for column in columns if column is not None)},
            waiting=any(rule.name == "latency" and rule.window is None for rule in rules),
        )
        if event_clock:
            watermark = marks.newest.get(stream.event_time or "")
            now = now if watermark is None else watermark
        for rule in rules:
            try:
                level = self._level(stream, rule, marks, now, event_clock=event_clock)
            except Unjudgeable as error:
                level = meaning.unmeasured("", str(error))
            contract = stream.contract
            from_audit = _from_audit(rule) or (event_clock and rule.name != "latency")
            if from_audit and report is not None:
                audited = _audited(rule, report)
                level, contract = (level, contract) if audited is None else (
                    audited, report.contract)  # fmt: skip
            breach = condition.missed_level(stream, rule, level, contract=contract)
            if breach is not None:
                seen.breaches.append(breach)
            elif level.observed is None and not _kept_unmeasured(rule):
                seen.unknown.append(Key(stream.name, IncidentKind.SLA, meaning.sla_name(rule)))
            seen.measured.append(_measurement(stream, rule, level, now, self._config.clock))

    def _level(
        self, stream: Stream, rule: SlaRule, marks: Marks, now: datetime, *, event_clock: bool
    ) -> Level:
        """The level as the data that flows tells it; not measured when only an audit can."""
        if rule.name == "latency" and rule.window is None:
            column = meaning.time_column(stream, rule)
            oldest = marks.oldest_waiting.get(column or "")
            how = f"since the oldest {column} that waits to be published"
            return meaning.latency(rule, None if oldest is None else _us(now - oldest), how)
        if event_clock or _from_audit(rule):
            return meaning.unmeasured("", "no audit has told it yet")
        if rule.name == "frequency":
            column = meaning.time_column(stream, rule, otherwise=INGESTED)
            newest = marks.newest.get(column or "")
            how = f"since the newest {column}"
            return meaning.frequency(rule, None if newest is None else _us(now - newest), how)
        span = timedelta(seconds=self._config.sla_window_s)
        totals = self.windows.totals(stream.name, span)
        if rule.name == "errorRate":
            how = f"rejected of the records judged within {duration_text(span)}"
            return meaning.error_rate(rule, (totals.accepted, totals.rejected), how)
        return self._throughput(rule, totals, now, span, flowed=INGESTED in marks.newest)

    def _throughput(
        self, rule: SlaRule, totals: Totals, now: datetime, span: timedelta, *, flowed: bool
    ) -> Level:
        """Rows per time since the first commit of the window; half a window is too little."""
        how = f"rows accepted within {duration_text(span)}"
        if totals.first is None:
            return meaning.throughput(rule, 0, _us(span) if flowed else None, how)
        since = now - totals.first
        return meaning.throughput(
            rule, totals.accepted, _us(since) if since * 2 >= span else 0, how
        )


def _from_audit(rule: SlaRule) -> bool:
    """Whether only an audit can tell it: it looks at rows that are long past."""
    return rule.name in _FROM_AUDIT or rule.window is not None


def _kept_unmeasured(rule: SlaRule) -> bool:
    """Whether a level is kept while there is nothing to measure: no row waits to be published."""
    return rule.name == "latency" and rule.window is None


def _audited(rule: SlaRule, report: AuditReport) -> Level | None:
    """What the newest audit measured of a level."""
    name = meaning.sla_name(rule)
    result: RuleResult | None = next((one for one in report.results if one.name == name), None)
    if result is None or isinstance(result.observed, bool):
        return None
    if result.observed is None:
        return meaning.unmeasured(result.expected, result.message or "")
    how = f"by the audit of {report.finished_at:%Y-%m-%d %H:%M} UTC: {result.message}"
    return Level(
        result.expected,
        Fraction(result.observed),
        result.unit,
        result.status is Status.PASSED,
        how,
        result.offending,
        result.total,
    )


def _measurement(
    stream: Stream, rule: SlaRule, level: Level, now: datetime, clock: str
) -> Measurement:
    status = Status.NOT_MEASURED
    if level.observed is not None:
        status = Status.PASSED if level.passed else Status.FAILED
    return Measurement(
        stream=stream.name,
        name=meaning.sla_name(rule),
        at=now,
        clock=clock,
        status=status,
        expected=level.expected,
        observed=None if level.observed is None else meaning.decimal(level.observed),
        unit=level.unit,
        how=level.how,
    )


def _us(length: timedelta) -> int:
    return max(0, length // timedelta(microseconds=1))

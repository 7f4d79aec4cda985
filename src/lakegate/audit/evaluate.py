"""An audit: every rule of a stream, judged on one pinned snapshot of ``staged``."""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

from lakegate.audit.base import Clock, LedgerFacts, Limits, SnapshotReader, Unjudgeable
from lakegate.audit.comparison import Comparison
from lakegate.audit.late import WindowStore
from lakegate.audit.late_rules import WindowedRules
from lakegate.audit.level import sla_name
from lakegate.audit.metric import Measured, measure
from lakegate.audit.reference import dangling
from lakegate.audit.result import AuditReport, ResultKind, RuleResult, Status
from lakegate.audit.session import Session, open_session
from lakegate.audit.sla import Service, level
from lakegate.audit.sql import Answer, answer
from lakegate.contract.stream import (
    Place,
    QualityRule,
    Reference,
    RuleKind,
    Scope,
    SlaRule,
    Stream,
)
from lakegate.errors import AuditError, CommitConflict
from lakegate.lake.spelling import identifier

__all__ = ["Judge", "audit", "prepare"]

_DIGITS = Decimal("1e-12")
_PIN = "audited"
_PIN_ATTEMPTS = 10
_NO_TARGETS: Mapping[str, Stream] = {}


def audit(
    stream: Stream,
    *,
    reader: SnapshotReader,
    ledger: LedgerFacts,
    clock: Clock,
    targets: Mapping[str, Stream] = _NO_TARGETS,
    limits: Limits | None = None,
    windows: WindowStore | None = None,
) -> AuditReport:
    """Judge the head of ``staged`` by every rule, reference and service level of the contract.

    ``targets`` are the streams, by name, whose *published* rows references and SQL may look at.
    The head is read once, at the start: what lands meanwhile is not looked at. It is pinned until
    the stream's next audit, so that it can be published whatever maintenance does. ``windows``
    remembers the windows of earlier audits (:mod:`lakegate.audit.late`). A rule that
    cannot be judged becomes a result with status ``error``; it never stops the others.

    Raises:
        AuditError: nothing has landed on ``staged`` yet.
        LakeError: the lake cannot be read.
        CommitConflict: the table is committed to so often that the snapshot cannot be pinned.
    """
    started_at = datetime.now(UTC)
    there = reader.exists(stream)
    staged = reader.head(stream, "staged") if there else None
    main = reader.head(stream, "main") if there else None
    if staged is None:
        raise AuditError(
            f"stream {stream.name}: branch staged has no snapshot; "
            "run the stream and land it first, then audit"
        )
    main_id = main.snapshot_id if main is not None else None
    _pin(reader, stream, staged.snapshot_id)
    with open_session(limits if limits is not None else Limits()) as session:
        judge = prepare(session, stream, reader, staged.snapshot_id, main_id, targets)
        (rows,) = session.row(f"SELECT count(*) FROM {identifier(judge.table)}")
        judged_at = _now(judge, clock)
        per_window = WindowedRules(stream, windows, judged_at)
        results = [_rule(judge, per_window, rule) for rule in stream.rules]
        results += [judge.reference(reference) for reference in stream.references]
        counts = ledger.counts(stream, snapshot_id=staged.snapshot_id)
        if judged_at is None:
            results += [
                _unmeasured(rule, "the event clock has seen no event") for rule in stream.sla
            ]
        else:
            service = Service(
                session, stream, judge.table, judge.increment, counts, judged_at,
                clock.name == "event",
            )  # fmt: skip
            results += [_level(judge, per_window, service, rule) for rule in stream.sla]
    return AuditReport(
        audit_id=f"{started_at:%Y%m%dT%H%M%S}-{uuid4().hex[:8]}",
        stream=stream.name,
        contract=stream.contract,
        snapshot_id=staged.snapshot_id,
        main_snapshot_id=main_id,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        clock=clock.name,
        judged_at=judged_at,
        rows=rows,
        results=tuple(results),
        windows=tuple(per_window.changed),
    )


@dataclass(frozen=True, slots=True)
class Judge:
    """The views of one audit and what may be read on them.

    ``published`` maps a target's name to its stream and view, None when it has no published rows.
    """

    session: Session
    stream: Stream
    table: str
    increment: str
    published: Mapping[str, tuple[Stream, str] | None]
    views: frozenset[str]

    def rule(self, rule: QualityRule) -> RuleResult:
        """One quality rule. What the gate has judged is checked again on the increment only."""
        scope = Scope.INCREMENT if rule.place is Place.GATE else rule.scope
        blank = RuleResult(
            rule.name, ResultKind(rule.kind.value), rule.severity, Status.NOT_MEASURED, "",
            message=rule.reason, place=rule.place, scope=scope,
        )  # fmt: skip
        if rule.place is Place.NONE or rule.kind not in (RuleKind.METRIC, RuleKind.SQL):
            return blank
        return _timed(lambda: self._quality(rule, blank), blank)

    def rule_on(self, rule: QualityRule, view: str) -> RuleResult:
        """One quality rule without its window, judged on the rows of that view."""
        blank = RuleResult(
            rule.name, ResultKind(rule.kind.value), rule.severity, Status.NOT_MEASURED, ""
        )
        return self._quality(rule, blank, view=view)

    def _quality(
        self, rule: QualityRule, blank: RuleResult, *, view: str | None = None
    ) -> RuleResult:
        comparison = Comparison(rule.operator or "", rule.bounds)
        views = self.views if view is None else self.views | {view}
        if view is None:
            view = self.increment if blank.scope is Scope.INCREMENT else self.table
        unit = rule.unit if rule.kind is RuleKind.METRIC else ""
        blank = replace(blank, expected=comparison.text(unit), unit=unit, message=None)
        try:
            found: Measured | Answer
            if rule.kind is RuleKind.METRIC:
                found = measure(self.session, self.stream, rule, view=view)
            else:
                found = answer(self.session, self.stream, rule, view=view, views=views)
            passed = comparison.holds(found.value)
        except Unjudgeable as error:
            return replace(blank, status=Status.ERROR, message=str(error))
        return replace(
            blank,
            status=Status.PASSED if passed else Status.FAILED,
            observed=_decimal(found.value),
            offending=found.offending,
            total=found.total,
            samples=found.samples,
        )

    def reference(self, reference: Reference) -> RuleResult:
        """One relationship, against the target's published rows (a stream's own: this snapshot)."""
        there = f"{reference.to_stream}({', '.join(reference.to_columns)})"
        blank = RuleResult(
            reference.name, ResultKind.REFERENCE, reference.severity, Status.ERROR,
            f"every value in {there}", unit="rows",
        )  # fmt: skip
        return _timed(lambda: self._reference(reference, blank), blank)

    def _reference(self, reference: Reference, blank: RuleResult) -> RuleResult:
        target = self.target(reference)
        left = dangling(
            self.session, self.stream, reference,
            view=self.table, target=target[0], target_view=target[1],
        )  # fmt: skip
        return replace(
            blank,
            status=Status.PASSED if left.offending == 0 else Status.FAILED,
            observed=Decimal(left.offending),
            offending=left.offending,
            total=left.total,
            samples=left.samples,
            frequent=left.frequent,
        )

    def target(self, reference: Reference) -> tuple[Stream, str]:
        """The stream a reference points to, and the view of its rows.

        Raises:
            Unjudgeable: it is not of this project, or has no published rows.
        """
        if reference.to_stream == self.stream.name:
            return self.stream, self.table
        if reference.to_stream not in self.published:
            raise Unjudgeable(f"the project has no stream {reference.to_stream!r}")
        found = self.published[reference.to_stream]
        if found is None:
            raise Unjudgeable(
                f"{reference.to_stream} has no published rows; audit and publish it first"
            )
        return found

    def sla(self, service: Service, rule: SlaRule) -> RuleResult:
        """One service level. Only ``errorRate`` holds ``main`` back: late data is not bad data."""
        blank = _unmeasured(rule, rule.reason)
        if rule.place is Place.NONE:
            return blank
        return _timed(lambda: self._sla(service, rule, blank), blank)

    def _sla(self, service: Service, rule: SlaRule, blank: RuleResult) -> RuleResult:
        found = level(service, rule)
        blank = replace(blank, expected=found.expected, message=found.how)
        if found.observed is None:
            return blank
        return replace(
            blank,
            status=Status.PASSED if found.passed else Status.FAILED,
            observed=_decimal(found.observed),
            unit=found.unit,
            offending=found.offending,
            total=found.total,
        )


def _pin(reader: SnapshotReader, stream: Stream, snapshot_id: int) -> None:
    """Pin the snapshot while the stream goes on landing: a commit in between means once more."""
    for attempt in range(1, _PIN_ATTEMPTS + 1):
        try:
            reader.pin(stream, snapshot_id=snapshot_id, name=_PIN)
        except CommitConflict:
            if attempt == _PIN_ATTEMPTS:
                raise
        else:
            return


def prepare(
    session: Session,
    stream: Stream,
    reader: SnapshotReader,
    snapshot_id: int,
    main_id: int | None,
    targets: Mapping[str, Stream],
) -> Judge:
    """Make every view, then lock the connection."""
    table, increment = stream.object_name, f"{stream.object_name}__increment"
    reader.relation(session.connection, stream, snapshot_id=snapshot_id, name=table)
    reader.added(session.connection, stream, since=main_id, until=snapshot_id, name=increment)
    published: dict[str, tuple[Stream, str] | None] = {}
    views = {table, increment}
    for name, target in _wanted(stream, targets):
        head = reader.head(target, "main") if reader.exists(target) else None
        if head is None or head.rows == 0:
            published[name] = None
            continue
        view = target.object_name
        if view.casefold() in {known.casefold() for known in views}:
            view = target.name
        reader.relation(session.connection, target, snapshot_id=head.snapshot_id, name=view)
        published[name] = (target, view)
        views.add(view)
    session.lock()
    return Judge(session, stream, table, increment, published, frozenset(views))


def _wanted(stream: Stream, targets: Mapping[str, Stream]) -> Iterable[tuple[str, Stream]]:
    """The targets this contract can look at: those it refers to, and all once it has SQL."""
    referred = {reference.to_stream for reference in stream.references}
    every = any(rule.kind is RuleKind.SQL and rule.place is Place.AUDIT for rule in stream.rules)
    for name, target in targets.items():
        if name != stream.name and (every or name in referred):
            yield name, target


def _now(judge: Judge, clock: Clock) -> datetime | None:
    """The clock's time; for an event clock without one, the newest event in the snapshot."""
    now, column = clock.now(), judge.stream.event_time
    if now is not None or column is None:
        return now
    (microseconds,) = judge.session.row(
        f"SELECT epoch_us(max({identifier(column)})) FROM {identifier(judge.table)}"
    )
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )


def _rule(judge: Judge, per_window: WindowedRules, rule: QualityRule) -> RuleResult:
    if not per_window.judges(rule):
        return judge.rule(rule)
    return _timed(lambda: per_window.rule(judge, rule), per_window.blank(rule))


def _level(judge: Judge, per_window: WindowedRules, service: Service, rule: SlaRule) -> RuleResult:
    if not per_window.judges(rule):
        return judge.sla(service, rule)
    return _timed(lambda: per_window.level(service, rule), per_window.blank_level(rule))


def _timed(judge: Callable[[], RuleResult], blank: RuleResult) -> RuleResult:
    begin = time.perf_counter()
    try:
        result = judge()
    except Unjudgeable as error:
        result = replace(blank, status=Status.ERROR, message=str(error))
    return replace(result, seconds=round(time.perf_counter() - begin, 6))


def _unmeasured(rule: SlaRule, reason: str) -> RuleResult:
    return RuleResult(
        sla_name(rule), ResultKind.SLA, rule.severity, Status.NOT_MEASURED, "",
        message=reason, place=rule.place, holds=rule.name.casefold() == "errorrate",
    )  # fmt: skip


def _decimal(value: Fraction | bool) -> Decimal | bool:
    """Exact when it has at most 12 decimals, else rounded to them; only for display."""
    if isinstance(value, bool):
        return value
    if value.denominator == 1:
        return Decimal(value.numerator)
    rounded = (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_DIGITS)
    return Decimal(f"{rounded:f}".rstrip("0").rstrip("."))

"""Which rows offend a failed rule, and which of them may still be taken off ``staged``.

Only a rule that looks at rows one by one can name its offenders. Rows already on ``main`` stay:
``main`` only moves forward (docs/reference/quarantine.md).
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from lakegate.audit.base import Limits, SnapshotReader, Unjudgeable
from lakegate.audit.comparison import Comparison
from lakegate.audit.evaluate import Judge, prepare
from lakegate.audit.late import WindowState, WindowStore
from lakegate.audit.late_rules import in_each, window_view
from lakegate.audit.metric import condition_of
from lakegate.audit.result import AuditReport, ResultKind, RuleResult, Status
from lakegate.audit.session import open_session
from lakegate.audit.source import COORDINATES, Source, source_of
from lakegate.audit.sql import rows_of
from lakegate.contract.stream import Place, QualityRule, Reference, RuleKind, Scope, Stream
from lakegate.contract.type import Severity
from lakegate.errors import AuditError
from lakegate.lake.spelling import identifier

__all__ = ["Offender", "Offenders", "offenders"]

_LONGEST = 80
_LONGEST_EXPECTED = 200
_EVERY_ROW = 1 << 40


@dataclass(frozen=True, slots=True)
class Offender:
    """A row of ``staged`` by its source coordinates, and what the rule saw in it.

    ``observed`` is JSON of at most 80 characters; it holds data.
    """

    topic: str
    partition: int
    offset: int
    observed: str


@dataclass(frozen=True, slots=True)
class Offenders:
    """The rows of one rule: those that wait to be published, and how many are on ``main``.

    ``path``, ``expected`` and ``severity`` are what the reason of a dead letter says.
    """

    rule: str
    path: str
    expected: str
    severity: Severity
    waiting: tuple[Offender, ...]
    published: int


def offenders(
    stream: Stream,
    report: AuditReport,
    rules: Sequence[str],
    *,
    reader: SnapshotReader,
    targets: Mapping[str, Stream],
    windows: WindowStore | None = None,
    limits: Limits | None = None,
) -> tuple[Offenders, ...]:
    """The offending rows of each rule at the snapshot of ``report``, in order of coordinates.

    Of a rule with a window only rows of closed windows offend that failed, each window by itself;
    ``windows`` remembers which (none without it).

    Of duplicates every row but the first offends: a published one is before all others, then the
    one ingested first, then the lower topic, partition and offset.

    Raises:
        AuditError: a rule is not one of the stream's, did not fail in this audit, or names no row.
        LakeError: the lake cannot be read.
    """
    checked = [_checked(stream, report, name) for name in dict.fromkeys(rules)]
    main = reader.head(stream, "main")
    main_id = None if main is None else main.snapshot_id
    with open_session(limits if limits is not None else Limits()) as session:
        judge = prepare(session, stream, reader, report.snapshot_id, main_id, targets)
        return tuple(_of_rule(judge, rule, windows) for rule in checked)


def _checked(stream: Stream, report: AuditReport, name: str) -> QualityRule | Reference:
    rules: dict[str, QualityRule | Reference] = {rule.name: rule for rule in stream.rules}
    rules |= {reference.name: reference for reference in stream.references}
    result = next((found for found in report.results if found.name == name), None)
    where = f"stream {stream.name}, rule {name}"
    if result is None or (name not in rules and result.kind is not ResultKind.SLA):
        failed = ", ".join(found.name for found in report.failures) or "none"
        raise AuditError(f"{where}: audit {report.audit_id} has no such rule; failed: {failed}")
    if result.kind is ResultKind.SLA:
        raise _no_rows(where, "a service level is about the stream as a whole")
    _must_have_failed(where, report, result)
    rule = rules[name]
    if isinstance(rule, QualityRule):
        _must_name_rows(where, rule)
    return rule


def _must_have_failed(where: str, report: AuditReport, result: RuleResult) -> None:
    if result.status is Status.ERROR:
        raise AuditError(f"{where} could not be judged: {result.message}; put that right first")
    if result.status is not Status.FAILED:
        raise AuditError(
            f"{where}: {result.status} in audit {report.audit_id}; there is nothing to quarantine"
        )


def _must_name_rows(where: str, rule: QualityRule) -> None:
    if rule.metric == "rowCount":
        raise _no_rows(where, "rowCount counts rows, none of them is wrong by itself")
    if rule.kind is RuleKind.METRIC or rule.kind is RuleKind.SQL:
        comparison = Comparison(rule.operator or "", rule.bounds)
        if isinstance(rule.bounds[0], bool):
            raise _no_rows(where, "its query answers with true or false")
        if not comparison.holds(Fraction(0)):
            raise _no_rows(
                where, f"it expects {comparison.text()}: fewer offending rows make it no better"
            )


def _no_rows(where: str, why: str) -> AuditError:
    return AuditError(
        f"{where} cannot name the rows to take off: {why}; put the data right, or "
        "`lakegate publish --accept` it with a reason"
    )


def _of_rule(judge: Judge, rule: QualityRule | Reference, windows: WindowStore | None) -> Offenders:
    try:
        if isinstance(rule, Reference):
            return _dangling(judge, rule)
        if rule.window is not None and rule.place is Place.AUDIT:
            return _by_window(judge, rule, rule.window, windows)
        return _by_rows(judge, rule)
    except Unjudgeable as error:
        where = f"stream {judge.stream.name}, rule {rule.name}"
        raise AuditError(f"{where}: the offending rows cannot be found: {error}") from error


def _by_window(
    judge: Judge, rule: QualityRule, width: timedelta, windows: WindowStore | None
) -> Offenders:
    """Each window that failed as the audit judged it: on its rows alone."""
    column = judge.stream.event_time
    if column is None:
        raise Unjudgeable("a window needs an event time; set `lakegate.eventTime`")
    found = [
        _by_rows(_within(judge, column, start, width), rule)
        for start in _failed(judge.stream, rule, width, windows)
    ]
    if not found:
        raise Unjudgeable("no window is known to have failed; audit again")
    waiting = (row for one in found for row in one.waiting)
    return replace(
        found[0],
        expected=f"{found[0].expected}, {in_each(width)}"[:_LONGEST_EXPECTED],
        waiting=tuple(sorted(waiting, key=lambda row: (row.topic, row.partition, row.offset))),
        published=sum(one.published for one in found),
    )


def _failed(
    stream: Stream, rule: QualityRule, width: timedelta, windows: WindowStore | None
) -> list[datetime]:
    known = {} if windows is None else windows.newest(stream.name, rule.name)
    return sorted(
        start
        for start, one in known.items()
        if one.status is Status.FAILED
        and one.state is not WindowState.OPEN
        and one.end - one.start == width
        and one.rows > 0
    )


def _within(judge: Judge, column: str, start: datetime, width: timedelta) -> Judge:
    view = window_view(judge, column, start, start + width)
    return replace(judge, table=view, views=judge.views | {view})


def _by_rows(judge: Judge, rule: QualityRule) -> Offenders:
    return _by_query(judge, rule) if rule.kind is RuleKind.SQL else _by_metric(judge, rule)


def _view(judge: Judge, rule: QualityRule) -> str:
    """What the audit looked at: rules judged at the gate are checked on new rows only."""
    new = rule.place is Place.GATE or (rule.scope is Scope.INCREMENT and rule.window is None)
    return judge.increment if new else judge.table


def _by_metric(judge: Judge, rule: QualityRule) -> Offenders:
    source = source_of(judge.stream, rule.properties, view=_view(judge, rule))
    if rule.metric == "duplicateValues":
        sql, expected = _later(judge, source), "a value that no earlier row has"
    else:
        sql = f"SELECT * FROM ({source.sql}) WHERE {condition_of(rule, source)}"
        expected = "a value" if rule.metric == "nullValues" else "a valid value"
        if rule.metric == "missingValues":
            expected = "a value that does not stand for a missing one"
    return _found(judge, rule.name, rule.severity, source, sql, expected)


def _later(judge: Judge, source: Source) -> str:
    """Every row of a group of equal values but the first, a published one being before all."""
    values = ", ".join(source.columns)
    present = " AND ".join(f"{column} IS NOT NULL" for column in source.columns)
    repeated = (
        f"SELECT {values} FROM ({source.sql}) WHERE {present} GROUP BY {values} HAVING count(*) > 1"
    )
    among = f"SELECT * FROM ({source.sql}) SEMI JOIN ({repeated}) USING ({values})"
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY {values} "
        f"ORDER BY waits, _ingested_at, {COORDINATES}) AS occurrence "
        f"FROM ({_with_state(judge, among)})"
    )
    return f"SELECT * EXCLUDE (waits) FROM ({ranked}) WHERE occurrence > 1"


def _dangling(judge: Judge, reference: Reference) -> Offenders:
    target, view = judge.target(reference)
    source = source_of(judge.stream, reference.columns, view=judge.table)
    wanted = source_of(target, reference.to_columns, view=view)
    keys = ", ".join(source.columns)
    present = " AND ".join(f"{column} IS NOT NULL" for column in source.columns)
    sql = (
        f"SELECT * FROM ({source.sql}) ANTI JOIN (SELECT DISTINCT {keys} FROM ({wanted.sql})) "
        f"USING ({keys}) WHERE {present}"
    )
    there = f"a value in {reference.to_stream}({', '.join(reference.to_columns)})"
    return _found(judge, reference.name, reference.severity, source, sql, there)


def _by_query(judge: Judge, rule: QualityRule) -> Offenders:
    source = rows_of(judge.session, judge.stream, rule, view=_view(judge, rule), views=judge.views)
    if source is None:
        where = f"stream {judge.stream.name}, rule {rule.name}"
        why = "only `SELECT COUNT(*) FROM {object} WHERE …` says which rows it counts"
        raise _no_rows(where, why)
    expected = "not to be among " + " ".join((rule.query or "").split())
    return _found(judge, rule.name, rule.severity, source, source.sql, expected[:_LONGEST_EXPECTED])


def _found(
    judge: Judge, rule: str, severity: Severity, source: Source, sql: str, expected: str
) -> Offenders:
    """One offender per row, whatever number of its values offend."""
    observed = _observed(source)
    offending = (
        f"SELECT {COORDINATES}, min({observed}) AS observed FROM ({sql}) GROUP BY {COORDINATES}"
    )
    known = _with_state(judge, offending)
    (published,) = judge.session.row(f"SELECT count(*) FROM ({known}) WHERE NOT waits")
    rows = judge.session.rows(
        f"SELECT {COORDINATES}, observed FROM ({known}) WHERE waits ORDER BY {COORDINATES}",
        most=_EVERY_ROW,
    )
    return Offenders(
        rule=rule,
        path=_path(source.properties),
        expected=expected,
        severity=severity,
        waiting=tuple(Offender(*row) for row in rows),
        published=published,
    )


def _with_state(judge: Judge, sql: str) -> str:
    """The rows of a query, ``waits`` saying whether they are not on ``main`` yet."""
    return (
        f"SELECT found.*, waiting._offset IS NOT NULL AS waits FROM ({sql}) found "
        f"LEFT JOIN (SELECT {COORDINATES} FROM {identifier(judge.increment)}) waiting "
        f"USING ({COORDINATES})"
    )


def _observed(source: Source) -> str:
    if not source.columns:
        return "''"
    if len(source.columns) == 1:
        return f"coalesce(CAST(to_json(v0) AS VARCHAR), 'null')[:{_LONGEST}]"
    pairs = ", ".join(
        f"{identifier(name)} := {column}"
        for name, column in zip(source.properties, source.columns, strict=True)
    )
    return f"CAST(to_json(struct_pack({pairs})) AS VARCHAR)[:{_LONGEST}]"


def _path(properties: tuple[str, ...]) -> str:
    if len(properties) != 1:
        return "$"
    return "$." + properties[0].removeprefix("$.").replace(".element", "[*]")

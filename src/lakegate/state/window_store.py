"""Results of windows, each revision kept: what a window said before a late record, and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, insert, select

from lakegate.audit.late import WindowResult, WindowState
from lakegate.audit.result import AuditReport, Status
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.quarantine_schema import windows
from lakegate.state.schema import audits, publications

__all__ = ["WindowStore"]

_IDENTITY = ("rule", "start", "end", "revision")


class WindowStore:
    """The audit room's ``WindowStore``.

    Every method raises StateError when the database refuses or fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, report: AuditReport) -> None:
        """Keep what the audit found of windows; a revision that is there already stays."""
        if not report.windows:
            return
        names = [windows.c[name] for name in _IDENTITY]
        rules = {one.rule for one in report.windows}
        known = (windows.c.stream == report.stream) & windows.c.rule.in_(rules)
        with self._database.write() as connection:
            there = {tuple(row) for row in connection.execute(select(*names).where(known))}
            new = []
            for one in report.windows:
                values = _values(report, one)
                identity = tuple(values[name] for name in _IDENTITY)
                if identity not in there:
                    there.add(identity)
                    new.append(values)
            if new:
                connection.execute(insert(windows), new)

    def newest(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The newest result of each window of a rule or service level, by its start.

        One of an audit that was published, or of an earlier one, holds no longer.
        """
        published = (
            select(func.max(audits.c.number))
            .join(publications, publications.c.audit_id == audits.c.audit_id)
            .where(publications.c.stream == stream)
        )
        settled = select(audits.c.audit_id).where(
            audits.c.stream == stream, audits.c.number <= published.scalar_subquery()
        )
        query = select(windows, windows.c.audit_id.in_(settled).label("is_settled"))
        with self._database.read() as connection:
            rows = connection.execute(query.where(_key(stream, rule)).order_by(windows.c.number))
            found = [
                replace(_result(row), holds=False) if row.is_settled else _result(row)
                for row in rows
            ]
        return {one.start: one for one in found}

    def published(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The same, of audits on which ``main`` was moved."""
        moved = select(publications.c.audit_id).where(publications.c.stream == stream)
        query = select(windows).where(_key(stream, rule), windows.c.audit_id.in_(moved))
        with self._database.read() as connection:
            found = map(_result, connection.execute(query.order_by(windows.c.number)))
            return {one.start: one for one in found}

    def reopened(
        self, stream: str, *, since: datetime | None = None
    ) -> tuple[tuple[WindowResult, WindowResult], ...]:
        """Windows whose result was final and is another one since, with what it was before.

        ``since`` leaves out what was found at or before that time; in order of rule and start.
        """
        again = (windows.c.stream == stream) & (windows.c.state == WindowState.REOPENED.value)
        if since is not None:
            again &= windows.c.at > time_text(since)
        of_rules = windows.c.rule.in_(select(windows.c.rule).where(again))
        every = select(windows).where(windows.c.stream == stream, of_rules)
        before: dict[tuple[str, datetime], WindowResult] = {}
        found: dict[tuple[str, datetime], tuple[WindowResult, WindowResult]] = {}
        with self._database.read() as connection:
            for row in connection.execute(every.order_by(windows.c.number)):
                one = _result(row)
                key = one.rule, one.start
                earlier = before.get(key)
                fresh = since is None or time_of(row.at) > since
                if one.state is WindowState.REOPENED and earlier is not None and fresh:
                    found[key] = found[key][0] if key in found else earlier, one
                before[key] = one
        return tuple(found[key] for key in sorted(found))

    def history(
        self, stream: str, rule: str | None = None, *, limit: int = 100
    ) -> tuple[tuple[WindowResult, str, datetime], ...]:
        """Results with the audit that found them and when (UTC), the newest first."""
        query = select(windows).where(windows.c.stream == stream)
        if rule is not None:
            query = query.where(windows.c.rule == rule)
        with self._database.read() as connection:
            return tuple(
                (_result(row), row.audit_id, time_of(row.at))
                for row in connection.execute(query.order_by(windows.c.number.desc()).limit(limit))
            )


def _key(stream: str, rule: str) -> Any:
    return (windows.c.stream == stream) & (windows.c.rule == rule)


def _values(report: AuditReport, one: WindowResult) -> dict[str, Any]:
    return {
        "stream": report.stream,
        "rule": one.rule,
        "start": time_text(one.start),
        "end": time_text(one.end),
        "revision": one.revision,
        "state": one.state.value,
        "status": one.status.value,
        "observed": None if one.observed is None else str(one.observed),
        "rows": one.rows,
        "late": one.late,
        "unit": one.unit,
        "reason": one.reason,
        "holds": one.holds,
        "audit_id": report.audit_id,
        "snapshot_id": report.snapshot_id,
        "at": time_text(report.finished_at),
    }


def _result(row: Row[Any]) -> WindowResult:
    observed = row.observed
    truth = observed == "True" if observed in ("True", "False") else None
    return WindowResult(
        rule=row.rule,
        start=time_of(row.start),
        end=time_of(row.end),
        revision=row.revision,
        state=WindowState(row.state),
        status=Status(row.status),
        observed=None if observed is None else truth if truth is not None else Decimal(observed),
        rows=row.rows,
        late=row.late,
        unit=row.unit,
        reason=row.reason,
        holds=row.holds,
    )

"""Results of windows, each revision kept: what a window said before a late record, and after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, insert, select

from lakegate.audit.late import WindowResult, WindowState
from lakegate.audit.result import AuditReport, Status
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.quarantine_schema import windows

__all__ = ["WindowStore"]


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
        with self._database.write() as connection:
            for one in report.windows:
                key = _key(report.stream, one.rule) & (windows.c.start == time_text(one.start))
                key &= (windows.c.end == time_text(one.end)) & (windows.c.revision == one.revision)
                if connection.execute(select(windows.c.number).where(key)).first() is None:
                    connection.execute(insert(windows).values(_values(report, one)))

    def newest(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The newest result of each window of a rule, by its start."""
        query = select(windows).where(_key(stream, rule)).order_by(windows.c.number)
        with self._database.read() as connection:
            found = [_result(row) for row in connection.execute(query)]
        return {one.start: one for one in found}

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
    )

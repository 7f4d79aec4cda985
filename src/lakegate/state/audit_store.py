"""Audits, their results and publications, kept for good: the audit room's ``ResultStore``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, insert, select

from lakegate.audit.base import Published
from lakegate.audit.result import (
    AuditReport,
    Frequent,
    ResultKind,
    RuleResult,
    Sample,
    Status,
)
from lakegate.contract.stream import ContractRef, Place, Scope
from lakegate.contract.type import Severity
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.schema import audits, publications, results

__all__ = ["AuditStore", "HistoryEntry"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One result of one audit: which audit, of which snapshot, finished when (UTC)."""

    audit_id: str
    snapshot_id: int
    finished_at: datetime
    result: RuleResult


class AuditStore:
    """Keeps reports as they are: what is read back equals what was recorded.

    Every method raises StateError when the database refuses or fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, report: AuditReport) -> None:
        """Keep the report with every result, all or nothing."""
        with self._database.write() as connection:
            connection.execute(insert(audits).values(_audit_row(report)))
            rows = [
                {"audit_id": report.audit_id, "position": position, **_result_row(result)}
                for position, result in enumerate(report.results)
            ]
            if len(rows) > 0:
                connection.execute(insert(results), rows)

    def latest(self, stream: str, *, snapshot_id: int | None = None) -> AuditReport | None:
        """The report recorded last for the stream, or for that snapshot of it."""
        query = select(audits).where(audits.c.stream == stream)
        if snapshot_id is not None:
            query = query.where(audits.c.snapshot_id == snapshot_id)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(audits.c.number.desc()).limit(1)).first()
            if found is None:
                return None
            rows = connection.execute(
                select(results)
                .where(results.c.audit_id == found.audit_id)
                .order_by(results.c.position)
            ).all()
        return _report(found, rows)

    def history(
        self, stream: str, rule: str | None = None, *, limit: int = 100
    ) -> tuple[HistoryEntry, ...]:
        """Results of the stream, of one rule or all, the newest audit first."""
        query = (
            select(results, audits.c.snapshot_id, audits.c.finished_at)
            .join(audits, audits.c.audit_id == results.c.audit_id)
            .where(audits.c.stream == stream)
        )
        if rule is not None:
            query = query.where(results.c.name == rule)
        query = query.order_by(audits.c.number.desc(), results.c.position).limit(limit)
        with self._database.read() as connection:
            return tuple(
                HistoryEntry(row.audit_id, row.snapshot_id, time_of(row.finished_at), _result(row))
                for row in connection.execute(query)
            )

    def record_publication(self, published: Published) -> None:
        """Keep who published what, when; the same audit of the same snapshot is kept once."""
        key = (
            (publications.c.stream == published.stream)
            & (publications.c.snapshot_id == published.snapshot_id)
            & (publications.c.audit_id == published.audit_id)
        )
        with self._database.write() as connection:
            if connection.execute(select(publications.c.number).where(key)).first() is None:
                connection.execute(
                    insert(publications).values(
                        stream=published.stream,
                        audit_id=published.audit_id,
                        snapshot_id=published.snapshot_id,
                        previous=published.previous,
                        by=published.by,
                        at=time_text(published.at),
                        moved=published.moved,
                    )
                )

    def publications(self, stream: str, *, limit: int = 100) -> tuple[Published, ...]:
        """Who published what of the stream, the newest first."""
        query = (
            select(publications)
            .where(publications.c.stream == stream)
            .order_by(publications.c.number.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(_publication(row) for row in connection.execute(query))


def _publication(row: Row[Any]) -> Published:
    return Published(
        stream=row.stream,
        audit_id=row.audit_id,
        snapshot_id=row.snapshot_id,
        previous=row.previous,
        by=row.by,
        at=time_of(row.at),
        moved=row.moved,
    )


def _audit_row(report: AuditReport) -> dict[str, Any]:
    return {
        "audit_id": report.audit_id,
        "stream": report.stream,
        "contract_id": report.contract.id,
        "contract_version": report.contract.version,
        "contract_digest": report.contract.digest,
        "snapshot_id": report.snapshot_id,
        "main_snapshot_id": report.main_snapshot_id,
        "started_at": time_text(report.started_at),
        "finished_at": time_text(report.finished_at),
        "clock": report.clock,
        "judged_at": time_text(report.judged_at) if report.judged_at is not None else None,
        "rows": report.rows,
        "passed": report.passed,
    }


def _result_row(result: RuleResult) -> dict[str, Any]:
    observed = result.observed
    return {
        "name": result.name,
        "kind": result.kind.value,
        "severity": result.severity.value,
        "status": result.status.value,
        "expected": result.expected,
        "observed": None if observed is None else str(observed),
        "unit": result.unit,
        "offending": result.offending,
        "total": result.total,
        "samples": json.dumps([[s.topic, s.partition, s.offset, s.values] for s in result.samples]),
        "frequent": json.dumps([[f.values, f.rows] for f in result.frequent]),
        "message": result.message,
        "place": result.place.value,
        "scope": result.scope.value,
        "holds": result.holds,
        "seconds": result.seconds,
    }


def _report(row: Row[Any], rows: Sequence[Row[Any]]) -> AuditReport:
    return AuditReport(
        audit_id=row.audit_id,
        stream=row.stream,
        contract=ContractRef(row.contract_id, row.contract_version, row.contract_digest),
        snapshot_id=row.snapshot_id,
        main_snapshot_id=row.main_snapshot_id,
        started_at=time_of(row.started_at),
        finished_at=time_of(row.finished_at),
        clock=row.clock,
        judged_at=time_of(row.judged_at) if row.judged_at is not None else None,
        rows=row.rows,
        results=tuple(_result(found) for found in rows),
    )


def _result(row: Row[Any]) -> RuleResult:
    return RuleResult(
        name=row.name,
        kind=ResultKind(row.kind),
        severity=Severity(row.severity),
        status=Status(row.status),
        expected=row.expected,
        observed=_observed(row.observed),
        unit=row.unit,
        offending=row.offending,
        total=row.total,
        samples=tuple(
            Sample(topic, partition, offset, tuple((name, value) for name, value in values))
            for topic, partition, offset, values in json.loads(row.samples)
        ),
        frequent=tuple(Frequent(tuple(values), n) for values, n in json.loads(row.frequent)),
        message=row.message,
        place=Place(row.place),
        scope=Scope(row.scope),
        holds=row.holds,
        seconds=row.seconds,
    )


def _observed(text: str | None) -> Decimal | bool | None:
    if text in ("True", "False"):
        return text == "True"
    return Decimal(text) if text is not None else None

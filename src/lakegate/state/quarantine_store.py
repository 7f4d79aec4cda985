"""Quarantines and accepted rules, kept for good: what was done, why, by whom, when."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import insert, select

from lakegate.audit.accept import Acceptance
from lakegate.audit.quarantine_note import QuarantineNote, RuleRows
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.quarantine_schema import acceptances, quarantines

__all__ = ["QuarantineStore"]


class QuarantineStore:
    """Keeps notes as they are; recording the same one twice keeps it once.

    Every method raises StateError when the database refuses or fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, note: QuarantineNote) -> None:
        """Keep a finished quarantine."""
        with self._database.write() as connection:
            known = select(quarantines.c.number).where(quarantines.c.id == note.id)
            if connection.execute(known).first() is None:
                rules = [[rule.rule, rule.rows, rule.published] for rule in note.rules]
                connection.execute(
                    insert(quarantines).values(
                        id=note.id,
                        stream=note.stream,
                        audit_id=note.audit_id,
                        snapshot_id=note.snapshot_id,
                        rules=json.dumps(rules),
                        reason=note.reason,
                        by=note.by,
                        at=time_text(note.at),
                        rows=note.rows,
                        rebuilt=note.rebuilt,
                    )
                )

    def quarantines(self, stream: str, *, limit: int = 100) -> tuple[QuarantineNote, ...]:
        """Those of the stream, the newest first."""
        query = (
            select(quarantines)
            .where(quarantines.c.stream == stream)
            .order_by(quarantines.c.number.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(
                QuarantineNote(
                    id=row.id,
                    stream=row.stream,
                    audit_id=row.audit_id,
                    snapshot_id=row.snapshot_id,
                    rules=tuple(RuleRows(*rule) for rule in json.loads(row.rules)),
                    reason=row.reason,
                    by=row.by,
                    at=time_of(row.at),
                    rows=row.rows,
                    rebuilt=row.rebuilt,
                )
                for row in connection.execute(query)
            )

    def record_acceptances(self, accepted: Sequence[Acceptance]) -> None:
        """Keep what was accepted of one audit, all or nothing; a rule once per audit."""
        with self._database.write() as connection:
            for one in accepted:
                key = (acceptances.c.audit_id == one.audit_id) & (acceptances.c.rule == one.rule)
                if connection.execute(select(acceptances.c.number).where(key)).first() is None:
                    connection.execute(
                        insert(acceptances).values(
                            stream=one.stream,
                            audit_id=one.audit_id,
                            snapshot_id=one.snapshot_id,
                            rule=one.rule,
                            result=one.result,
                            offending=one.offending,
                            total=one.total,
                            reason=one.reason,
                            by=one.by,
                            at=time_text(one.at),
                        )
                    )

    def acceptances(
        self, stream: str, *, snapshot_id: int | None = None, limit: int = 100
    ) -> tuple[Acceptance, ...]:
        """What was accepted of the stream, or of that snapshot of it, the newest first."""
        query = select(acceptances).where(acceptances.c.stream == stream)
        if snapshot_id is not None:
            query = query.where(acceptances.c.snapshot_id == snapshot_id)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(acceptances.c.number.desc()).limit(limit))
            return tuple(
                Acceptance(
                    stream=row.stream,
                    audit_id=row.audit_id,
                    snapshot_id=row.snapshot_id,
                    rule=row.rule,
                    result=row.result,
                    offending=row.offending,
                    total=row.total,
                    reason=row.reason,
                    by=row.by,
                    at=time_of(row.at),
                )
                for row in found
            )

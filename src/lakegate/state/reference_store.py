"""Which published keys relationships were judged by at the gate, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.reference_schema import reference_keys

__all__ = ["Keys", "ReferenceStore"]


@dataclass(frozen=True, slots=True)
class Keys:
    """What a relationship of a stream is judged by at the gate.

    ``snapshot_id`` (of the table of stream ``target``) and ``keys``, their number, are None when
    the relationship is left to the audit; ``problem`` then says why.
    """

    reference: str
    target: str
    snapshot_id: int | None
    keys: int | None
    problem: str | None = None
    since: datetime | None = None


class ReferenceStore:
    """Every method raises StateError when the database refuses or fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, stream: str, keys: Sequence[Keys]) -> None:
        """Keep what is other than what was kept last; several workers may say the same."""
        with self._database.write() as connection:
            known = {one.reference: one for one in _newest(connection, stream)}
            new = []
            for one in keys:
                old = known.get(one.reference)
                if old is not None and _same(old, one):
                    continue
                new.append(
                    {
                        "stream": stream,
                        "reference": one.reference,
                        "target": one.target,
                        "snapshot_id": one.snapshot_id,
                        "keys": one.keys,
                        "problem": one.problem,
                        "at": time_text(datetime.now(UTC)),
                    }
                )
            if new:
                connection.execute(insert(reference_keys), new)

    def newest(self, stream: str) -> list[Keys]:
        """What is in force for each relationship that was ever judged, by name."""
        with self._database.read() as connection:
            return _newest(connection, stream)

    def history(self, stream: str, reference: str) -> list[Keys]:
        """Everything a relationship was judged by, the oldest first."""
        mine = (reference_keys.c.stream == stream) & (reference_keys.c.reference == reference)
        query = select(reference_keys).where(mine).order_by(reference_keys.c.number)
        with self._database.read() as connection:
            return [_keys(row) for row in connection.execute(query)]


def _newest(connection: Connection, stream: str) -> list[Keys]:
    last = (
        select(func.max(reference_keys.c.number))
        .where(reference_keys.c.stream == stream)
        .group_by(reference_keys.c.reference)
    )
    wanted = select(reference_keys).where(reference_keys.c.number.in_(last))
    return [_keys(row) for row in connection.execute(wanted.order_by(reference_keys.c.reference))]


def _keys(row: Row[Any]) -> Keys:
    since = time_of(row.at)
    return Keys(row.reference, row.target, row.snapshot_id, row.keys, row.problem, since)


def _same(one: Keys, other: Keys) -> bool:
    return (one.target, one.snapshot_id, one.keys, one.problem) == (
        other.target,
        other.snapshot_id,
        other.keys,
        other.problem,
    )

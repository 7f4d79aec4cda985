"""What the watch measured of each service level, over time; bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from lakegate.audit.result import Status
from lakegate.state.alert_schema import service_levels
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text

__all__ = ["Measurement", "ServiceLevelStore"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One service level of one stream at one time (UTC, or of the event clock).

    ``observed`` is in ``unit`` (seconds for durations), None when it could not be measured; then
    ``how`` says why.
    """

    stream: str
    name: str
    at: datetime
    clock: str
    status: Status
    expected: str
    observed: Decimal | None
    unit: str
    how: str


class ServiceLevelStore:
    """Keeps what changed at once, what did not once per ``interval``, and ``keep`` of each level.

    Every method raises StateError when the database does.
    """

    def __init__(
        self,
        database: Database,
        *,
        interval: timedelta = timedelta(minutes=1),
        keep: int = 1_000,
    ) -> None:
        self._database = database
        self._interval = interval
        self._keep = keep

    def record(self, measurements: Iterable[Measurement]) -> int:
        """Keep what is news; returns how many rows that were."""
        chosen = list(measurements)
        with self._database.read() as connection:
            chosen = [one for one in chosen if self._is_news(connection, one)]
        if not chosen:
            return 0
        with self._database.write() as connection:
            for one in chosen:
                connection.execute(insert(service_levels).values(_values(one)))
                self._prune(connection, one)
        return len(chosen)

    def history(self, stream: str, name: str | None = None, *, limit: int = 100) -> tuple[
        Measurement, ...
    ]:  # fmt: skip
        """Measurements of a stream, of one level or all, the newest first."""
        query = select(service_levels).where(service_levels.c.stream == stream)
        if name is not None:
            query = query.where(service_levels.c.name == name)
        query = query.order_by(service_levels.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(_measurement(row) for row in connection.execute(query))

    def _is_news(self, connection: Connection, one: Measurement) -> bool:
        last = connection.execute(
            select(service_levels.c.at, service_levels.c.status)
            .where(*_of(one))
            .order_by(service_levels.c.number.desc())
            .limit(1)
        ).first()
        if last is None or last.status != one.status.value:
            return True
        return abs(one.at - time_of(last.at)) >= self._interval

    def _prune(self, connection: Connection, one: Measurement) -> None:
        oldest = connection.execute(
            select(service_levels.c.number)
            .where(*_of(one))
            .order_by(service_levels.c.number.desc())
            .offset(self._keep)
            .limit(1)
        ).scalar()
        if oldest is not None:
            connection.execute(
                delete(service_levels).where(*_of(one), service_levels.c.number <= oldest)
            )


def _of(one: Measurement) -> tuple[Any, Any]:
    return service_levels.c.stream == one.stream, service_levels.c.name == one.name


def _values(one: Measurement) -> dict[str, Any]:
    return {
        "stream": one.stream, "name": one.name, "at": time_text(one.at), "clock": one.clock,
        "status": one.status.value, "expected": one.expected,
        "observed": None if one.observed is None else str(one.observed),
        "unit": one.unit, "how": one.how,
    }  # fmt: skip


def _measurement(row: Row[Any]) -> Measurement:
    return Measurement(
        stream=row.stream,
        name=row.name,
        at=time_of(row.at),
        clock=row.clock,
        status=Status(row.status),
        expected=row.expected,
        observed=None if row.observed is None else Decimal(row.observed),
        unit=row.unit,
        how=row.how,
    )

"""The outbox: alerts that were decided on, and what became of each.

A row is written in the transaction that changes its incident (:func:`enqueue`). Whoever delivers
claims one row at a time, so that several processes share the work, sends it, and then says so. A
process that dies in between leaves a claim that runs out: each alert arrives at least once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from lakegate.state.alert_schema import alerts
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text

__all__ = [
    "MAX_DELAY",
    "AlertState",
    "AlertStore",
    "Letter",
    "Outgoing",
    "enqueue",
]

MAX_DELAY = timedelta(minutes=15)  # between two tries
_FIRST_DELAY = timedelta(seconds=5)


class AlertState(StrEnum):
    """What became of an alert."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    EXPIRED = "expired"  # it could not be delivered for too long


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert to be delivered: to whom, over which channel (JSON), saying what (plain data)."""

    recipient: str
    channel: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """An alert in the outbox. ``error`` is the last failure, without addresses or secrets."""

    number: int
    incident: int
    event: str
    recipient: str
    channel: str
    document: Mapping[str, Any]
    state: AlertState
    created_at: datetime
    due_at: datetime
    tries: int
    delivered_at: datetime | None
    error: str | None


def enqueue(
    connection: Connection,
    incident: int,
    event: str,
    outgoing: Sequence[Outgoing],
    now: datetime,
) -> None:
    """Put alerts into the outbox, in the transaction of the incident they are about."""
    at = time_text(now)
    rows = [
        {
            "incident": incident, "event": str(event), "recipient": one.recipient,
            "channel": one.channel, "document": json.dumps(one.document),
            "state": AlertState.WAITING.value, "created_at": at, "due_at": at, "tries": 0,
        }
        for one in outgoing
    ]  # fmt: skip
    if rows:
        connection.execute(insert(alerts), rows)


class AlertStore:
    """Hands out alerts to deliver and remembers how it went.

    Every method raises StateError when the database does. Processes whose clocks differ by less
    than :data:`MAX_DELAY` never hold the same alert; a clock that went back further keeps neither a
    claim nor a retry waiting for longer than that.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def channels_due(self, now: datetime) -> list[str]:
        """Channels that have something to deliver."""
        query = select(alerts.c.channel).where(_due(now)).distinct().order_by(alerts.c.channel)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def claim(self, channel: str, *, now: datetime, lease: timedelta) -> Letter | None:
        """Take the next alert of a channel: what was tried least, then the oldest.

        Of one incident and recipient the later one waits until the earlier one is delivered.
        """
        earlier = alerts.alias()
        blocked = (
            select(earlier.c.number)
            .where(
                (earlier.c.incident == alerts.c.incident)
                & (earlier.c.recipient == alerts.c.recipient)
                & (earlier.c.channel == alerts.c.channel)
                & (earlier.c.state == AlertState.WAITING.value)
                & (earlier.c.number < alerts.c.number)
            )
            .exists()
        )
        query = (
            select(alerts)
            .where(_due(now), alerts.c.channel == channel, ~blocked)
            .order_by(alerts.c.tries, alerts.c.number)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            row = connection.execute(query).first()
            if row is not None:
                connection.execute(
                    update(alerts)
                    .where(alerts.c.number == row.number)
                    .values(claimed_at=time_text(now), claimed_until=time_text(now + lease))
                )
        return _letter(row) if row is not None else None

    def delivered(self, number: int, *, now: datetime) -> None:
        """It has arrived."""
        self._set(
            alerts.c.number == number,
            state=AlertState.DELIVERED.value,
            delivered_at=time_text(now),
            error=None,
            **_UNCLAIMED,
        )

    def failed(self, letter: Letter, error: str, *, now: datetime) -> timedelta:
        """It did not arrive: try again later, and the channel's other alerts too. Returns when."""
        delay: timedelta = min(_FIRST_DELAY * (1 << min(letter.tries, 20)), MAX_DELAY)
        due_at = time_text(now + delay)
        with self._database.write() as connection:
            waiting = alerts.c.state == AlertState.WAITING.value
            connection.execute(
                update(alerts)
                .where(waiting, alerts.c.channel == letter.channel, alerts.c.due_at < due_at)
                .values(due_at=due_at)
            )
            connection.execute(
                update(alerts)
                .where(waiting, alerts.c.number == letter.number)
                .values(due_at=due_at, tries=letter.tries + 1, error=error[:500], **_UNCLAIMED)
            )
        return delay

    def expire(self, *, now: datetime, max_age: timedelta) -> int:
        """Give up on what could not be delivered for so long; returns how many."""
        old = alerts.c.created_at < time_text(now - max_age)
        waiting = alerts.c.state == AlertState.WAITING.value
        return self._set(waiting & old, state=AlertState.EXPIRED.value, **_UNCLAIMED)

    def prune(self, *, before: datetime) -> int:
        """Forget what was settled before that time; returns how many."""
        settled = alerts.c.state != AlertState.WAITING.value
        with self._database.write() as connection:
            done = connection.execute(
                delete(alerts).where(settled, alerts.c.created_at < time_text(before))
            )
            return done.rowcount

    def list(
        self,
        *,
        state: AlertState | None = None,
        incident: int | None = None,
        limit: int = 200,
    ) -> tuple[Letter, ...]:
        """Alerts, the newest first."""
        query = select(alerts).order_by(alerts.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(alerts.c.state == state.value)
        if incident is not None:
            query = query.where(alerts.c.incident == incident)
        with self._database.read() as connection:
            return tuple(_letter(row) for row in connection.execute(query))

    def _set(self, which: ColumnElement[bool], **values: Any) -> int:
        with self._database.write() as connection:
            return connection.execute(update(alerts).where(which).values(values)).rowcount


_UNCLAIMED: dict[str, Any] = {"claimed_at": None, "claimed_until": None}


def _due(now: datetime) -> ColumnElement[bool]:
    # A claim from a little later than ``now`` is another process's, made while this one waited for
    # its turn to write; only one from much later tells of a clock that went back.
    at, beyond = time_text(now), time_text(now + MAX_DELAY)
    free = or_(
        alerts.c.claimed_until.is_(None),
        alerts.c.claimed_until <= at,
        alerts.c.claimed_at > beyond,
    )
    ready = or_(alerts.c.due_at <= at, alerts.c.due_at > beyond)
    return (alerts.c.state == AlertState.WAITING.value) & free & ready


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        number=row.number,
        incident=row.incident,
        event=row.event,
        recipient=row.recipient,
        channel=row.channel,
        document=json.loads(row.document),
        state=AlertState(row.state),
        created_at=time_of(row.created_at),
        due_at=time_of(row.due_at),
        tries=row.tries,
        delivered_at=None if row.delivered_at is None else time_of(row.delivered_at),
        error=row.error,
    )

"""Incidents: breaches that were noticed, and the alerts each change of one leads to.

An incident is known by stream, kind and rule, and at most one of them is open. A change of it and
the alerts about it are written in one transaction, so that neither is ever there without the other,
and two watchers who see the same breach open one incident and write each alert once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from lakegate.contract.stream import ContractRef
from lakegate.contract.type import Severity
from lakegate.errors import StateError
from lakegate.state.alert_schema import incidents
from lakegate.state.alert_store import Outgoing, enqueue
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text

__all__ = [
    "Breach",
    "Event",
    "Incident",
    "IncidentKind",
    "IncidentStore",
    "Key",
    "Patience",
    "Route",
]

_LOCK = 7241956  # of PostgreSQL: changes of incidents happen one after the other


class IncidentKind(StrEnum):
    """What sort of breach it is."""

    DEAD_LETTERS = "deadletters"  # more rejected records in the window than the threshold
    WARNINGS = "warnings"  # more warnings of the gate in the window than the threshold
    SLA = "sla"  # a service level missed
    RULE = "rule"  # an audited rule failed, or could not be judged
    PAUSED = "paused"  # the stream waits for a person
    STUCK = "stuck"  # records wait and nobody judges them
    PART = "part"  # a part of `lakegate up` is dead or stuck
    UNDECLARED = "undeclared"  # first sight of a field nobody declared


class Event(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    UPDATED = "updated"  # it got worse, or went on for long
    CLOSED = "closed"
    NOTED = "noted"  # for information: opened and closed at once


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What an incident is known by; ``stream`` is empty for the project itself."""

    stream: str
    kind: IncidentKind
    rule: str


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that is not as promised, now.

    ``summary`` and ``command`` hold no values of records. ``fields`` are the dotted paths it is
    about, None for the record as a whole. ``magnitude`` grows as it gets worse.
    """

    key: Key
    severity: Severity
    summary: str
    command: str
    contract: ContractRef
    count: int | None = None
    magnitude: float = 0.0
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A breach over time. Times are UTC; ``reason`` is why it was closed.

    ``clear_since`` is set while it is open and was not seen lately.
    """

    number: int
    key: Key
    severity: Severity
    open: bool
    contract: ContractRef
    count: int | None
    magnitude: float
    summary: str
    command: str
    fields: tuple[str, ...] | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    reason: str | None
    alerted_at: datetime
    events: int
    clear_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """People hear again when it is ``worse_by`` times as bad, and after ``repeat``.

    What comes and goes is over once it stayed away for ``settle``.
    """

    repeat: timedelta = timedelta(hours=4)
    settle: timedelta = timedelta(seconds=60)
    worse_by: float = 2.0


Route = Callable[[Incident, Event], Sequence[Outgoing]]


class IncidentStore:
    """Opens, updates and closes incidents. Every method raises StateError when the database does.

    Times given are aware; a clock that goes back delays a repeat or a closing by as much, at most.
    """

    def __init__(self, database: Database, patience: Patience = Patience()) -> None:
        self._database = database
        self._patience = patience

    def observe(
        self,
        breaches: Iterable[Breach],
        *,
        judged: Collection[tuple[str, IncidentKind]],
        unknown: Collection[Key] = (),
        over: Collection[Key] = (),
        now: datetime,
        route: Route,
    ) -> list[tuple[Incident, Event]]:
        """Bring the incidents in line with what is seen now; return what changed.

        ``judged`` are the pairs of stream and kind that were looked at: their open incidents
        without a breach are over, but for those in ``unknown``, about which nothing can be said.
        Those in ``over`` are over too.
        """
        seen = {breach.key: breach for breach in breaches}
        changed: list[tuple[Incident, Event]] = []
        with self._database.write() as connection:
            _take_turns(connection)
            for breach in seen.values():
                change = self._seen(connection, breach, now)
                if change is not None:
                    changed.append(change)
            quiet = _quiet(connection, judged, {*seen, *unknown}, {*over} - {*seen})
            for row in quiet:
                change = self._clear(connection, row, now)
                if change is not None:
                    changed.append(change)
            for incident, event in changed:
                enqueue(connection, incident.number, event, route(incident, event), now)
        return changed

    def note(self, breach: Breach, *, now: datetime, route: Route) -> Incident:
        """Tell people once, for information: an incident that is closed as soon as it is there."""
        with self._database.write() as connection:
            return self.note_in(connection, breach, now=now, route=route)

    def note_in(
        self, connection: Connection, breach: Breach, *, now: datetime, route: Route
    ) -> Incident:
        """:meth:`note` inside a transaction of the caller's."""
        incident = _insert(connection, breach, now, open_=False)
        enqueue(connection, incident.number, Event.NOTED, route(incident, Event.NOTED), now)
        return incident

    def close(self, number: int, *, reason: str, now: datetime, route: Route) -> Incident:
        """Close by hand. It opens again once the breach was over and returns, or gets worse.

        Raises:
            StateError: no such incident, or it is closed already.
        """
        with self._database.write() as connection:
            _take_turns(connection)
            row = connection.execute(select(incidents).where(incidents.c.number == number)).first()
            if row is None or row.status != "open":
                what = "is closed already" if row is not None else "is not there"
                raise StateError(f"incident {number} {what}; see `lakegate incident list --all`")
            incident = _close(connection, _incident(row), now, reason, held=True)
            alerts = route(incident, Event.CLOSED)
            enqueue(connection, number, Event.CLOSED, alerts, now)
        return incident

    def prune(self, *, before: datetime) -> int:
        """Forget what was closed before that time, unless it is held; returns how many."""
        closed = (incidents.c.status == "closed") & ~incidents.c.held
        with self._database.write() as connection:
            done = connection.execute(
                delete(incidents).where(closed, incidents.c.closed_at < time_text(before))
            )
            return done.rowcount

    def find(self, number: int) -> Incident | None:
        """One incident."""
        with self._database.read() as connection:
            row = connection.execute(select(incidents).where(incidents.c.number == number)).first()
        return _incident(row) if row is not None else None

    def list(
        self, *, stream: str | None = None, only_open: bool = True, limit: int = 200
    ) -> tuple[Incident, ...]:
        """Incidents, the newest first."""
        query = select(incidents).order_by(incidents.c.number.desc()).limit(limit)
        if only_open:
            query = query.where(incidents.c.status == "open")
        if stream is not None:
            query = query.where(incidents.c.stream == stream)
        with self._database.read() as connection:
            return tuple(_incident(row) for row in connection.execute(query))

    def _seen(
        self, connection: Connection, breach: Breach, now: datetime
    ) -> tuple[Incident, Event] | None:
        row = _newest(connection, breach.key)
        if row is None or (row.status != "open" and not row.held):
            return _insert(connection, breach, now, open_=True), Event.OPENED
        if row.status != "open":
            if not self._worse(row, breach):
                return None
            change = update(incidents).where(incidents.c.number == row.number)
            connection.execute(change.values(held=False))
            return _insert(connection, breach, now, open_=True), Event.OPENED
        alerted_at = time_of(row.alerted_at)
        tell = self._worse(row, breach) or now - alerted_at >= self._patience.repeat
        values = {**_values(breach), "updated_at": time_text(now), "clear_since": None}
        if alerted_at > now:
            values["alerted_at"] = time_text(now)
        if tell:
            values |= _alerted(breach, now) | {"events": row.events + 1}
        connection.execute(update(incidents).where(incidents.c.number == row.number).values(values))
        return (_read(connection, row.number), Event.UPDATED) if tell else None

    def _worse(self, row: Row[Any], breach: Breach) -> bool:
        if breach.severity.rank > Severity(row.alerted_severity).rank:
            return True
        return breach.magnitude > 0 and (
            breach.magnitude >= self._patience.worse_by * row.alerted_magnitude
        )

    def _clear(
        self, connection: Connection, row: Row[Any], now: datetime
    ) -> tuple[Incident, Event] | None:
        """The breach is not seen: over at once, or once it stayed away for ``settle``."""
        found = update(incidents).where(incidents.c.number == row.number)
        if row.status != "open":
            connection.execute(found.values(held=False))
            return None
        since = time_of(row.clear_since) if row.clear_since is not None else now
        settles = IncidentKind(row.kind) in _SETTLING
        if settles and (row.clear_since is None or since > now):
            connection.execute(found.values(clear_since=time_text(now)))
            since = now
        if settles and now - since < self._patience.settle:
            return None
        incident = _close(connection, _incident(row), now, "recovered", held=False)
        return incident, Event.CLOSED


# What comes and goes with the data; the rest is a fact that somebody or something changes.
_SETTLING = frozenset(
    [
        IncidentKind.DEAD_LETTERS,
        IncidentKind.WARNINGS,
        IncidentKind.SLA,
        IncidentKind.STUCK,
        IncidentKind.PART,
    ]
)


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _newest(connection: Connection, key: Key) -> Row[Any] | None:
    query = select(incidents).where(
        (incidents.c.stream == key.stream)
        & (incidents.c.kind == key.kind.value)
        & (incidents.c.rule == key.rule)
    )
    return connection.execute(query.order_by(incidents.c.number.desc()).limit(1)).first()


def _quiet(
    connection: Connection,
    judged: Collection[tuple[str, IncidentKind]],
    busy: Collection[Key],
    over: Collection[Key],
) -> list[Row[Any]]:
    active = (incidents.c.status == "open") | incidents.c.held
    rows = connection.execute(select(incidents).where(active).order_by(incidents.c.number)).all()
    return [
        row
        for row in rows
        if _incident(row).key in over
        or ((row.stream, IncidentKind(row.kind)) in judged and _incident(row).key not in busy)
    ]


def _insert(connection: Connection, breach: Breach, now: datetime, *, open_: bool) -> Incident:
    at, key = time_text(now), breach.key
    values = _values(breach) | _alerted(breach, now) | {
        "stream": key.stream, "kind": key.kind.value, "rule": key.rule,
        "status": "open" if open_ else "closed", "opened_at": at, "updated_at": at,
        "closed_at": None if open_ else at, "reason": None if open_ else "for information",
        "clear_since": None, "held": False, "events": 1,
    }  # fmt: skip
    done = connection.execute(insert(incidents).values(values).returning(incidents.c.number))
    return _read(connection, done.scalar_one())


def _values(breach: Breach) -> dict[str, Any]:
    return {
        "severity": breach.severity.value,
        "contract_id": breach.contract.id,
        "contract_version": breach.contract.version,
        "contract_digest": breach.contract.digest,
        "records": breach.count,
        "magnitude": breach.magnitude,
        "summary": breach.summary,
        "command": breach.command,
        "fields": None if breach.fields is None else json.dumps(breach.fields),
    }


def _alerted(breach: Breach, now: datetime) -> dict[str, Any]:
    return {
        "alerted_at": time_text(now),
        "alerted_magnitude": breach.magnitude,
        "alerted_severity": breach.severity.value,
    }


def _close(
    connection: Connection, incident: Incident, now: datetime, reason: str, *, held: bool
) -> Incident:
    at = max(now, incident.opened_at)
    connection.execute(
        update(incidents)
        .where(incidents.c.number == incident.number)
        .values(
            status="closed", closed_at=time_text(at), updated_at=time_text(at), reason=reason,
            held=held, events=incident.events + 1,
        )
    )  # fmt: skip
    return replace(
        incident, open=False, closed_at=at, updated_at=at, reason=reason, events=incident.events + 1
    )


def _read(connection: Connection, number: int) -> Incident:
    row = connection.execute(select(incidents).where(incidents.c.number == number)).one()
    return _incident(row)


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        number=row.number,
        key=Key(row.stream, IncidentKind(row.kind), row.rule),
        severity=Severity(row.severity),
        open=row.status == "open",
        contract=ContractRef(row.contract_id, row.contract_version, row.contract_digest),
        count=row.records,
        magnitude=row.magnitude,
        summary=row.summary,
        command=row.command,
        fields=None if row.fields is None else tuple(json.loads(row.fields)),
        opened_at=time_of(row.opened_at),
        updated_at=time_of(row.updated_at),
        closed_at=None if row.closed_at is None else time_of(row.closed_at),
        reason=row.reason,
        alerted_at=time_of(row.alerted_at),
        events=row.events,
        clear_since=None if row.clear_since is None else time_of(row.clear_since),
    )

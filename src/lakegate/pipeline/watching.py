"""The watch: service levels and breaches evaluated as data flows, incidents, and their alerts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lakegate.alert import condition
from lakegate.alert.channel import write_line
from lakegate.alert.delivery import Delivered
from lakegate.alert.routing import Owner, owner_of
from lakegate.contract import load
from lakegate.contract.consumer import Consumer, consumer_files
from lakegate.contract.model import Contract
from lakegate.errors import LakegateError
from lakegate.fault import reach
from lakegate.pipeline.alerting import (
    consumers_of,
    courier_of,
    incident_store,
    route_of,
    routing_of,
)
from lakegate.pipeline.contracts import ContractWatch, Stamp, StreamFile, stamp_of
from lakegate.pipeline.watched import JUDGED, Seen, StreamEyes
from lakegate.state.incident_field_store import UndeclaredStore
from lakegate.state.incident_store import Event, Incident, IncidentKind, Key, Route
from lakegate.state.sla_store import Measurement, ServiceLevelStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lakegate.contract.stream import Stream
    from lakegate.pipeline.project import Project

__all__ = ["FAULT_POINTS", "Tick", "Watch"]

FAULT_POINTS = ("alert.committed",)

_log = logging.getLogger("lakegate.alert")
_THRESHOLD = "lakegate.alertThreshold"
_PRUNE_EVERY = timedelta(hours=1)

PartState = Literal["running", "stuck", "dead"]


@dataclass(frozen=True, slots=True)
class Tick:
    """What one evaluation came to. ``problems`` are sentences on streams that could not be read."""

    at: datetime
    changes: tuple[tuple[Incident, Event], ...]
    measured: tuple[Measurement, ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Watched:
    """A stream, its contract in force, and what was made of it."""

    source: ContractWatch
    stream: Stream
    owner: Owner
    threshold: int


class Watch:
    """Evaluates the whole project, keeps incidents, and delivers alerts.

    For ``lakegate up``: make one per process (``project.watch()``) and

    - call ``tick()`` every few seconds from one thread; it never raises for what is wrong with a
      stream, and takes milliseconds per stream;
    - call ``deliver()`` after each tick; it returns at once, its threads do the rest;
    - call ``report_part(part, state, reason)`` whenever a supervised part changes state: ``dead``
      or ``stuck`` opens an incident, ``running`` closes it once it stayed so for ``settle_s``, so
      that a part that dies again and again is one incident; also ``running`` for each part once at
      start, in case an earlier process died before it could say so. Any thread may;
    - ``close()`` at the end; what was not delivered is delivered by the next one.

    Several watches may run at once, in as many processes: each incident is alerted once.
    """

    def __init__(
        self,
        project: Project,
        *,
        write: Callable[[str], None] = write_line,
        as_json: bool = False,
    ) -> None:
        from lakegate.lake import Lake

        self._project = project
        self._config = project.config.alerts
        self._routing = routing_of(self._config)
        self._log = project.open_log()
        self._lake = Lake(project.state_folder / "lake", catalog=project.config.lake.catalog)
        self._eyes = StreamEyes(project, self._log, self._lake)
        self._incidents = incident_store(project)
        self._levels = ServiceLevelStore(project.state)
        self._undeclared = UndeclaredStore(project.state)
        self._courier = courier_of(project, write=write, as_json=as_json)
        self._streams = {name: self._watched(found) for name, found in project.found.items()}
        self._consumers = _ConsumerFiles(project)
        self._turn = threading.Lock()
        self._pruned: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files; deliveries under way go on for as long as the process does."""
        self._log.close()
        self._lake.close()

    def tick(self, now: datetime | None = None) -> Tick:
        """Look at every stream once; open, update and close incidents; write alerts.

        ``now`` is aware; the present if not given. It may go back. Nothing of ours that goes wrong
        is raised: it is logged, is in ``problems``, and is tried again with the next tick.
        """
        at = datetime.now(UTC) if now is None else now
        with self._turn:
            problems: list[str] = []
            seen, judged = Seen(), set[tuple[str, IncidentKind]]()
            try:
                self._eyes.windows.advance(at)
                for name, watched in self._streams.items():
                    self._look(name, watched, at, seen, judged, problems)
                changes = self._record(at, seen, judged)
            except LakegateError as error:
                _log.warning("%s; breaches are not judged this time", error)
                problems.append(str(error))
                changes = []
        return Tick(at, tuple(changes), tuple(seen.measured), tuple(problems))

    def report_part(
        self,
        part: str,
        state: PartState,
        reason: str = "",
        *,
        stream: str | None = None,
        now: datetime | None = None,
    ) -> None:
        """A part of ``lakegate up`` (``gateway``, ``worker orders``) runs, is stuck, or died.

        ``reason`` must hold no values of records. With ``stream`` its owner and consumers are told,
        else the project's default channels. Never raises for the database: the log says so.
        """
        at = datetime.now(UTC) if now is None else now
        found = self._streams.get(stream) if stream is not None else None
        known = found.stream if found is not None else None
        key = Key(known.name if known is not None else "", IncidentKind.PART, part)
        breaches = []
        if state != "running":
            breaches = [condition.failed_part(part, state, reason, stream=known)]
        try:
            over = [key] if state == "running" else []
            self._incidents.observe(breaches, judged=(), over=over, now=at, route=self._route())
        except LakegateError as error:
            _log.warning("%s; nobody is told that %s is %s", error, part, state)

    def deliver(self, *, wait_s: float = 0.0) -> Delivered:
        """Start delivering what is due, each channel in its own thread; wait at most ``wait_s``.

        Never raises for the database: the log says so.
        """
        try:
            return self._courier.deliver(wait_s=wait_s)
        except LakegateError as error:
            _log.warning("%s; alerts wait", error)
            return Delivered(0, 0, 0, 0)

    def _look(
        self,
        name: str,
        watched: _Watched,
        at: datetime,
        seen: Seen,
        judged: set[tuple[str, IncidentKind]],
        problems: list[str],
    ) -> None:
        try:
            stream = self._refresh(watched)
            one = self._eyes.look(stream, at, threshold=watched.threshold)
        except LakegateError as error:
            _log.warning("stream %s is not watched this time: %s", name, error)
            problems.append(f"{name}: {error}")
            return
        seen.breaches += one.breaches
        seen.unknown += one.unknown
        seen.measured += one.measured
        judged.update((name, kind) for kind in JUDGED)

    def _refresh(self, watched: _Watched) -> Stream:
        """The stream as its contract says now; owner and threshold follow it."""
        stream = watched.source.current()
        if watched.stream.contract.digest != stream.contract.digest:
            found = replace(self._project.found[stream.name], stream=stream)
            fresh = self._watched(found)
            watched.stream, watched.owner = stream, fresh.owner
            watched.threshold = fresh.threshold
        return stream

    def _watched(self, found: StreamFile) -> _Watched:
        contract, stream = self._contract(found.file), found.stream
        default = self._config.deadletter_threshold
        return _Watched(
            ContractWatch(found, lambda _: None),
            stream,
            owner_of(contract, self._routing),
            _threshold(contract, stream.object_name, default),
        )

    def _contract(self, file: Path) -> Contract:
        in_force = self._project.in_force
        return load(file) if in_force is None else in_force.newest(self._project.config, file)

    def _record(
        self, at: datetime, seen: Seen, judged: set[tuple[str, IncidentKind]]
    ) -> list[tuple[Incident, Event]]:
        route = self._route()
        over = [
            incident.key
            for incident in self._incidents.list(limit=10_000)
            if self._is_over(incident)
        ]
        changes = self._incidents.observe(
            seen.breaches, judged=judged, unknown=seen.unknown, over=over, now=at, route=route
        )
        for name, watched in self._streams.items():

            def say(
                connection: Connection, paths: Sequence[str], stream: Stream = watched.stream
            ) -> None:
                breach = condition.undeclared(stream, paths)
                incident = self._incidents.note_in(connection, breach, now=at, route=route)
                changes.append((incident, Event.NOTED))

            self._undeclared.tell(name, say)
        reach("alert.committed")
        self._levels.record(seen.measured)
        self._prune(at)
        for incident, event in changes:
            _log.info(
                "incident %d %s: %s %s", incident.number, event, incident.key.stream,
                incident.summary,
            )  # fmt: skip
        return changes

    def _is_over(self, incident: Incident) -> bool:
        """Its stream is gone, or it is about a part that runs again."""
        key = incident.key
        if key.stream and key.stream not in self._streams:
            return True
        return key.kind is IncidentKind.PART and incident.clear_since is not None

    def _prune(self, at: datetime) -> None:
        if self._pruned is None or abs(at - self._pruned) >= _PRUNE_EVERY:
            self._incidents.prune(before=at - timedelta(seconds=self._config.keep_s))
            self._pruned = at

    def _route(self) -> Route:
        owners = {name: watched.owner for name, watched in self._streams.items()}
        return route_of(self._project, owners, self._consumers.current())


class _ConsumerFiles:
    """The project's consumers, read again when a file of theirs changed."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stamps: list[tuple[Path, Stamp]] | None = None
        self._consumers: list[Consumer] = []

    def current(self) -> list[Consumer]:
        """What the files say now; one that vanishes while it is looked at is looked for again."""
        folder = self._project.root / self._project.config.alerts.consumers
        try:
            stamps = [(file, stamp_of(file)) for file in consumer_files(folder)]
        except OSError:
            return self._consumers
        if stamps != self._stamps:
            self._consumers = consumers_of(self._project)
            self._stamps = stamps
        return self._consumers


def _threshold(contract: Contract, object_name: str, default: int) -> int:
    """``lakegate.alertThreshold`` of the object, else of the contract, else the project's."""
    objects = [one for one in contract.schema or () if one.name == object_name]
    properties = [*(one.custom_properties or () for one in objects), contract.custom_properties]
    for custom in (found for place in properties for found in place or ()):
        if custom.property == _THRESHOLD:
            return int(str(custom.value))
    return default

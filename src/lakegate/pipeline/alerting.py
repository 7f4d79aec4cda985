"""Alerts, wired: channels from the configuration, owners from contracts, consumers from files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.alert.channel import Channel, open_channel, write_line
from lakegate.alert.delivery import Courier
from lakegate.alert.routing import Owner, Routing, owner_of, route
from lakegate.contract import load
from lakegate.contract.consumer import (
    STDOUT,
    Address,
    AddressKind,
    Consumer,
    consumer_files,
    read_consumers,
)
from lakegate.contract.consumer_check import check_consumers
from lakegate.contract.problem import Level, Problem, Report
from lakegate.errors import ContractError, ProjectError, StateError
from lakegate.pipeline.config import AlertsSection, ChannelSection, Config
from lakegate.state.alert_store import AlertStore
from lakegate.state.incident_store import Incident, IncidentStore, Patience, Route

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.pipeline.project import Project
    from lakegate.state.database import Database

__all__ = [
    "channels_of",
    "close_incident",
    "consumer_problems",
    "consumers_of",
    "courier_of",
    "incident_store",
    "incidents_of",
    "remember_undeclared",
    "route_of",
    "routing_of",
    "send_test",
]

_log = logging.getLogger("lakegate.alert")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SHIELDED = 'it may hold a secret: write `{key} = "${{NAME}}"` and set NAME in the environment'


def channels_of(config: AlertsSection) -> dict[str, Address]:
    """The channels of ``[alerts.channels]``, by name; ``stdout`` is always there.

    Raises:
        ProjectError: one is not one of ``url``, ``webhook`` with ``secret``, ``stdout``.
    """
    found = {"stdout": STDOUT}
    for name, section in config.channels.items():
        found[name] = _address(name, section)
    return found


def _address(name: str, section: ChannelSection) -> Address:
    where = f"[alerts.channels.{name}]"
    given = {
        AddressKind.APPRISE: section.url,
        AddressKind.WEBHOOK: section.webhook,
        AddressKind.STDOUT: section.stdout,
    }
    chosen = [(kind, target) for kind, target in given.items() if target is not None]
    if len(chosen) != 1:
        raise ProjectError(f"{where} needs exactly one of `url`, `webhook` and `stdout`")
    kind, target = chosen[0]
    if (kind is AddressKind.WEBHOOK) != (section.secret is not None):
        raise ProjectError(f"{where}: `webhook` and `secret` go together; every webhook is signed")
    if kind is AddressKind.APPRISE and _VARIABLE.search(target) is None:
        raise ProjectError(f"{where}: `url` stands in plain text; {_SHIELDED.format(key='url')}")
    if section.secret is not None and _VARIABLE.search(section.secret) is None:
        advice = _SHIELDED.format(key="secret")
        raise ProjectError(f"{where}: `secret` stands in plain text; {advice}")
    return Address(kind, target, section.secret)


def routing_of(config: AlertsSection) -> Routing:
    """How owners are reached.

    Raises:
        ProjectError: a channel that is not there is named; says which there are.
    """
    known = channels_of(config)

    def addresses(names: Iterable[str], where: str) -> tuple[Address, ...]:
        wrong = [name for name in names if name not in known]
        if wrong:
            raise ProjectError(
                f"{where} names `{wrong[0]}`, which is no channel; there are: {', '.join(known)}"
            )
        return tuple(
            STDOUT if name == "stdout" else Address(AddressKind.NAMED, name) for name in names
        )

    if config.mail is not None and _VARIABLE.search(config.mail) is None:
        advice = _SHIELDED.format(key="mail")
        raise ProjectError(f"[alerts]: `mail` stands in plain text; {advice}")
    return Routing(
        default=addresses(config.default, "[alerts] default"),
        owners={
            who: addresses(names, f"[alerts.owners] {who}") for who, names in config.owners.items()
        },
        mail=config.mail,
    )


def consumers_of(project: Project) -> list[Consumer]:
    """The project's consumers; one whose file is wrong is left out, and the log says so."""
    report = Report()
    found = read_consumers(consumer_files(_folder(project.root, project.config)), report)
    for problem in report.sorted():
        if problem.level is Level.ERROR:
            _log.warning("%s; this consumer gets no alerts", problem)
    return found


def consumer_problems(root: Path, config: Config, contracts: Sequence[Path]) -> list[Problem]:
    """Every problem of the project's consumers, checked against those contract files."""
    files = consumer_files(_folder(root, config))
    if not files:
        return []
    streams: list[Stream] = []
    complete = True
    for file in contracts:
        try:
            streams += load(file, variables=os.environ).streams
        except ContractError:
            complete = False
    channels = ["stdout", *config.alerts.channels]
    return check_consumers(files, streams, channels=channels, complete=complete)


def _folder(root: Path, config: Config) -> Path:
    return root / config.alerts.consumers


def route_of(
    project: Project,
    owners: Mapping[str, Owner] | None = None,
    consumers: Sequence[Consumer] | None = None,
) -> Route:
    """From an incident to its alerts, by the project's contracts and consumers as they are now."""
    routing = routing_of(project.config.alerts)
    if owners is None:
        owners = {
            name: owner_of(load(found.file), routing) for name, found in project.found.items()
        }
    if consumers is None:
        consumers = consumers_of(project)
    return route(owners, consumers, routing, project=_name(project))


def _name(project: Project) -> str:
    return project.config.project.name or project.root.name


def incident_store(project: Project) -> IncidentStore:
    """The incidents, with the patience configured."""
    config = project.config.alerts
    patience = Patience(
        repeat=timedelta(seconds=config.repeat_s), settle=timedelta(seconds=config.settle_s)
    )
    return IncidentStore(project.state, patience)


def incidents_of(
    project: Project, stream: str | None, *, only_open: bool = True, limit: int = 200
) -> tuple[Incident, ...]:
    """Incidents of a stream or of all, the newest first."""
    name = None if stream is None else project.stream(stream).name
    return incident_store(project).list(stream=name, only_open=only_open, limit=limit)


def close_incident(project: Project, number: int, *, reason: str) -> Incident:
    """Close by hand, and tell those who heard of it.

    Raises:
        StateError: no such incident, or it is closed already.
    """
    said = f"closed by hand: {reason}"
    return incident_store(project).close(
        number, reason=said, now=datetime.now(UTC), route=route_of(project)
    )


def courier_of(
    project: Project,
    *,
    write: Callable[[str], None] = write_line,
    as_json: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Courier:
    """Delivers what is in the project's outbox; ``write`` is where standard output goes.

    Raises:
        ProjectError: ``[alerts.channels]`` is at fault.
    """
    config = project.config.alerts
    named = channels_of(config)

    def channel(address: Address) -> Channel:
        return open_channel(address, named, os.environ, write=write, as_json=as_json)

    return Courier(
        AlertStore(project.state),
        channel,
        timeout_s=config.timeout_s,
        max_age=timedelta(seconds=config.max_age_s),
        keep=timedelta(seconds=config.keep_s),
        clock=clock,
    )


def send_test(project: Project, name: str, *, write: Callable[[str], None] = write_line) -> None:
    """Send a test over a named channel, now and without the outbox.

    Raises:
        ProjectError: no channel is called that.
        AlertError: it did not arrive; says why.
    """
    config = project.config.alerts
    named = channels_of(config)
    if name not in named:
        message = f"[alerts.channels] has no `{name}`; there are: {', '.join(named)}"
        raise ProjectError(message)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    alert = {
        "id": f"0/0/test:{now}", "event": "noted", "incident": 0, "stream": "",
        "contract": {"id": "", "version": ""}, "kind": "test", "rule": "test",
        "severity": "info", "count": None, "since": now, "at": now,
        "summary": f"A test of channel {name} by project {_name(project)}.",
        "command": "lakegate incident list", "fields": None,
        "recipient": {"role": "project", "name": _name(project)},
        "your_fields": [], "reason": None,
    }  # fmt: skip
    channel = open_channel(named[name], named, os.environ, write=write)
    channel.send(alert, timeout_s=config.timeout_s)


def remember_undeclared(database: Database, stream: str, paths: Sequence[str]) -> None:
    """What a worker calls at first sight of undeclared fields; the watch tells people later.

    It never stops data: when the database refuses, the log says so and that is all.
    """
    from lakegate.state.incident_field_store import UndeclaredStore

    try:
        UndeclaredStore(database).see(stream, paths, now=datetime.now(UTC))
    except StateError as error:
        _log.warning("%s; nobody is told of %d undeclared fields", error, len(paths))

"""Who hears of an incident: the contract's owner, and every consumer it touches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakegate.alert.message import document
from lakegate.contract.consumer import STDOUT, Address, AddressKind, Consumer
from lakegate.contract.model import Contract
from lakegate.state.alert_store import Outgoing
from lakegate.state.incident_store import Event, Incident

__all__ = ["Owner", "Routing", "owner_of", "route"]

_EMAIL = re.compile(r"[^@\s?&#%]+@[^@\s?&#%]+\.[A-Za-z]{2,}\Z")
_OWNERS = ("owner", "data owner", "product owner")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who answers for a contract, and how they are reached."""

    name: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Routing:
    """How owners are reached.

    ``owners`` maps what a contract calls them (team, user name, support channel or URL) to
    addresses; ``mail`` is the Apprise URL of a mail server, to which the recipient is added;
    ``default`` is for everybody else, and for alerts about the project itself.
    """

    default: tuple[Address, ...] = (STDOUT,)
    owners: Mapping[str, tuple[Address, ...]] | None = None
    mail: str | None = None


def owner_of(contract: Contract, routing: Routing) -> Owner:
    """The owner of a contract: by ``owners``, else by e-mail, else the default channels.

    What is looked up, in this order: support channels and their URLs, the team's name, the owner's
    user name, the other members' user names.
    """
    entries = list(_entries(contract))
    team = contract.team.name if contract.team is not None else None
    members = [] if contract.team is None else list(contract.team.members or ())
    leads = [one for one in members if (one.role or "").lower() in _OWNERS]
    people = [one.username for one in leads or members[:1] if one.username is not None]
    name = team or next(iter(people), None) or contract.name or contract.id
    mapped = _unique(
        address for entry in entries for address in (routing.owners or {}).get(entry, ())
    )
    if mapped:
        return Owner(name, mapped)
    if routing.mail is not None:
        mails = [entry.removeprefix("mailto:") for entry in [*_support(contract), *people]]
        found = [mail for mail in mails if _EMAIL.match(mail)]
        if found:
            targets = (f"{routing.mail}?to={mail}" for mail in found)
            return Owner(name, _unique(Address(AddressKind.APPRISE, target) for target in targets))
    return Owner(name, routing.default)


def route(
    owners: Mapping[str, Owner],
    consumers: Sequence[Consumer],
    routing: Routing,
    *,
    project: str,
) -> Callable[[Incident, Event], list[Outgoing]]:
    """A function from an incident and what happened to it to the alerts this leads to.

    The owner hears everything. A consumer of the stream hears what is about a field it reads, or
    about records as a whole. Somebody who lists one address twice hears once.
    """

    def outgoing(incident: Incident, event: Event) -> list[Outgoing]:
        stream = incident.key.stream
        found: list[Outgoing] = []
        owner = owners.get(stream)
        if owner is None:
            hears = Owner(project, routing.default)
            return _to(incident, event, "project", hears.name, hears.addresses, ())
        found += _to(incident, event, "owner", owner.name, owner.addresses, ())
        for consumer in consumers:
            use = consumer.use_of(stream)
            if use is None:
                continue
            touched = use.touched(incident.fields)
            if incident.fields is None or touched:
                found += _to(
                    incident, event, "consumer", consumer.name, consumer.addresses, touched
                )
        return found

    return outgoing


def _to(
    incident: Incident,
    event: Event,
    role: str,
    name: str,
    addresses: Iterable[Address],
    touched: Sequence[str],
) -> list[Outgoing]:
    said = document(incident, event, role=role, name=name, your_fields=touched)
    return [Outgoing(f"{role}:{name}", address.text(), said) for address in _unique(addresses)]


def _entries(contract: Contract) -> Iterable[str]:
    yield from _support(contract)
    if contract.team is None:
        return
    if contract.team.name is not None:
        yield contract.team.name
    members = contract.team.members or ()
    yield from (one.username for one in members if one.username is not None)


def _support(contract: Contract) -> list[str]:
    entries = contract.support or ()
    return [text for entry in entries for text in (entry.channel, entry.url) if text is not None]


def _unique(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(addresses))

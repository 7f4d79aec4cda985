"""Who hears: the owner always, a consumer when it is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakegate.alert.message import text, title
from lakegate.alert.routing import Owner, Routing, owner_of, route
from lakegate.contract import loads
from lakegate.contract.consumer import STDOUT, Address, AddressKind, Consumer, Use
from lakegate.contract.consumer_version import VersionRange
from lakegate.contract.stream import ContractRef
from lakegate.contract.type import Location, Severity
from lakegate.state.incident_store import Event, Incident, IncidentKind, Key

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OPS = Address(AddressKind.NAMED, "ops")
CHAT = Address(AddressKind.NAMED, "chat")
HERE = Location("c.yaml", 1, 1)
ANY = VersionRange("*", ())
INCIDENT = Incident(
    3, Key("orders", IncidentKind.RULE, "complete"), Severity.WARNING, True,
    ContractRef("orders", "1.2.0", "d"), 7, 7.0, "7 of 9 rows", "lakegate audit orders", ("mail",),
    NOW, NOW, None, None, NOW, 1,
)  # fmt: skip
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema: [{{name: orders, logicalType: object, properties: [{{name: id, logicalType: integer}}]}}]
{more}
"""
TEAM = "team: {name: Shop, members: [{username: al@x.org}, {username: bo@x.org, role: owner}]}\n"
SUPPORT = "support: [{channel: '#shop', url: 'mailto:help@x.org'}]\n"


def consumer(name: str, fields: tuple[str, ...] | None, *addresses: Address) -> Consumer:
    return Consumer(name, "me", None, (Use("orders", ANY, fields, HERE),), addresses, HERE)


CONSUMERS = [
    consumer("all", None, CHAT, CHAT),
    consumer("mail", ("mail",), STDOUT),
    consumer("other", ("id",), STDOUT),
]


def heard(incident: Incident, event: Event = Event.OPENED) -> list[tuple[str, str, list[str]]]:
    tell = route({"orders": Owner("Shop", (OPS,))}, CONSUMERS, Routing(), project="p")
    return [
        (one.recipient, one.channel, one.document["your_fields"]) for one in tell(incident, event)
    ]


def test_the_owner_and_those_whose_field_it_is() -> None:
    assert heard(INCIDENT) == [
        ("owner:Shop", OPS.text(), []),
        ("consumer:all", CHAT.text(), ["mail"]),  # listed twice, told once
        ("consumer:mail", STDOUT.text(), ["mail"]),
    ]


def test_what_is_about_records_reaches_everybody() -> None:
    assert [who for who, _, _ in heard(replace(INCIDENT, fields=None))] == [
        "owner:Shop", "consumer:all", "consumer:mail", "consumer:other",
    ]  # fmt: skip


def test_what_is_about_the_project_reaches_the_default() -> None:
    incident = replace(INCIDENT, key=Key("", IncidentKind.PART, "gateway"))
    assert heard(incident) == [("project:p", STDOUT.text(), [])]


@pytest.mark.parametrize(
    ("more", "routing", "name", "targets"),
    [
        ("", Routing(default=(OPS,)), "orders", ["ops"]),
        (TEAM, Routing(owners={"Shop": (CHAT,)}), "Shop", ["chat"]),
        (TEAM, Routing(owners={"al@x.org": (CHAT,)}), "Shop", ["chat"]),
        (SUPPORT, Routing(owners={"#shop": (CHAT,), "nobody": (OPS,)}), "orders", ["chat"]),
        (TEAM, Routing(mail="${SMTP}"), "Shop", ["${SMTP}?to=bo@x.org"]),
        (SUPPORT, Routing(mail="${SMTP}"), "orders", ["${SMTP}?to=help@x.org"]),
        ("team: {name: Shop}\n", Routing(mail="${SMTP}"), "Shop", ["text"]),
    ],
)
def test_how_an_owner_is_reached(
    more: str, routing: Routing, name: str, targets: list[str]
) -> None:
    owner = owner_of(loads(CONTRACT.format(more=more)), routing)
    assert (owner.name, [address.target for address in owner.addresses]) == (name, targets)


def test_what_is_said() -> None:
    tell = route({"orders": Owner("Shop", (OPS,))}, CONSUMERS, Routing(), project="p")
    said = tell(INCIDENT, Event.OPENED)[2].document
    assert title(said) == "✗ orders 1.2.0: complete (warning)"
    assert text(said).splitlines() == [
        "7 of 9 rows",
        "your fields: mail",
        "for consumer mail; incident 3",
        "look further: lakegate audit orders",
    ]
    over = replace(INCIDENT, open=False, closed_at=NOW, reason="recovered", events=2)
    said = tell(over, Event.CLOSED)[0].document
    assert title(said) == "✓ orders 1.2.0: complete (recovered)"
    assert text(said).startswith("Over since 2026-11-23T09:00:00+00:00: recovered.")
    assert said["id"] == "3/2/owner:Shop"

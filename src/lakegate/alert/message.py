"""What an alert says: one plain document, and the same for people.

=============  =====================================================================================
key            value
=============  =====================================================================================
id             ``incident/event number/recipient``: the same alert delivered twice has the same id
event          opened, updated, closed, noted (for information)
incident       its number, for ``lakegate incident show``
stream         its name; empty when it is about the project itself
contract       ``{"id": …, "version": …}``
kind, rule     what sort of breach, and which rule, level or part
severity       info, warning, error, critical
count          records, or null
since, at      when it began and when this was decided; ISO 8601, UTC
summary        one sentence; shapes and counts, no values of records
command        to look further
fields         dotted paths it is about, or null for the record as a whole
recipient      ``{"role": owner, consumer or project, "name": …}``
your_fields    those of ``fields`` the recipient has declared
reason         why it was closed, or null
=============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakegate.state.incident_store import Event, Incident

__all__ = ["document", "text", "title"]

_MARKS = {"opened": "✗", "updated": "✗", "closed": "✓", "noted": "·"}


def document(
    incident: Incident, event: Event, *, role: str, name: str, your_fields: Sequence[str]
) -> dict[str, Any]:
    """The alert of an incident for one recipient."""
    key = incident.key
    at = incident.closed_at if event is Event.CLOSED else incident.updated_at
    return {
        "id": f"{incident.number}/{incident.events}/{role}:{name}",
        "event": event.value,
        "incident": incident.number,
        "stream": key.stream,
        "contract": {"id": incident.contract.id, "version": incident.contract.version},
        "kind": key.kind.value,
        "rule": key.rule,
        "severity": incident.severity.value,
        "count": incident.count,
        "since": incident.opened_at.isoformat(timespec="seconds"),
        "at": (at or incident.updated_at).isoformat(timespec="seconds"),
        "summary": incident.summary,
        "command": incident.command,
        "fields": None if incident.fields is None else list(incident.fields),
        "recipient": {"role": role, "name": name},
        "your_fields": list(your_fields),
        "reason": incident.reason if event is Event.CLOSED else None,
    }


def title(alert: Mapping[str, Any]) -> str:
    """One line: ``✗ weather 1.0.0: pressure_complete (warning)``."""
    what = alert["stream"] or "project"
    version = alert["contract"]["version"]
    head = f"{what} {version}" if version else what
    end = "recovered" if alert["event"] == "closed" else alert["severity"]
    return f"{_MARKS[alert['event']]} {head}: {alert['rule']} ({end})"


def text(alert: Mapping[str, Any]) -> str:
    """The body for people, some lines."""
    lines = [alert["summary"]]
    if alert["event"] == "closed":
        lines.insert(0, f"Over since {alert['at']}: {alert['reason']}.")
        lines[1] = f"It was: {alert['summary']}"
    elif alert["event"] == "updated":
        lines.insert(0, f"Still so, since {alert['since']}.")
    if alert["your_fields"]:
        lines.append(f"your fields: {', '.join(alert['your_fields'])}")
    recipient = alert["recipient"]
    lines.append(f"for {recipient['role']} {recipient['name']}; incident {alert['incident']}")
    lines.append(f"look further: {alert['command']}")
    return "\n".join(lines)

"""``lakegate incident``: what is not as promised, since when, and who was told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit, say_error

if TYPE_CHECKING:
    from lakegate.state.incident_store import Incident

__all__ = ["app", "show_incident"]

app = cyclopts.App(name="incident", help="Breaches: list, show, close.")
_COLOURS = {"info": "cyan", "warning": "yellow", "error": "red", "critical": "bold red"}


@app.command(name="list")
def list_(
    stream: str | None = None,
    *,
    all: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Incidents, the newest first; exit 1 if one is open.

    Parameters
    ----------
    stream:
        Only those of this stream.
    all:
        Closed ones too.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        found = opened.incidents(stream, only_open=not all)
    if format == "json":
        for incident in found:
            emit(incident_json(incident))
    elif not found:
        console().print("[green]✓[/] no incidents" if all else "[green]✓[/] nothing is open")
    else:
        _show_table(found)
    return 1 if any(incident.open for incident in found) else 0


@app.command
def show(number: int, *, project: ProjectOption = Path(), format: Format = "text") -> int:
    """One incident and the alerts about it; exit 1 if there is none of that number.

    Parameters
    ----------
    number:
        Its number.
    """
    from lakegate.pipeline.alerting import incident_store
    from lakegate.pipeline.project import open_project
    from lakegate.state.alert_store import AlertStore

    with open_project(project) as opened:
        incident = incident_store(opened).find(number)
        letters = AlertStore(opened.state).list(incident=number)
    if incident is None:
        say_error(f"there is no incident {number}; see `lakegate incident list --all`")
        return 1
    if format == "json":
        emit({**incident_json(incident), "alerts": letters})
        return 0
    show_incident(incident)
    for letter in reversed(letters):
        tail = f", {letter.tries} tries: {letter.error}" if letter.error else ""
        line = f"  {letter.created_at:%m-%d %H:%M:%S} {letter.event} to {letter.recipient}"
        console().print(f"{line}: {letter.state}{tail}", markup=False)
    return 0


@app.command
def close(
    number: int, *, reason: str, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Close an incident by hand; it opens again once it was over and returns, or gets worse.

    Parameters
    ----------
    number:
        Its number.
    reason:
        Why; it is kept, and told to everybody who was alerted.
    """
    from lakegate.pipeline.alerting import close_incident
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        incident = close_incident(opened, number, reason=reason)
    if format == "json":
        emit(incident_json(incident))
    else:
        console().print(f"incident {number} is closed")
    return 0


def incident_json(incident: Incident) -> dict[str, Any]:
    """An incident as plain data."""
    return {
        "number": incident.number,
        "open": incident.open,
        "stream": incident.key.stream,
        "kind": incident.key.kind,
        "rule": incident.key.rule,
        "severity": incident.severity,
        "contract": {"id": incident.contract.id, "version": incident.contract.version},
        "count": incident.count,
        "summary": incident.summary,
        "command": incident.command,
        "fields": incident.fields,
        "opened_at": incident.opened_at,
        "updated_at": incident.updated_at,
        "closed_at": incident.closed_at,
        "reason": incident.reason,
    }


def show_incident(incident: Incident) -> None:
    """The incident for people."""
    from rich.text import Text

    out = console()
    what = f"{incident.key.stream or 'project'} {incident.contract.version}".rstrip()
    state = "open" if incident.open else "closed"
    out.print(
        Text.assemble(
            (f"{incident.number}", "bold"),
            f"  {what}  {incident.key.rule}  ",
            (str(incident.severity), _COLOURS[incident.severity]),
            f"  {state}, since {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC",
        )
    )
    out.print(Text(f"  {incident.summary}"))
    if incident.fields:
        out.print(Text(f"  fields: {', '.join(incident.fields)}"))
    if incident.closed_at is not None:
        out.print(Text(f"  {incident.closed_at:%Y-%m-%d %H:%M:%S} UTC: {incident.reason}"))
    out.print(Text(f"  look further: {incident.command}", style="dim"))


def _show_table(found: tuple[Incident, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "stream", "rule", "severity", "since", "what"):
        table.add_column(column, overflow="fold")
    for incident in found:
        closed = "" if incident.open else f"closed: {incident.reason}; "
        table.add_row(
            str(incident.number),
            incident.key.stream or "project",
            Text(incident.key.rule),
            Text(str(incident.severity), style=_COLOURS[incident.severity]),
            f"{incident.opened_at:%m-%d %H:%M}",
            Text(closed + incident.summary, style="" if incident.open else "dim"),
        )
    console().print(table)

"""``lakegate alert``: evaluate and deliver once, look at the outbox, test a channel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit, say_error

__all__ = ["app"]

app = cyclopts.App(name="alert", help="Alerts: check, deliver, test.")


@app.command
def check(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Evaluate service levels and breaches once, and deliver what is due.

    Exits with 0 when nothing is open, 1 when an incident is, 2 when a stream could not be read.
    """
    from lakegate.cli.incident import incident_json
    from lakegate.pipeline.project import open_project
    from lakegate.pipeline.watching import Watch

    with open_project(project) as opened:
        with Watch(opened, as_json=format == "json") as watch:
            tick = watch.tick()
            sent = watch.deliver(wait_s=opened.config.alerts.timeout_s + 5)
        still_open = opened.incidents()
    if format == "json":
        for incident, event in tick.changes:
            emit({"change": event, **incident_json(incident)})
    else:
        text = f"{len(still_open)} open, {sent.delivered} alerts delivered"
        text += f", {sent.failed} failed and tried again later" if sent.failed else ""
        text += f", {sent.busy} channels still busy" if sent.busy else ""
        console().print(f"[{'red' if still_open else 'green'}]{text}[/]")
    for problem in tick.problems:
        say_error(problem)
    if tick.problems:
        return 2
    return 1 if still_open else 0


@app.command(name="list")
def list_(
    *,
    state: Literal["waiting", "delivered", "expired"] | None = None,
    limit: int = 50,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """The outbox, the newest first: who was told what, and what waits.

    Parameters
    ----------
    state:
        Only those waiting, delivered or expired.
    limit:
        At most so many.
    """
    from lakegate.contract.consumer import Address
    from lakegate.pipeline.project import open_project
    from lakegate.state.alert_store import AlertState, AlertStore

    with open_project(project) as opened:
        letters = AlertStore(opened.state).list(
            state=None if state is None else AlertState(state), limit=limit
        )
    for letter in letters:
        if format == "json":
            emit(letter)
            continue
        tail = f", {letter.tries} tries: {letter.error}" if letter.error else ""
        console().print(
            f"{letter.created_at:%m-%d %H:%M:%S} incident {letter.incident} {letter.event} to "
            f"{letter.recipient} by {Address.from_text(letter.channel)}: {letter.state}{tail}",
            markup=False,
        )
    return 0


@app.command(name="test")
def send(channel: str, *, project: ProjectOption = Path()) -> int:
    """Send a test over a channel of ``[alerts.channels]``; exit 1 if it does not arrive.

    Parameters
    ----------
    channel:
        Its name.
    """
    from lakegate.alert.channel import Undelivered
    from lakegate.pipeline.alerting import send_test
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        try:
            send_test(opened, channel)
        except Undelivered as error:
            say_error(f"channel {channel}: {error}")
            return 1
    console().print(f"[green]✓[/] channel {channel} took it")
    return 0


@app.command
def levels(
    stream: str,
    *,
    limit: int = 50,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Service levels of a stream as they were measured over time, the newest first.

    Parameters
    ----------
    stream:
        The stream.
    limit:
        At most so many.
    """
    from rich.table import Table

    from lakegate.pipeline.project import open_project
    from lakegate.state.sla_store import ServiceLevelStore

    with open_project(project) as opened:
        name = opened.stream(stream).name
        history = ServiceLevelStore(opened.state).history(name, limit=limit)
    if format == "json":
        for one in history:
            emit(one)
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("at", "level", "status", "expected", "observed"):
        table.add_column(column)
    for one in history:
        observed = "" if one.observed is None else f"{one.observed:,.6g} {one.unit}".rstrip()
        cells = (f"{one.at:%Y-%m-%d %H:%M:%S}", one.name, str(one.status), one.expected, observed)
        table.add_row(*cells)
    console().print(table)
    return 0

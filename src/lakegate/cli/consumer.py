"""``lakegate consumer``: who reads which stream, and how they are reached."""

from __future__ import annotations

from pathlib import Path

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

__all__ = ["app"]

app = cyclopts.App(name="consumer", help="Who reads which stream.")


@app.command(name="list")
def list_(
    stream: str | None = None, *, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Consumers by stream, with the versions and fields they declare.

    Parameters
    ----------
    stream:
        Only those of this stream.
    """
    from rich.table import Table

    from lakegate.pipeline.alerting import consumers_of
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        wanted = None if stream is None else opened.stream(stream).name
        consumers = consumers_of(opened)
    rows = [
        (use, consumer)
        for consumer in consumers
        for use in consumer.uses
        if wanted is None or use.stream == wanted
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("stream", "consumer", "owner", "versions", "fields", "reached by"):
        table.add_column(column, overflow="fold")
    for use, consumer in sorted(rows, key=lambda row: (row[0].stream, row[1].name)):
        channels = [str(address) for address in consumer.addresses]
        if format == "json":
            emit(
                {
                    "stream": use.stream, "consumer": consumer.name, "owner": consumer.owner,
                    "contact": consumer.contact, "versions": use.versions.text,
                    "fields": use.fields, "channels": channels,
                }
            )  # fmt: skip
            continue
        fields = "all" if use.fields is None else ", ".join(use.fields)
        cells = (use.stream, consumer.name, consumer.owner, use.versions.text, fields)
        table.add_row(*cells, ", ".join(channels))
    if format == "text":
        if rows:
            console().print(table)
        else:
            console().print("no consumer is declared; see docs/reference/consumers.md")
    return 0

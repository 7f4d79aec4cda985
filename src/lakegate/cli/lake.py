"""``lakegate lake``: the tables."""

from __future__ import annotations

from pathlib import Path

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

__all__ = ["app"]

app = cyclopts.App(name="lake")


@app.command(name="list")
def list_tables(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Every table: rows on ``staged`` and on ``main``."""
    from lakegate.pipeline.project import open_project

    rows = []
    with open_project(project) as opened:
        for table in opened.lake.tables():
            heads = {branch: opened.lake.head(table, branch) for branch in ("staged", "main")}
            counts = {name: head.rows if head else None for name, head in heads.items()}
            rows.append({"table": table, **counts})
    if format == "json":
        for row in rows:
            emit(row)
        return 0
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    shown.add_column("table")
    for column in ("staged", "main"):
        shown.add_column(column, justify="right")
    for row in rows:
        shown.add_row(str(row["table"]), _number(row["staged"]), _number(row["main"]))
    console().print(shown)
    return 0


@app.command
def maintain(*streams: str, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Compact small files, expire old snapshots, remove orphans, apply retention to the topics.

    Safe while everything runs.

    Parameters
    ----------
    streams:
        Streams whose tables to maintain; all of the project's if none is named.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        for stream in opened.selected(streams):
            if not opened.lake.exists(stream):
                continue
            report = opened.maintain(stream.name)
            if format == "json":
                emit({"stream": stream.name, "report": report})
            else:
                console().print(f"[bold]{stream.name}[/]  {report}")
    return 0


def _number(count: object) -> str:
    return "-" if count is None else f"{count:,}"

"""``lakegate lake`` and ``query``: the tables, and SQL over what is published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["app", "query"]

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


def query(
    sql: str | None = None, *, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Run SQL over what is published; from standard input if none is given.

    Parameters
    ----------
    sql:
        One statement; tables have the names of their streams' tables.
    format:
        ``json`` prints one object per row.
    """
    from lakegate.pipeline.project import open_project

    text = sys.stdin.read() if sql is None or sql == "-" else sql
    with open_project(project) as opened:
        relation = opened.sql(text)
        if format == "json":
            for row in relation.fetchall():
                emit(dict(zip(relation.columns, row, strict=True)))
            return 0
        rows = relation.fetchall()
        console().print(_table(relation.columns, rows))
        console().print(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", style="dim")
    return 0


def _table(names: list[str], rows: list[tuple[object, ...]]) -> RenderableType:
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False)
    numeric = [
        bool(rows) and all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(names))
    ]
    for name, right in zip(names, numeric, strict=True):
        shown.add_column(name, justify="right" if right else "left")
    for row in rows:
        shown.add_row(*["" if value is None else str(value) for value in row])
    return shown


def _number(count: object) -> str:
    return "-" if count is None else f"{count:,}"

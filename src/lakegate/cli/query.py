"""``lakegate query``: SQL over what is published, once or at a prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, counted, emit, say_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from lakegate.pipeline.project import Project

__all__ = ["converse", "query", "table"]

_HELP = "SQL ends with ;   .tables   .schema TABLE   .quit   (Tab completes, Ctrl-C stops a query)"


def query(
    sql: str | None = None, *, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Run SQL over what is published; at a prompt if none is given.

    Without SQL and without a terminal, the statement is read from standard input.

    Parameters
    ----------
    sql:
        One statement; tables have the names of their streams' tables, models their own.
    format:
        ``json`` prints one object per row.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        if sql is None and sys.stdin.isatty():
            from lakegate.pipeline.prompt import ask_with

            console().print(_HELP, style="dim")
            return converse(opened, ask_with(opened), format)
        text = sys.stdin.read() if sql is None or sql == "-" else sql
        relation = opened.sql(text)
        _show(list(relation.columns), relation.fetchall(), format)
    return 0


def converse(project: Project, ask: Callable[[], str], format: Format) -> int:
    """Ask and answer until the end of input or ``.quit``; an error ends only its own query."""
    from lakegate.errors import LakegateError
    from lakegate.pipeline.prompt import execute

    while True:
        try:
            text = ask().strip().rstrip(";").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        if text in (".quit", ".exit"):
            return 0
        try:
            if text.startswith("."):
                _command(project, text)
            elif text:
                names, rows = execute(project, text)
                _show(names, rows, format)
        except LakegateError as error:
            say_error(str(error))
        except KeyboardInterrupt:
            console().print("stopped", style="yellow")


def _command(project: Project, text: str) -> None:
    from lakegate.contract.problem import nearest
    from lakegate.pipeline.prompt import COMMANDS, tables_of

    command, _, name = text.partition(" ")
    if command == ".help":
        console().print(_HELP)
    elif command == ".tables":
        for known in tables_of(project):
            console().print(known)
    elif command == ".schema":
        tables = tables_of(project)
        wanted = name.strip()
        columns = tables.get(wanted)
        if columns is None:
            near = nearest(wanted, tables)
            known = f"did you mean {near}?" if near else f"there are: {', '.join(tables) or 'none'}"
            say_error(f"no table is called {wanted!r}; {known}")
            return
        console().print(table(["column", "type"], list(columns.items())))
    else:
        say_error(f"{command} is not known; there are {', '.join(COMMANDS)}")


def _show(names: list[str], rows: list[tuple[object, ...]], format: Format) -> None:
    if format == "json":
        for row in rows:
            emit(dict(zip(names, row, strict=True)))
        return
    console().print(table(names, rows))
    console().print(counted(len(rows), "row"), style="dim")


def table(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> RenderableType:
    """Rows as a table; numbers to the right, null as nothing."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    numeric = [
        bool(rows) and all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(names))
    ]
    for name, right in zip(names, numeric, strict=True):
        shown.add_column(Text(name), justify="right" if right else "left")
    for row in rows:
        shown.add_row(*[Text("" if value is None else str(value)) for value in row])
    return shown

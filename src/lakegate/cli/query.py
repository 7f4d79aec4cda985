"""``lakegate query``: SQL over what is published, once or at a prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit, say_error, unwrapped
from lakegate.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from lakegate.pipeline.project import Project

__all__ = ["converse", "fitting", "query", "table"]

_GAP = "…"
_WIDEST = 60  # characters of a column; longer values take several lines
_BETWEEN = 2  # characters between columns
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
    out = unwrapped()
    shown = fitting(names, rows, out.width)
    hidden = len(names) - len(shown)
    if hidden:
        names = [names[at] for at in shown]
        rows = [tuple(row[at] for at in shown) for row in rows]
    out.print(table(names, rows, gap=len(shown) // 2 + len(shown) % 2 if hidden else None))
    rest = f", {counted(hidden, 'column')} not shown: name those you want, or --format json"
    out.print(counted(len(rows), "row") + (rest if hidden else ""), style="dim")


def fitting(names: Sequence[str], rows: Sequence[tuple[object, ...]], width: int) -> list[int]:
    """Which columns to show where a line has ``width`` characters: the first and the last of them.

    All if they fit, else as many as do, at least one, in order.
    """
    needed = [
        min(max([len(name), *(_longest(row[at]) for row in rows)]), _WIDEST) + _BETWEEN
        for at, name in enumerate(names)
    ]
    if sum(needed) - _BETWEEN <= width:
        return list(range(len(names)))
    room = width - len(_GAP)
    chosen: list[int] = []
    for turn in range(len(names)):
        at = turn // 2 if turn % 2 == 0 else len(names) - 1 - turn // 2
        room -= needed[at]
        if room < 0 and chosen:
            break
        chosen.append(at)
    return sorted(chosen)


def _longest(value: object) -> int:
    return max(map(len, str(value).split("\n"))) if value is not None else 0


def table(
    names: Sequence[str], rows: Sequence[tuple[object, ...]], *, gap: int | None = None
) -> RenderableType:
    """Rows as a table; numbers to the right, null as nothing, ``…`` before the column ``gap``."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for at, name in enumerate(names):
        if at == gap:
            shown.add_column(_GAP, style="dim")
        values = [row[at] for row in rows]
        numeric = bool(rows) and all(
            value is None or isinstance(value, int | float) for value in values
        )
        shown.add_column(Text(name), justify="right" if numeric else "left", max_width=_WIDEST)
    for row in rows:
        cells = ["" if value is None else str(value) for value in row]
        if gap is not None:
            cells.insert(gap, _GAP)
        shown.add_row(*map(Text, cells))
    return shown

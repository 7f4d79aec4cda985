"""The prompt of ``lakegate query``: many lines, completion, cancelling, history.

What is shown is the command line's business; here is when a statement ends, what may come next, and
how a query runs so that it can be stopped.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from lakegate.errors import LakeError
from lakegate.pipeline.query import connect, known_tables, translate

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from lakegate.pipeline.project import Project

__all__ = ["COMMANDS", "Answer", "SqlCompleter", "ask_with", "execute", "finished", "tables_of"]

COMMANDS = (".tables", ".schema", ".help", ".quit")
_HISTORY = "query_history"
_POLL_S = 0.1

_WORDS = """
    SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN LEFT RIGHT FULL INNER OUTER CROSS
    ON USING WITH AS DISTINCT UNION ALL EXCEPT INTERSECT CASE WHEN THEN ELSE END AND OR NOT IN
    EXISTS BETWEEN LIKE ILIKE IS NULL TRUE FALSE ASC DESC NULLS FIRST LAST FILTER OVER PARTITION
    QUALIFY CAST INTERVAL DESCRIBE SUMMARIZE EXPLAIN count sum avg min max round coalesce
    date_trunc extract quantile_cont median
"""
_KEYWORDS = tuple(_WORDS.split())
_SOURCE = re.compile(r"\b(?:from|join)\s+\"?(\w+)\"?(?:\s+(?:as\s+)?(?!on\b|using\b)(\w+))?", re.I)
_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL
)

Tables = Mapping[str, Mapping[str, str]]  # table -> column -> DuckDB type
Answer = tuple[list[str], list[tuple[Any, ...]]]


def finished(text: str) -> bool:
    """Whether Enter ends the statement: a ``;`` outside quotes at its end, a command, or nothing.

    >>> finished("select 1;"), finished("select ';"), finished(".tables"), finished("  ")
    (True, False, True, True)
    """
    stripped = text.strip()
    if not stripped or stripped.startswith("."):
        return True
    bare = _QUOTED.sub(lambda match: " " if match[0].startswith(("--", "/*")) else "x", stripped)
    return "'" not in bare and '"' not in bare and "/*" not in bare and bare.rstrip().endswith(";")


def tables_of(project: Project) -> dict[str, dict[str, str]]:
    """The published tables and models with their columns, as of now."""
    connection = connect(project)
    try:
        return known_tables(connection)
    finally:
        connection.close()


def execute(project: Project, sql: str) -> Answer:
    """Run one statement; return its columns and rows. Ctrl-C stops it.

    Raises:
        LakeError: the SQL is wrong; says where.
        KeyboardInterrupt: it was stopped.
    """
    import duckdb

    connection = connect(project)
    done: list[Answer] = []
    failed: list[duckdb.Error] = []
    over = threading.Event()

    def work() -> None:
        try:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            done.append((names, cursor.fetchall()))
        except duckdb.Error as error:
            failed.append(error)
        finally:
            over.set()

    try:
        threading.Thread(target=work, daemon=True).start()
        try:
            while not over.wait(_POLL_S):
                pass
        except KeyboardInterrupt:
            # An event, because a join that Ctrl-C interrupts takes its thread for ended.
            while not over.is_set():
                with suppress(KeyboardInterrupt):
                    connection.interrupt()
                    over.wait(_POLL_S)
            raise
        if failed:
            raise translate(failed[0], connection) from failed[0]
        if not done:
            raise LakeError("the query ended without an answer; try it again")
        return done[0]
    finally:
        connection.close()


class SqlCompleter(Completer):
    """Tables after FROM and JOIN, columns of the tables named, keywords, and the dot commands."""

    def __init__(self, tables: Callable[[], Tables]) -> None:
        self._tables = tables

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """What may stand at the cursor, beginning with what is there."""
        before = document.text_before_cursor
        if before.lstrip().startswith("."):
            yield from self._commands(before.lstrip())
            return
        word = re.search(r"[\w]*\Z", before)
        start = word[0] if word is not None else ""
        for text, meta in self._candidates(before[: len(before) - len(start)], document.text):
            if text.casefold().startswith(start.casefold()) and text != start:
                yield Completion(text, start_position=-len(start), display_meta=meta)

    def _commands(self, before: str) -> Iterator[Completion]:
        command, space, rest = before.partition(" ")
        if not space:
            for known in COMMANDS:
                if known.startswith(command):
                    yield Completion(known, start_position=-len(command))
        elif command == ".schema":
            for table in self._tables():
                if table.startswith(rest):
                    yield Completion(table, start_position=-len(rest))

    def _candidates(self, before: str, whole: str) -> Iterator[tuple[str, str]]:
        tables = {name.casefold(): (name, columns) for name, columns in self._tables().items()}
        named = {}
        for table, alias in _SOURCE.findall(whole):
            if table.casefold() in tables:
                named[table.casefold()] = named[(alias or table).casefold()] = table.casefold()
        owner = re.search(r"(\w+)\.\Z", before)
        if owner is not None:
            key = named.get(owner[1].casefold(), owner[1].casefold())
            if key in tables:
                yield from tables[key][1].items()
            return
        if re.search(r"\b(?:from|join)\s+\Z", before, re.IGNORECASE):
            for name, _ in tables.values():
                yield name, "table"
            return
        seen: set[str] = set()
        for key in dict.fromkeys(named.values()):
            for column, kind in tables[key][1].items():
                if column not in seen:
                    seen.add(column)
                    yield column, kind
        for name, _ in tables.values():
            yield name, "table"
        for keyword in _KEYWORDS:
            yield keyword, ""


def ask_with(
    project: Project,
    *,
    input: Input | None = None,  # noqa: A002, prompt_toolkit calls it so
    output: Output | None = None,
) -> Callable[[], str]:
    """A function that asks for one statement or command.

    Enter adds a line until the statement is :func:`finished`. What was asked is kept in
    ``query_history`` of the state folder, readable by its owner alone.

    The function raises EOFError on Ctrl-D and KeyboardInterrupt on Ctrl-C.
    """
    known: list[Tables] = []

    def tables() -> Tables:
        if not known:
            known.append(tables_of(project))
        return known[0]

    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if finished(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    session: PromptSession[str] = PromptSession(
        message="lakegate> ",
        multiline=True,
        prompt_continuation="      ... ",
        key_bindings=keys,
        completer=SqlCompleter(tables),
        complete_while_typing=False,
        history=FileHistory(_history(project.state_folder)),
        input=input,
        output=output,
    )

    def ask() -> str:
        known.clear()  # what was published meanwhile is completed too
        return session.prompt()

    return ask


def _history(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _HISTORY
    path.touch(mode=0o600)
    return str(path)

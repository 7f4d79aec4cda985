"""What a model's SQL may say: one SELECT over published tables and models, the same each time.

sqlglot reads the statement for its tables and their places. What runs is fenced in twice more: by
DuckDB's own parser (one SELECT) and by a connection that can open nothing but the files of the
tables named (:mod:`lakegate.transform.session`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from lakegate.contract.problem import Report
from lakegate.contract.type import Location
from lakegate.transform.model import TableUse

__all__ = ["DIALECT", "Statement", "read_statement"]

DIALECT = "duckdb"

_Tree: TypeAlias = Any  # sqlglot's root class has had two names

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_VOLATILE_NAMES = """
    random rand setseed uuid gen_random_uuid uuidv4 uuidv7 now current_timestamp
    current_localtime current_localtimestamp transaction_timestamp statement_timestamp
    clock_timestamp get_current_timestamp get_current_time today current_date current_time
    current_datetime localtime localtimestamp nextval currval getenv getvariable current_setting
    current_user current_database current_schema
"""
_VOLATILE = frozenset(_VOLATILE_NAMES.split())
_NODE_NAMES = """
    CurrentDate CurrentDatetime CurrentTime CurrentTimestamp CurrentUser Rand Uuid Localtime
    Localtimestamp CurrentSchema CurrentDatabase
"""
_NODES = tuple(getattr(exp, name) for name in _NODE_NAMES.split() if hasattr(exp, name))
_FILES = ("reads a file or function", "name a published table or a model; files are landed first")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may run: the tables it reads, each once, and its canonical text.

    ``text`` is as it was written, up to a closing semicolon.
    """

    reads: tuple[TableUse, ...]
    canonical: str
    text: str


def read_statement(text: str, at: Location, report: Report, *, what: str) -> Statement | None:
    """Parse one SELECT; None when it cannot run, with the reasons in ``report``.

    ``at`` is where the text begins; ``what`` names it in messages (``the model``).
    """
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=DIALECT) if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line, column = first.get("line", 1), first.get("col", 1)
        width = len(str(first.get("highlight", "")))
        place = _move(at, line, max(column - width + 1, 1))
        said = str(first.get("description", error)).split(" for <class", maxsplit=1)[0]
        report.add("LM101", place, f"{what} is not SQL: {said}")
        return None
    except (SqlglotError, RecursionError) as error:
        report.add("LM101", at, f"{what} is not SQL: {str(error).splitlines()[0]}")
        return None
    trees = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        found = "nothing" if not trees else "something else" if len(trees) == 1 else str(len(trees))
        advice = "write one SELECT (WITH is fine); Lakegate creates and fills the table"
        report.add("LM102", at, f"{what} is one SELECT; found {found}", advice=advice)
        return None
    (tree,) = trees
    before = len(report.problems)
    reads = tuple(_reads(tree, text, at, report, what))
    _check_functions(tree, text, at, report)
    if len(report.problems) > before:
        return None
    last = list(sqlglot.tokenize(text, dialect=DIALECT))[-1]
    end = last.start if last.token_type.name == "SEMICOLON" else len(text)
    return Statement(reads, tree.sql(dialect=DIALECT, comments=False), text[:end])


def _reads(tree: _Tree, text: str, at: Location, report: Report, what: str) -> Iterator[TableUse]:
    seen: set[str] = set()
    for table in tree.find_all(exp.Table):
        place = _place(table.this, text, at)
        name = table.name
        if not isinstance(table.this, exp.Identifier):
            function = table.this.sql(dialect=DIALECT).split("(")[0].lower()
            if function.casefold() not in _TABLE_FUNCTIONS:
                said, advice = _FILES
                report.add("LM103", place, f"{what} {said} ({function})", advice=advice)
            continue
        if table.args.get("db") is not None or table.args.get("catalog") is not None:
            full = ".".join(part.name for part in table.parts)
            advice = "published tables and models go by their plain names"
            report.add("LM103", place, f"{what} reads {full}", advice=advice)
            continue
        if _is_local(table, name):
            continue
        if not name.isidentifier():
            said, advice = _FILES
            report.add("LM103", place, f"{what} {said} ({name})", advice=advice)
            continue
        if name.casefold() not in seen:
            seen.add(name.casefold())
            yield TableUse(name, place)


def _is_local(table: exp.Table, name: str) -> bool:
    """Whether a WITH of this query, or of one around it, gives the name."""
    inner: _Tree = table
    node: _Tree | None = table.parent
    while node is not None:
        clause = node.args.get("with_") or node.args.get("with")
        if clause is not None:
            for cte in clause.expressions:
                if inner is clause and not clause.args.get("recursive") and _holds(cte, table):
                    break  # a CTE sees those before it
                if cte.alias.casefold() == name.casefold():
                    return True
        inner, node = node, node.parent
    return False


def _holds(cte: _Tree, table: exp.Table) -> bool:
    node: _Tree | None = table
    while node is not None:
        if node is cte:
            return True
        node = node.parent
    return False


def _check_functions(tree: _Tree, text: str, at: Location, report: Report) -> None:
    for node in tree.walk():
        if isinstance(node, exp.Anonymous):
            name = node.name
        elif isinstance(node, _NODES):
            name = node.sql(dialect=DIALECT).split("(")[0]
        elif isinstance(node, exp.Column) and not node.table and node.name.casefold() in _VOLATILE:
            name = node.name
            if node.this.quoted or not name.casefold().startswith(("current_", "local")):
                continue
        elif isinstance(node, exp.TableSample) and node.args.get("seed") is None:
            name = "sample without repeatable"
        else:
            continue
        if name.casefold() in _VOLATILE or isinstance(node, exp.TableSample):
            advice = "take the time from the data, such as max(_ingested_at)"
            message = f"{name} gives something else each time, so that no run could be repeated"
            report.add("LM104", _place(node, text, at), message, advice=advice)


def _place(node: _Tree, text: str, at: Location) -> Location:
    for found in node.walk():
        start = found.meta.get("start")
        if isinstance(start, int):
            before = text[:start]
            return _move(at, before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1)
    return at


def _move(at: Location, line: int, column: int) -> Location:
    """A place within a text that begins at ``at``."""
    first = at.column - 1 if line == 1 else 0
    return Location(at.file, at.line + line - 1, first + column)

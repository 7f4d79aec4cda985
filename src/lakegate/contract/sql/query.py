"""The query around a row rule: placeholders, ``SELECT COUNT(*)``, and the shape it must have."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from lakegate.contract.sql.expression import build_condition
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import (
    NotPerRecord,
    RowRule,
    SqlRuleError,
    columns_of,
)
from lakegate.contract.type import Field

__all__ = ["read_query"]

_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")  # how sqlglot names what it expected more of
_PLACEHOLDER = re.compile(r'"?\$?\{(object|table|property|column)\}"?')
_TABLE = "lakegate_object"
# Their arguments are not a list between parentheses.
_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING")
_SELECT_PARTS = frozenset({"expressions", "from", "from_", "where", "kind"})


class _AsWritten(DuckDB):
    """DuckDB's dialect with function calls left as they are written.

    sqlglot gives several spellings one node, turns arguments around and learns more of that with
    each release; here a name means what DuckDB means by it.
    """

    class Parser(DuckDB.Parser):  # type: ignore[misc,valid-type]
        FUNCTIONS: ClassVar[Any] = {}
        FUNCTION_PARSERS: ClassVar[Any] = {
            name: parser
            for name, parser in DuckDB.Parser.FUNCTION_PARSERS.items()
            if name in _SYNTAX
        }


def read_query(
    query: str,
    fields: tuple[Field, ...],
    *,
    property_name: str | None,
    object_name: str | None,
) -> RowRule | NotPerRecord:
    """See :func:`lakegate.contract.sql.rule.parse_row_rule`."""
    resolved = _resolve(query, property_name)
    statements = _parse(resolved)
    try:
        if len(statements) != 1:
            raise Unsupported("several statements")
        names = {_TABLE} if object_name is None else {_TABLE, object_name.casefold()}
        where, aliases = _where(statements[0], names)
    except Unsupported as reason:
        return NotPerRecord(f"the rule is not judged per record: {reason}")
    try:
        expression = build_condition(where, fields, aliases)
    except Unsupported as reason:
        return NotPerRecord(f"the rule is not judged per record: {reason}", is_condition=True)
    except RecursionError:
        return NotPerRecord("the rule is not judged per record: it nests too deep")
    seen = dict.fromkeys(column.path for column in columns_of(expression))
    return RowRule(where.sql(dialect="duckdb"), expression, tuple(seen))


def _resolve(query: str, property_name: str | None) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[1] in ("object", "table"):
            return _TABLE
        if property_name is None:
            raise SqlRuleError(
                f"SQL rule: `{match[0]}` stands in a rule of the whole object; "
                "name the property, or move the rule to it"
            )
        return ".".join('"' + name.replace('"', '""') + '"' for name in property_name.split("."))

    return _PLACEHOLDER.sub(replacement, query)


def _parse(query: str) -> list[exp.Expression]:
    try:
        parsed = sqlglot.parse(query, read=_AsWritten)
    except SqlglotError as cause:
        details = (getattr(cause, "errors", None) or [{}])[0]
        line, column = details.get("line"), details.get("col")
        problem = details.get("description") or str(cause).splitlines()[0]
        problem = _CLASS.sub(r"`\1`", problem)
        where = "" if line is None else f" at line {line}, column {column}"
        raise SqlRuleError(
            f"SQL rule: it does not parse{where}: {problem}; the dialect is DuckDB's",
            line=line,
            column=column,
        ) from cause
    except RecursionError as cause:
        raise SqlRuleError("SQL rule: it nests too deep to be read; split it") from cause
    statements = [statement for statement in parsed if isinstance(statement, exp.Expression)]
    if not statements:
        raise SqlRuleError("SQL rule: there is no statement; write SELECT COUNT(*) FROM ...")
    return [statement for statement in statements if not isinstance(statement, exp.Semicolon)]


def _where(statement: exp.Expression, names: set[str]) -> tuple[exp.Expression, frozenset[str]]:
    """The predicate, and the names a column may be qualified with."""
    if not isinstance(statement, exp.Select):
        raise Unsupported(f"a {statement.key.upper()} statement")
    extra = [key for key, value in statement.args.items() if value and key not in _SELECT_PARTS]
    if extra:
        raise Unsupported(extra[0].rstrip("_").upper())
    _check_count(statement)
    source = statement.args.get("from_") or statement.args.get("from")
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table):
        raise Unsupported("a source that is not the object itself")
    name = table.name.casefold()
    extra = [key for key, value in table.args.items() if value and key not in ("this", "alias")]
    if extra or name not in names:
        raise Unsupported(f"it reads `{table.sql(dialect='duckdb')}`, not {{object}}")
    where = statement.args.get("where")
    if not isinstance(where, exp.Where):
        raise Unsupported("it counts every row")
    alias = table.alias.casefold()
    return where.this, frozenset({alias} if alias else {name})


def _check_count(statement: exp.Select) -> None:
    counted = statement.expressions[0] if len(statement.expressions) == 1 else None
    if isinstance(counted, exp.Alias):
        counted = counted.this
    if not isinstance(counted, exp.Anonymous) or str(counted.this).lower() != "count":
        raise Unsupported("it selects something else than COUNT(*)")
    if len(counted.expressions) > 1:
        raise Unsupported("it selects something else than COUNT(*)")
    what = counted.expressions[0] if counted.expressions else exp.Star()
    if not isinstance(what, exp.Star) and not (isinstance(what, exp.Literal) and what.is_int):
        raise Unsupported(f"it counts {what.sql(dialect='duckdb')}, not rows")

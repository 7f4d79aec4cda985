"""The query around a row rule: placeholders, ``SELECT COUNT(*)``, and the shape it must have."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakegate.contract.sql.dialect import AsWritten, foreign, has_arrow
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
_SELECT_PARTS = frozenset({"expressions", "from", "from_", "where", "kind"})
_PARTS = {
    "group": "GROUP BY",
    "joins": "a JOIN of tables",
    "order": "ORDER BY",
    "sample": "a SAMPLE",
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
    statement = _parse(resolved)
    try:
        names = {_TABLE} if object_name is None else {_TABLE, object_name.casefold()}
        where, aliases = _where(statement, names)
    except Unsupported as reason:
        return NotPerRecord(_said(reason))
    try:
        if has_arrow(resolved):
            raise Unsupported("`->`, which versions of DuckDB differ on: write lambda x: ...")
        expression = build_condition(where, fields, aliases)
    except Unsupported as reason:
        return NotPerRecord(f"the gate does not judge {_said(reason)}", is_condition=True)
    except RecursionError:
        return NotPerRecord("it nests too deep")
    seen = dict.fromkeys(column.path for column in columns_of(expression))
    return RowRule(where.sql(dialect="duckdb"), expression, tuple(seen))


def _said(reason: Unsupported) -> str:
    return str(reason).replace(_TABLE, "{object}")


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


def _parse(query: str) -> exp.Expression:
    """The query, when it is one that only reads."""
    try:
        parsed = sqlglot.parse(query, read=AsWritten)
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
    statements = [
        statement
        for statement in parsed
        if isinstance(statement, exp.Expression) and not isinstance(statement, exp.Semicolon)
    ]
    if not statements:
        raise SqlRuleError("SQL rule: there is no statement; write SELECT COUNT(*) FROM ...")
    if len(statements) > 1:
        raise SqlRuleError(
            f"SQL rule: {len(statements)} statements where one SELECT belongs; write one rule each"
        )
    if not isinstance(statements[0], exp.Query | exp.Values):
        kind = statements[0].key.upper()
        raise SqlRuleError(f"SQL rule: {kind} where one SELECT belongs; an audit only reads")
    wrong = foreign(query)
    if wrong is not None:
        raise SqlRuleError(f"SQL rule: {wrong}")
    return statements[0]


def _where(statement: exp.Expression, names: set[str]) -> tuple[exp.Expression, frozenset[str]]:
    """The predicate, and the names a column may be qualified with."""
    if not isinstance(statement, exp.Select):
        raise Unsupported(f"it is a {statement.key.upper()}, not one SELECT")
    extra = [key for key, value in statement.args.items() if value and key not in _SELECT_PARTS]
    if extra:
        part = extra[0].rstrip("_")
        raise Unsupported(f"it has {_PARTS.get(part, part.upper())}")
    _check_count(statement)
    source = statement.args.get("from_") or statement.args.get("from")
    table = source.this if isinstance(source, exp.From) else None
    if not isinstance(table, exp.Table):
        raise Unsupported("it reads something else than the object itself")
    name = table.name.casefold()
    extra = [key for key, value in table.args.items() if value and key not in ("this", "alias")]
    if extra or name not in names:
        raise Unsupported(f"it reads `{table.sql(dialect='duckdb')}`, not {{object}}")
    where = statement.args.get("where")
    if not isinstance(where, exp.Where):
        raise Unsupported("it counts every row")
    alias = table.alias.casefold()
    return where.this, frozenset({alias} if alias else names)


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

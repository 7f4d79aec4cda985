"""What a contract's SQL may say: one SELECT over the audit's own views.

DuckDB parses the statement and hands out its tree (``json_serialize_sql``), so that what is checked
is what will run: no second parser to disagree with the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from typing import Any

from lakegate.audit.base import Unjudgeable
from lakegate.audit.session import Session
from lakegate.lake.spelling import identifier, literal

__all__ = ["check_statement", "columns_of", "expand", "offending_rows"]

_PLACEHOLDER = re.compile(r'"?\$?\{\s*(object|table|property|column)\s*\}"?', re.IGNORECASE)
_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series"}
_REFUSED_TABLES = {"SHOW_REF", "COLUMN_DATA", "PIVOT"}


def expand(query: str, *, view: str, column: str | None) -> str:
    """The query with its placeholders filled in, as quoted identifiers.

    ``{object}``, ``${object}``, ``{table}``, ``${table}`` are the table, ``{property}``,
    ``${property}``, ``{column}``, ``${column}`` the property the rule stands at; quotes around a
    placeholder are taken as part of it.

    Raises:
        Unjudgeable: a column is asked for and the rule stands at no property.
    """

    def fill(match: re.Match[str]) -> str:
        if match[1].lower() in ("object", "table"):
            return identifier(view)
        if column is None:
            raise Unjudgeable(
                f"{match[0]} has no meaning for a rule of the whole object; "
                "move the rule to the property, or write the column's name"
            )
        return ".".join(identifier(step) for step in column.removeprefix("$.").split("."))

    return _PLACEHOLDER.sub(fill, query)


def check_statement(session: Session, sql: str, *, views: Set[str]) -> dict[str, Any]:
    """The parsed query, when it is one SELECT that reads nothing but these views.

    Raises:
        Unjudgeable: not SQL, not one SELECT, or it names a table, file or table function that is
            not the audit's to read.
    """
    (text,) = session.row("SELECT json_serialize_sql(?)", (sql,))
    parsed = json.loads(text)
    if parsed["error"]:
        reason = parsed.get("error_message", "not understood").split("\n", maxsplit=1)[0]
        raise Unjudgeable(f"not one SELECT statement that DuckDB reads: {reason}")
    if len(parsed["statements"]) != 1:
        raise Unjudgeable(
            f"{len(parsed['statements'])} statements where one SELECT belongs; write one rule each"
        )
    tree: dict[str, Any] = parsed["statements"][0]["node"]
    _check(tree, {view.casefold() for view in views})
    return tree


def columns_of(tree: Any) -> tuple[str, ...]:
    """The names of the columns the query mentions, in order, each once; the last part of each."""
    names = (node["column_names"][-1] for node in _nodes(tree) if node.get("type") == "COLUMN_REF")
    return tuple(dict.fromkeys(names))


def offending_rows(session: Session, tree: dict[str, Any]) -> str | None:
    """For ``SELECT COUNT(*) FROM t WHERE p``: the same query selecting the rows; else None."""
    select = tree.get("select_list", [])
    plain = (
        tree.get("type") == "SELECT_NODE"
        and len(select) == 1
        and select[0].get("function_name") == "count_star"
        and select[0].get("filter") is None
        and tree["from_table"].get("type") == "BASE_TABLE"
        and tree.get("where_clause") is not None
        and not any(tree.get(part) for part in ("group_expressions", "having", "qualify", "sample"))
        and not tree["cte_map"]["map"]
    )
    if not plain:
        return None
    star = _parse(session, "SELECT *")["select_list"]
    rows = {"error": False, "statements": [{"node": {**tree, "select_list": star}}]}
    (text,) = session.row(f"SELECT json_deserialize_sql({literal(json.dumps(rows))}::JSON)")
    return str(text)


def _parse(session: Session, sql: str) -> dict[str, Any]:
    (text,) = session.row("SELECT json_serialize_sql(?)", (sql,))
    tree: dict[str, Any] = json.loads(text)["statements"][0]["node"]
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node, in the order DuckDB writes them."""
    waiting = [tree]
    while len(waiting) > 0:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def _check(tree: dict[str, Any], views: set[str]) -> None:
    nodes = list(_nodes(tree))
    named = {
        entry["key"].casefold() for node in nodes if "map" in node for entry in node["map"] or ()
    }
    # A name that could also be a file's must not become readable by naming a CTE elsewhere like it.
    odd = next((name for name in named if not name.isidentifier()), None)
    if odd is not None:
        raise Unjudgeable(f"WITH {odd!r}: use letters, digits and _ in the name")
    for node in nodes:
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in _QUERIES:
            raise Unjudgeable("the query changes data; an audit only reads, write one SELECT")
        if kind in _REFUSED_TABLES:
            raise Unjudgeable(f"{kind.split('_')[0]} is not allowed here; write one plain SELECT")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).casefold()
            if name not in _TABLE_FUNCTIONS:
                raise Unjudgeable(f"{name}(…) may not be read from; use {{object}}")
        if kind == "BASE_TABLE":
            name = str(node.get("table_name", ""))
            qualified = node.get("schema_name") or node.get("catalog_name")
            if qualified or name.casefold() not in views | named:
                raise Unjudgeable(
                    f"{name!r} is not a table this rule may read; use {{object}}, or a published "
                    f"stream of this project: {', '.join(sorted(views))}"
                )

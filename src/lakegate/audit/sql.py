"""Rules written in SQL: one number or boolean, compared with what the contract expects."""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from lakegate.audit.base import Unjudgeable
from lakegate.audit.result import Sample
from lakegate.audit.session import Session
from lakegate.audit.source import COORDINATES, Source, samples
from lakegate.audit.statement import check_statement, columns_of, expand, offending_rows
from lakegate.contract.stream import QualityRule, Stream
from lakegate.lake.spelling import identifier

__all__ = ["Answer", "answer", "rows_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave. ``offending`` and samples exist for ``SELECT COUNT(*) … WHERE p`` only."""

    value: Fraction | bool
    offending: int | None = None
    total: int | None = None
    samples: tuple[Sample, ...] = ()


def answer(
    session: Session, stream: Stream, rule: QualityRule, *, view: str, views: Set[str]
) -> Answer:
    """Run the rule's query, in which ``{object}`` is ``view`` and ``views`` may be named.

    A double is taken as its shortest decimal: ``SELECT 0.1::DOUBLE`` is exactly 0.1.

    Raises:
        Unjudgeable: the statement is refused, fails, takes too long, or does not give exactly one
            row with one finite number or boolean.
    """
    if rule.query is None or rule.query.strip() == "":
        raise Unjudgeable("the rule has no query")
    column = rule.properties[0] if len(rule.properties) == 1 else None
    sql = expand(rule.query, view=view, column=column).strip().rstrip(";")
    tree = check_statement(session, sql, views=views)
    rows = session.rows(sql, most=2)
    if len(rows) != 1 or len(rows[0]) != 1:
        shape = "no row" if not rows else "several rows" if len(rows) > 1 else "several columns"
        raise Unjudgeable(f"the query gives {shape}; it must give one row with one column")
    value = _exact(rows[0][0])
    rows_sql = offending_rows(session, tree)
    if rows_sql is None or isinstance(value, bool):
        return Answer(value)
    table = tree["from_table"]["table_name"]
    (total,) = session.row(f"SELECT count(*) FROM {identifier(table)}")
    if table.casefold() != view.casefold() or value == 0:
        return Answer(value, int(value), total)
    return Answer(value, int(value), total, _offenders(session, stream, tree, rows_sql))


def rows_of(
    session: Session, stream: Stream, rule: QualityRule, *, view: str, views: Set[str]
) -> Source | None:
    """The rows that ``SELECT COUNT(*) … WHERE p`` counts, with the columns that ``p`` mentions.

    None when the query has another shape, or counts rows of another table.

    Raises:
        Unjudgeable: the statement is refused.
    """
    column = rule.properties[0] if len(rule.properties) == 1 else None
    sql = expand(rule.query or "", view=view, column=column).strip().rstrip(";")
    tree = check_statement(session, sql, views=views)
    rows_sql = offending_rows(session, tree)
    own = {view.casefold(), stream.object_name.casefold()}
    if rows_sql is None or tree["from_table"]["table_name"].casefold() not in own:
        return None
    return _rows(stream, tree, rows_sql)


def _offenders(
    session: Session, stream: Stream, tree: dict[str, Any], rows_sql: str
) -> tuple[Sample, ...]:
    return samples(session, _rows(stream, tree, rows_sql), "true")


def _rows(stream: Stream, tree: dict[str, Any], rows_sql: str) -> Source:
    """Those rows with the contract's columns that the query's condition mentions."""
    declared = {field.name.casefold(): field for field in stream.fields}
    mentioned = (name.casefold() for name in columns_of(tree["where_clause"]))
    fields = [declared[name] for name in mentioned if name in declared]
    values = "".join(f", {identifier(f.name)} AS v{index}" for index, f in enumerate(fields))
    return Source(
        f"SELECT {COORDINATES}{values} FROM ({rows_sql})",
        tuple(field.name for field in fields),
        tuple(field.type for field in fields),
    )


def _exact(value: Any) -> Fraction | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(Decimal(repr(value)))
    if isinstance(value, int) or (isinstance(value, Decimal) and value.is_finite()):
        return Fraction(value)
    if value is None:
        raise Unjudgeable("the query gives NULL, as aggregates of no rows do; wrap it in COALESCE")
    if isinstance(value, float | Decimal):
        raise Unjudgeable(f"the query gives {value}, which compares with nothing")
    raise Unjudgeable(f"the query gives a {type(value).__name__}; it must give a number or boolean")

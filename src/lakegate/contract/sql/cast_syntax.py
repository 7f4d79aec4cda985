"""CAST, TRY_CAST, ``::`` and typed literals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from lakegate.contract.sql.function import call
from lakegate.contract.sql.literal import Unsupported, temporal
from lakegate.contract.sql.rule import Expression, Kind, Literal, SqlType
from lakegate.contract.sql.typed import is_text, sql_of

if TYPE_CHECKING:
    from lakegate.contract.sql.expression import Builder

__all__ = ["as_text", "cast"]

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}
_DECIMAL = re.compile(r"DECIMAL(?:\((\d+)(?:, (\d+))?\))?")
_MOMENTS = {
    "DATE": Kind.DATE, "TIME": Kind.TIME, "TIMESTAMP": Kind.TIMESTAMP,
    "TIMESTAMPTZ": Kind.TIMESTAMP,
}  # fmt: skip


def _integer(value: int) -> Literal:
    return Literal(value, SqlType(Kind.INTEGER, precision=19))


def as_text(value: Expression) -> Expression:
    """The value as DuckDB writes it; a decimal with the digits of its type."""
    if value.type.kind is Kind.DECIMAL:
        return call("to text", value, _integer(value.type.scale))
    return call("to text", value)


def cast(builder: Builder, node: exp.Expression) -> Expression:
    """A value as another type.

    Raises:
        Unsupported: a cast whose answer is not certain.
    """
    target = node.args["to"].sql(dialect="duckdb").upper()
    tries = "try " if isinstance(node, exp.TryCast) else ""
    if is_text(node.this) and target in _MOMENTS:
        return temporal(node.this.name, _MOMENTS[target], zoned=target == "TIMESTAMPTZ")
    value = builder.build(node.this)
    kind = value.type.kind
    if kind is Kind.NULL:
        raise Unsupported(f"`{sql_of(node)}`: NULL needs no cast")
    if target in _BITS:
        limit = 1 << (_BITS[target] - 1)
        if kind is Kind.INTEGER and target == "BIGINT" and value.type.precision < 20:
            return value
        return call(f"{tries}cast integer", value, _integer(-limit), _integer(limit - 1))
    decimal = _DECIMAL.fullmatch(target)
    if decimal is not None:
        precision, scale = int(decimal[1] or 18), int(decimal[2] or (0 if decimal[1] else 3))
        if not 1 <= precision <= 38 or scale > precision:
            raise Unsupported(f"`{sql_of(node)}`")
        return call(f"{tries}cast decimal", value, _integer(precision), _integer(scale))
    if target == "TEXT":
        return as_text(value)
    if target in ("DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        if kind is Kind.STRING:
            return call(f"{tries}cast {target.lower()}", value)
        return call("to timestamp" if "STAMP" in target else f"to {target.lower()}", value)
    if target == "TIME" and kind is Kind.TIME:
        return value
    raise Unsupported(f"`{sql_of(node)}`")

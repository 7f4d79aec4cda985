"""The typed parts of a row rule: columns, comparisons and arithmetic with DuckDB's result types."""

from __future__ import annotations

import difflib

import re2
from sqlglot import exp

from lakegate.contract.predicate import Call, Column, Expression, Kind, Op, SqlRuleError
from lakegate.contract.predicate_literal import MAX_PRECISION, Unsupported, unify
from lakegate.contract.type import (
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
    TimeType,
)

__all__ = [
    "calculate",
    "calculate_date",
    "choice",
    "compare",
    "find",
    "is_text",
    "is_within_the_calendar",
    "like_to_re2",
    "logical",
    "sql_of",
    "typed_column",
]

_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}


def logical(op: Op, *args: Expression) -> Call:
    """A test of its arguments."""
    return Call(op, args, Kind.BOOLEAN)


def sql_of(node: exp.Expression) -> str:
    """A node as SQL, cut for a message."""
    return node.sql(dialect="duckdb")[:80]


def is_text(node: exp.Expression | None) -> bool:
    """Whether a node is a text literal."""
    return isinstance(node, exp.Literal) and bool(node.is_string)


def is_within_the_calendar(value: Expression) -> bool:
    """Whether a moment is as it was read: added days or hours may leave the years 1 to 9999."""
    if isinstance(value, Call) and value.op in (Op.TO_DATE, Op.TO_TIMESTAMP):
        return is_within_the_calendar(value.args[0])
    return not isinstance(value, Call)


def find(name: str, fields: tuple[Field, ...], whole: str) -> Field:
    """The field of that name: exactly, else whatever the case, as DuckDB looks names up."""
    found = [field for field in fields if field.name.casefold() == name.casefold()]
    if len(found) > 1:
        raise Unsupported(f"`{whole}`: names that differ only in case")
    if found:
        return found[0]
    near = difflib.get_close_matches(name, [field.name for field in fields], n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else "name a declared property"
    raise SqlRuleError(f"SQL rule: there is no column `{whole}`; {hint}")


def typed_column(path: tuple[str, ...], field: Field) -> Column:
    """The column of a field, with the kind its values are held as."""
    match field.type:
        case StringType():
            return Column(path, Kind.STRING)
        case IntegerType(bits=bits):
            return Column(path, Kind.INTEGER, precision=_INTEGER_DIGITS[bits])
        case NumberType():
            return Column(path, Kind.DOUBLE)
        case DecimalType(precision=precision, scale=scale):
            return Column(path, Kind.DECIMAL, precision=precision, scale=scale)
        case BooleanType():
            return Column(path, Kind.BOOLEAN)
        case DateType():
            return Column(path, Kind.DATE)
        case TimeType():
            return Column(path, Kind.TIME)
        case TimestampType():
            return Column(path, Kind.TIMESTAMP)
        case _:
            return Column(path, Kind.OPAQUE)


def compare(op: Op, left: Expression, right: Expression) -> Call:
    """A comparison of two values made alike.

    Raises:
        Unsupported: no common kind is certain.
    """
    args = unify((left, right), "a comparison")
    if op in (Op.LT, Op.LE) and args[0].kind is Kind.BOOLEAN:
        raise Unsupported("an order of booleans")
    return logical(op, *args)


def choice(op: Op, args: tuple[Expression, ...], values: tuple[Expression, ...]) -> Call:
    """A call whose result is one of ``values``, all of one kind."""
    scale = max(value.scale for value in values)
    whole = max(value.precision - value.scale for value in values)
    return Call(op, args, values[0].kind, min(whole + scale, MAX_PRECISION), scale)


def calculate(op: Op, left: Expression, right: Expression) -> Expression:
    """A sum, difference or product of numbers.

    Raises:
        Unsupported: a product of too many digits after the point.
    """
    left, right = unify((left, right), f"`{op}`")
    if left.kind is not Kind.DECIMAL:
        return Call(op, (left, right), left.kind, precision=19)
    if op is Op.MULTIPLY:
        precision, scale = left.precision + right.precision, left.scale + right.scale
    else:
        scale = max(left.scale, right.scale)
        precision = max(left.precision - left.scale, right.precision - right.scale) + scale + 1
    if scale > MAX_PRECISION:
        raise Unsupported("a product of more than 38 digits after the point")
    return Call(op, (left, right), Kind.DECIMAL, min(precision, MAX_PRECISION), scale)


def calculate_date(op: Op, left: Expression, right: Expression, node: exp.Expression) -> Expression:
    """Days added to a date, or the days between two.

    Raises:
        Unsupported: anything else.
    """
    kinds = (left.kind, right.kind)
    if op is Op.SUBTRACT and kinds == (Kind.DATE, Kind.DATE):
        return Call(op, (left, right), Kind.INTEGER, precision=19)
    if kinds == (Kind.DATE, Kind.INTEGER) and op in (Op.ADD, Op.SUBTRACT):
        return Call(op, (left, right), Kind.DATE)
    raise Unsupported(f"`{sql_of(node)}` of {left.kind} and {right.kind}")


def like_to_re2(source: str, escape: str | None, node: exp.Expression) -> str:
    """The RE2 expression of a LIKE pattern, over the whole text.

    Raises:
        Unsupported: the escape character stands last.
    """
    parts: list[str] = []
    characters = iter(source)
    for char in characters:
        if char == escape:
            literal = next(characters, None)
            if literal is None:
                raise Unsupported(f"`{sql_of(node)}`: nothing is escaped")
            parts.append(re2.escape(literal))
        else:
            parts.append({"%": "(?s:.*)", "_": "(?s:.)"}.get(char) or re2.escape(char))
    return rf"\A{''.join(parts)}\z"

"""Constants of SQL row rules, read as DuckDB reads them, and the unification of kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from lakegate.contract.predicate import Call, Expression, Kind, Literal, Op
from lakegate.contract.temporal import TemporalError, parse_date, parse_time, parse_timestamp

__all__ = ["Unsupported", "number", "temporal", "to_double", "unify"]

_EPOCH = date(1970, 1, 1)
_INTEGER = re.compile(r"[0-9]+")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]*|\.[0-9]+")
_DOUBLE = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+")
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_NUMERIC = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
_TEMPORAL = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP)

MAX_PRECISION = 38
# Up to 15 digits both the unscaled value and the power of ten are doubles, so that their quotient
# is the nearest double; beyond, DuckDB's conversion rounds twice.
_EXACT_DOUBLE_DIGITS = 15


class Unsupported(Exception):
    """A construct that is left to the audit, which is no error; the text names it."""


def number(text: str) -> Literal:
    """An unsigned number: INTEGER, DECIMAL (a point) or DOUBLE (an exponent).

    Raises:
        Unsupported: it has more digits than 64 bits or DECIMAL(38) hold.
    """
    if _INTEGER.fullmatch(text) and int(text) < 2**63:
        value = int(text)
        return Literal(value, Kind.INTEGER, precision=len(str(value)))
    if _DECIMAL.fullmatch(text):
        digits, _, fraction = text.partition(".")
        if len(digits + fraction) <= MAX_PRECISION:
            return Literal(
                Decimal(text), Kind.DECIMAL, precision=len(digits + fraction), scale=len(fraction)
            )
    if _DOUBLE.fullmatch(text) and abs(float(text)) != float("inf"):
        return Literal(float(text), Kind.DOUBLE)
    raise Unsupported(f"the number {text[:40]}")


def temporal(text: str, kind: Kind, *, zoned: bool = True) -> Literal:
    """A text as a date, time or timestamp (a timestamp without a zone is UTC).

    Raises:
        Unsupported: the text is not in ISO form, or has a zone while not ``zoned``.
    """
    try:
        if kind is Kind.DATE:
            return Literal((parse_date(text) - _EPOCH).days, kind)
        if kind is Kind.TIME and "." not in text[:8]:
            return Literal(parse_time(text), kind)
        match = _TIMESTAMP.fullmatch(text)
        if kind is Kind.TIMESTAMP and match is not None and (zoned or match[3] is None):
            whole = f"{match[1]}T{match[2] or '00:00:00'}{match[3] or 'Z'}"
            return Literal(parse_timestamp(whole), kind)
    except TemporalError:
        pass
    raise Unsupported(f"'{text[:40]}' as a {kind.value}")


def to_double(expression: Expression) -> Expression:
    """The expression as a double, where the conversion is DuckDB's to the last bit.

    Raises:
        Unsupported: a decimal of more than 15 digits.
    """
    if expression.kind is Kind.DOUBLE:
        return expression
    if expression.kind is Kind.NULL:
        return Literal(None, Kind.DOUBLE)
    if expression.kind is Kind.DECIMAL and expression.precision > _EXACT_DOUBLE_DIGITS:
        raise Unsupported("a decimal of more than 15 digits as a double")
    if isinstance(expression, Literal) and isinstance(expression.value, int | Decimal):
        return Literal(float(expression.value), Kind.DOUBLE)
    return Call(Op.TO_DOUBLE, (expression,), Kind.DOUBLE)


def unify(expressions: Sequence[Expression], what: str) -> tuple[Expression, ...]:
    """All of one kind, as DuckDB's implicit casts make them; ``what`` names the construct.

    Raises:
        Unsupported: there is no common kind that is certain.
    """
    kinds = {expression.kind for expression in expressions} - {Kind.NULL}
    kind = _common(kinds, what)
    return tuple(_as(expression, kind, what) for expression in expressions)


def _common(kinds: set[Kind], what: str) -> Kind:
    without_text = kinds - {Kind.STRING}
    if not kinds or Kind.OPAQUE in kinds:
        raise Unsupported(f"{what} of values without a simple type")
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= set(_NUMERIC):
        return Kind.DOUBLE if Kind.DOUBLE in kinds else Kind.DECIMAL
    if without_text == {Kind.DATE, Kind.TIMESTAMP}:
        return Kind.TIMESTAMP
    if len(without_text) == 1 and without_text <= set(_TEMPORAL):
        return next(iter(without_text))
    raise Unsupported(f"{what} of {' and '.join(sorted(kinds))}")


def _as(expression: Expression, kind: Kind, what: str) -> Expression:
    if expression.kind is kind:
        return expression
    if expression.kind is Kind.NULL:
        return Literal(None, kind)
    if kind is Kind.DOUBLE:
        return to_double(expression)
    if kind is Kind.DECIMAL:
        return _to_decimal(expression)
    if kind is Kind.TIMESTAMP and expression.kind is Kind.DATE:
        return Call(Op.TO_TIMESTAMP, (expression,), kind)
    if isinstance(expression, Literal) and isinstance(expression.value, str):
        return temporal(expression.value, kind)
    raise Unsupported(f"{what} of {expression.kind} and {kind}")


def _to_decimal(expression: Expression) -> Expression:
    if isinstance(expression, Literal) and isinstance(expression.value, int):
        return Literal(Decimal(expression.value), Kind.DECIMAL, precision=expression.precision)
    return Call(Op.TO_DECIMAL, (expression,), Kind.DECIMAL, precision=19)

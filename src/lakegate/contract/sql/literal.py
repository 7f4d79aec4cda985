"""Constants of SQL row rules, read as DuckDB reads them, and the unification of kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from lakegate.contract.sql.rule import Expression, Kind, Literal, SqlType
from lakegate.contract.temporal import TemporalError, parse_date, parse_time, parse_timestamp

__all__ = [
    "MAX_PRECISION",
    "Unsupported",
    "convert",
    "interval",
    "number",
    "temporal",
    "unify",
]

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
_INTERVAL = re.compile(r"([+-]?[0-9]{1,9})\s*([a-zA-Z]+)")
_UNITS_US = {
    "week": 604_800_000_000, "day": 86_400_000_000, "hour": 3_600_000_000,
    "minute": 60_000_000, "second": 1_000_000, "millisecond": 1_000, "microsecond": 1,
}  # fmt: skip
_UNITS_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_PLURALS = {f"{unit}s": unit for unit in (*_UNITS_US, *_UNITS_MONTHS)}


class Unsupported(Exception):
    """A construct that is left to the audit, which is no error; the text names it."""


def number(text: str) -> Literal:
    """An unsigned number: INTEGER, DECIMAL (a point) or DOUBLE (an exponent).

    Raises:
        Unsupported: it has more digits than 64 bits or DECIMAL(38) hold.
    """
    if _INTEGER.fullmatch(text) and int(text) < 2**63:
        value = int(text)
        # DuckDB's integer literals are 32 bits wide, or 64: so many digits they have as decimals.
        return Literal(value, SqlType(Kind.INTEGER, precision=10 if value < 2**31 else 19))
    if _DECIMAL.fullmatch(text):
        digits, _, fraction = text.partition(".")
        if len(digits + fraction) <= MAX_PRECISION:
            width = SqlType(Kind.DECIMAL, len(digits + fraction), len(fraction))
            return Literal(Decimal(text), width)
    if _DOUBLE.fullmatch(text) and abs(float(text)) != float("inf"):
        return Literal(float(text), SqlType(Kind.DOUBLE))
    raise Unsupported(f"the number {text[:40]}")


def temporal(text: str, kind: Kind, *, zoned: bool = True) -> Literal:
    """A text as a date, time or timestamp (a timestamp without a zone is UTC).

    Raises:
        Unsupported: the text is not in ISO form, or has a zone while not ``zoned``.
    """
    try:
        if kind is Kind.DATE:
            return Literal((parse_date(text) - _EPOCH).days, SqlType(kind))
        if kind is Kind.TIME and "." not in text[:8]:
            return Literal(parse_time(text), SqlType(kind))
        match = _TIMESTAMP.fullmatch(text)
        if kind is Kind.TIMESTAMP and match is not None and (zoned or match[3] is None):
            whole = f"{match[1]}T{match[2] or '00:00:00'}{match[3] or 'Z'}"
            return Literal(parse_timestamp(whole), SqlType(kind))
    except TemporalError:
        pass
    raise Unsupported(f"'{text[:40]}' as a {kind.value}")


def interval(amount: str, unit: str) -> tuple[int, int]:
    """Months and microseconds of an interval: ``1``, ``month``, or ``1 month 2 days`` and nothing.

    Raises:
        Unsupported: a unit or a form that is not read.
    """
    text = f"{amount} {unit}".strip()
    months = micros = 0
    for found in _INTERVAL.finditer(text):
        word = found[2].lower()
        word = _PLURALS.get(word, word)
        if word in _UNITS_MONTHS:
            months += int(found[1]) * _UNITS_MONTHS[word]
        elif word in _UNITS_US:
            micros += int(found[1]) * _UNITS_US[word]
        else:
            raise Unsupported(f"an interval in {found[2][:20]}")
    if _INTERVAL.sub("", text).strip() or not text:
        raise Unsupported(f"the interval '{text[:40]}'; write it as `1 month 2 days`")
    return months, micros


def convert(expression: Expression, kind: Kind, *, exact: bool) -> Expression | None:
    """The expression as that kind by an implicit cast of DuckDB's, or None; ``exact`` allows none.

    NULL is of every kind.
    """
    if expression.type.kind is kind:
        return expression
    if expression.type.kind is Kind.NULL:
        return Literal(None, SqlType(kind))
    if exact:
        return None
    from lakegate.contract.sql.function import call

    pair = (expression.type.kind, kind)
    if pair in ((Kind.INTEGER, Kind.DOUBLE), (Kind.DECIMAL, Kind.DOUBLE)):
        return call("to double", expression)
    if pair in ((Kind.INTEGER, Kind.DECIMAL), (Kind.DATE, Kind.TIMESTAMP)):
        return call(f"to {kind}", expression)
    return None


def unify(expressions: Sequence[Expression], what: str) -> tuple[Expression, ...]:
    """All of one kind, as DuckDB's implicit casts make them; ``what`` names the construct.

    Raises:
        Unsupported: there is no common kind that is certain.
    """
    kinds = {expression.type.kind for expression in expressions} - {Kind.NULL}
    kind = _common(kinds, what)
    return tuple(_as(expression, kind, what) for expression in expressions)


def _common(kinds: set[Kind], what: str) -> Kind:
    without_text = kinds - {Kind.STRING}
    if not kinds or kinds & {Kind.OPAQUE, Kind.LIST, Kind.STRUCT}:
        raise Unsupported(f"{what} of values without a simple type")
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds <= set(_NUMERIC):
        return Kind.DOUBLE if Kind.DOUBLE in kinds else Kind.DECIMAL
    if without_text == {Kind.DATE, Kind.TIMESTAMP}:
        return Kind.TIMESTAMP
    if len(without_text) == 1 and without_text <= set(_TEMPORAL):
        return next(iter(without_text))
    hint = "; say how with TRY_CAST" if Kind.STRING in kinds else ""
    raise Unsupported(f"{what} of {' and '.join(sorted(kinds))}{hint}")


def _as(expression: Expression, kind: Kind, what: str) -> Expression:
    found = convert(expression, kind, exact=False)
    if found is not None:
        return found
    if isinstance(expression, Literal) and isinstance(expression.value, str):
        return temporal(expression.value, kind)
    raise Unsupported(f"{what} of {expression.type} and {kind}; say how with a CAST")

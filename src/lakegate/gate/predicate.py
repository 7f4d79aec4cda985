"""Row rules, record by record: the reference evaluation of a :class:`RowRule`.

Values come as the reference gate decodes them: int, float, Decimal, str, bool; ``date`` for dates;
int microseconds of the day for times; int UTC microseconds for timestamps; dict for objects; None
for null and absent. Arithmetic of integers and decimals is exact: where DuckDB would stop with an
overflow, the gate knows the answer. Doubles follow IEEE 754, with NaN equal to itself and above all
else, as DuckDB orders them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import re2

from lakegate.contract.predicate import Column, Expression, Kind, Literal, Op, RowRule

__all__ = ["DATE_PARTS", "SPACES", "compile_text_pattern", "evaluate"]

_Value: TypeAlias = Any
_EPOCH_DAY = date(1970, 1, 1)
_DAY_US = 86_400_000_000
# A product of a thousand factors of 38 digits is still exact.
_EXACT = Context(prec=40_000)

# Unicode's space separators (Zs), which DuckDB's trim takes off; tabs and line ends stay.
SPACES = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
DATE_PARTS = frozenset({Op.YEAR, Op.MONTH, Op.DAY, Op.HOUR, Op.MINUTE, Op.SECOND})


def evaluate(rule: RowRule, row: Mapping[str, Any]) -> bool | None:
    """Whether the rule's predicate holds of one record; None when it is null. True rejects.

    ``row`` maps the names of the object's fields to their decoded values.
    """
    result = _evaluate(rule.expression, row)
    return None if result is None else bool(result)


def _evaluate(expression: Expression, row: Mapping[str, Any]) -> _Value:
    if isinstance(expression, Literal):
        return expression.value
    if isinstance(expression, Column):
        return _column(expression, row)
    lazy = _LAZY.get(expression.op)
    if lazy is not None:
        return lazy(expression.args, row)
    args = [_evaluate(arg, row) for arg in expression.args]
    if None in args:
        return None
    if expression.op in DATE_PARTS:
        return _date_part(expression.op, args[0], expression.args[0].kind)
    if expression.kind is Kind.DECIMAL and expression.op in _DECIMAL:
        return _DECIMAL[expression.op](*args)
    return _STRICT[expression.op](*args)


def _column(column: Column, row: Mapping[str, Any]) -> _Value:
    value: Any = row
    for name in column.path:
        if value is None:
            return None
        value = value.get(name)
    if column.kind is Kind.DATE and value is not None:
        return (value - _EPOCH_DAY).days
    return value


def _and(args: tuple[Expression, ...], row: Mapping[str, Any]) -> bool | None:
    left = _evaluate(args[0], row)
    if left is False:
        return False
    right = _evaluate(args[1], row)
    return False if right is False else (None if left is None or right is None else True)


def _or(args: tuple[Expression, ...], row: Mapping[str, Any]) -> bool | None:
    left = _evaluate(args[0], row)
    if left is True:
        return True
    right = _evaluate(args[1], row)
    return True if right is True else (None if left is None or right is None else False)


def _is_null(args: tuple[Expression, ...], row: Mapping[str, Any]) -> bool:
    return _evaluate(args[0], row) is None


def _distinct(args: tuple[Expression, ...], row: Mapping[str, Any]) -> bool:
    left, right = _evaluate(args[0], row), _evaluate(args[1], row)
    if left is None or right is None:
        return left is not right
    return not _equal(left, right)


def _case(args: tuple[Expression, ...], row: Mapping[str, Any]) -> _Value:
    for at in range(0, len(args) - 1, 2):
        if _evaluate(args[at], row) is True:
            return _evaluate(args[at + 1], row)
    return _evaluate(args[-1], row)


def _coalesce(args: tuple[Expression, ...], row: Mapping[str, Any]) -> _Value:
    return next((value for arg in args if (value := _evaluate(arg, row)) is not None), None)


def _greatest(args: tuple[Expression, ...], row: Mapping[str, Any]) -> _Value:
    values = [value for arg in args if (value := _evaluate(arg, row)) is not None]
    return max(values, key=_order) if values else None


def _least(args: tuple[Expression, ...], row: Mapping[str, Any]) -> _Value:
    values = [value for arg in args if (value := _evaluate(arg, row)) is not None]
    return min(values, key=_order) if values else None


def _order(value: _Value) -> tuple[bool, _Value]:
    """A key by which NaN is above all else and equal to itself."""
    return (True, 0.0) if value != value else (False, value)


def _equal(left: _Value, right: _Value) -> bool:
    return bool(_order(left) == _order(right))


def _less(left: _Value, right: _Value) -> bool:
    return bool(_order(left) < _order(right))


def _less_or_equal(left: _Value, right: _Value) -> bool:
    return bool(_order(left) <= _order(right))


def _integer_divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(left: int, right: int) -> int:
    return left - right * _integer_divide(left, right)


def _to_double(value: int | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _substring(text: str, start: int, length: int | None = None) -> str:
    return text[start - 1 :] if length is None else text[start - 1 : start - 1 + length]


@lru_cache(maxsize=512)
def compile_text_pattern(source: str) -> Any:
    """A compiled RE2 expression of a rule; the parser has seen that it compiles."""
    return re2.compile(source)


def _matches(text: str, source: str) -> bool:
    return compile_text_pattern(source).search(text) is not None


def _lower(text: str) -> str:
    # utf8proc's case mapping of single code points, as DuckDB's; Python's maps one to many.
    return text.lower() if text.isascii() else pc.utf8_lower(pa.scalar(text)).as_py()


def _date_part(op: Op, value: int, kind: Kind) -> int:
    """A field of a day, or of a moment in UTC, or of a time of day."""
    if kind is Kind.DATE:
        value *= _DAY_US
    days, micros = divmod(value, _DAY_US)
    if op in (Op.YEAR, Op.MONTH, Op.DAY):
        day = _EPOCH_DAY + timedelta(days=days)
        return {Op.YEAR: day.year, Op.MONTH: day.month, Op.DAY: day.day}[op]
    seconds = micros // 1_000_000
    return {Op.HOUR: seconds // 3600, Op.MINUTE: seconds // 60 % 60, Op.SECOND: seconds % 60}[op]


_LAZY: dict[Op, Callable[[tuple[Expression, ...], Mapping[str, Any]], _Value]] = {
    Op.AND: _and,
    Op.OR: _or,
    Op.IS_NULL: _is_null,
    Op.DISTINCT: _distinct,
    Op.CASE: _case,
    Op.COALESCE: _coalesce,
    Op.GREATEST: _greatest,
    Op.LEAST: _least,
}
_DECIMAL: dict[Op, Callable[..., _Value]] = {
    Op.ADD: _EXACT.add,
    Op.SUBTRACT: _EXACT.subtract,
    Op.MULTIPLY: _EXACT.multiply,
    Op.NEGATE: Decimal.copy_negate,
    Op.ABS: Decimal.copy_abs,
}
_STRICT: dict[Op, Callable[..., _Value]] = {
    Op.NOT: operator.not_,
    Op.EQ: _equal,
    Op.LT: _less,
    Op.LE: _less_or_equal,
    Op.ADD: operator.add,
    Op.SUBTRACT: operator.sub,
    Op.MULTIPLY: operator.mul,
    Op.DIVIDE: operator.truediv,
    Op.INTEGER_DIVIDE: _integer_divide,
    Op.MODULO: _modulo,
    Op.NEGATE: operator.neg,
    Op.ABS: abs,
    Op.LENGTH: len,
    Op.LOWER: _lower,
    Op.TRIM: lambda text: text.strip(SPACES),
    Op.SUBSTRING: _substring,
    Op.STARTS_WITH: str.startswith,
    Op.ENDS_WITH: str.endswith,
    Op.CONTAINS: operator.contains,
    Op.MATCHES: _matches,
    Op.TO_DOUBLE: _to_double,
    Op.TO_DECIMAL: Decimal,
    Op.TO_TIMESTAMP: lambda days: days * _DAY_US,
    Op.TO_DATE: lambda micros: micros // _DAY_US,
}

"""Casts of row rules, explicit and implicit. ``try`` before a name gives null where a cast fails.

What DuckDB's casts of text take is followed for the forms listed in docs/reference/sql-rules.md;
of a text in another form nothing is answered (:class:`Undefined`), with TRY_CAST neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Function, Undefined
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.number import EXACT, unscaled
from lakegate.contract.sql.rule import Expression, Kind, Literal, SqlType
from lakegate.contract.sql.text_cast import (
    Fails,
    boolean_of,
    date_of,
    dates_of,
    decimal_of,
    double_of,
    integer_of,
    moments_of,
    timestamp_of,
    tried,
    zoned_of,
)
from lakegate.contract.sql.vector import (
    Answer,
    Array,
    constant,
    lift,
    one_by_one,
    to_mask,
)

__all__ = ["FUNCTIONS"]

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_FIRST, _LAST = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_INTEGER, _DOUBLE, _STRING, _BOOLEAN = pa.int64(), pa.float64(), pa.string(), pa.bool_()
# Up to 15 digits both the unscaled value and the power of ten are doubles, so that their quotient
# is the nearest double; beyond, DuckDB's conversion rounds twice.
_EXACT_DOUBLE_DIGITS = 15


def _pair(
    name: str, signature: str, record: Any, attempt: Any, **more: Any
) -> tuple[Function, ...]:
    """A cast and its TRY form. ``record`` raises Fails; ``attempt`` gives null for what fails."""

    def strict(*args: Array) -> Answer:
        found = attempt(*args)
        answer = found if isinstance(found, Answer) else Answer(found)
        source = next(arg for arg in args if isinstance(arg, pa.Array))
        failed = to_mask(pc.and_(answer.array.is_null(), source.is_valid()))
        return Answer(answer.array, failed if answer.doubt is None else failed | answer.doubt)

    return (
        Function(f"cast {name}", signature, record, strict, **more),
        Function(f"try cast {name}", signature, tried(record), attempt, **more),
    )


def _ranged(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise Fails("out of range")
    return value


def _ranged_array(values: Array, low: Array, high: Array) -> Array:
    inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
    return pc.if_else(inside, values, pa.scalar(None, values.type))


def _decimal_to_integer(value: Decimal, low: int, high: int) -> int:
    return _ranged(int(value.to_integral_value(ROUND_HALF_UP)), low, high)


def _decimals_to_integers(values: Array, low: Array, high: Array) -> Array:
    whole = _rounded(values, 0)
    limit = pa.scalar(Decimal(10) ** 18, pa.decimal128(19, 0)).cast(whole.type)
    if pc.any(pc.greater_equal(pc.abs(whole), limit)).as_py():
        raise pa.ArrowNotImplementedError("decimals beyond integers")
    return _ranged_array(whole.cast(pa.decimal128(18, 0)).cast(_INTEGER), low, high)


def _rounded(values: Array, scale: int) -> Array:
    """Ties away from zero; Arrow rounds the widest decimals to nonsense, hence 256 bits."""
    declared = values.type
    if declared.precision < 37:
        wide = pa.decimal128(37, declared.scale)
    else:
        wide = pa.decimal256(76, declared.scale)
    rounded = pc.round(values.cast(wide), scale, "half_towards_infinity")
    made = pa.decimal128 if declared.precision < 37 else pa.decimal256
    return rounded.cast(made(wide.precision - declared.scale + scale, scale))


def _double_to_integer(value: float, low: int, high: int) -> int:
    if not math.isfinite(value):
        raise Fails("out of range")
    return _ranged(round(value), low, high)


def _doubles_to_integers(values: Array, low: Array, high: Array) -> Array:
    inside = pc.less(pc.abs(values), 2.0**62)
    held = pc.if_else(inside, values, pa.scalar(None, _DOUBLE))
    if to_mask(pc.and_(pc.invert(inside), values.is_valid())).any():
        raise pa.ArrowNotImplementedError("doubles beyond integers")
    return _ranged_array(pc.round(held, 0, "half_to_even").cast(_INTEGER), low, high)


def _to_decimal(value: Decimal | int, precision: int, scale: int) -> Decimal:
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT)
    if abs(rounded) >= Decimal(10) ** (precision - scale):
        raise Fails("out of range")
    return rounded


def _double_to_decimal(value: float, precision: int, scale: int) -> Decimal:
    with np.errstate(all="ignore"):
        scaled = np.float64(value) * np.float64(10.0) ** scale
    if not math.isfinite(scaled):
        raise Fails("out of range")
    whole = math.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += 1 if scaled > 0 else -1
    if abs(whole) >= 10**precision:
        raise Fails("out of range")
    return Decimal(whole).scaleb(-scale, EXACT)


def _to_decimals(values: Array, precision: Array, scale: Array) -> Array:
    target = pa.decimal128(constant(precision), constant(scale))
    if pa.types.is_integer(values.type):
        return values.cast(pa.decimal128(19, 0)).cast(target)
    if values.type.scale > target.scale:
        values = _rounded(values, target.scale)
    return values.cast(target)


def _doubles_to_decimals(values: Array, precision: Array, scale: Array) -> Array | Answer:
    type_ = pa.decimal128(constant(precision), constant(scale))
    return one_by_one(tried(_double_to_decimal), type_, values, precision, scale)


def _decimal_type(args: tuple[Expression, ...]) -> SqlType:
    precision, scale = (arg.value for arg in args[1:3] if isinstance(arg, Literal))
    return SqlType(Kind.DECIMAL, precision, scale)


def _same_text(
    record: Callable[..., Any],
    certain: Callable[..., str],
    type_of: Callable[..., pa.DataType],
    maybe: str,
) -> Callable[..., Answer]:
    """Text as numbers: texts of the certain form by Arrow, what may be a number one by one."""

    def attempt(texts: Array, *limits: Array) -> Answer:
        values = [constant(limit) for limit in limits]
        plain = pc.match_substring_regex(texts, certain(*values))
        sure = to_mask(plain)
        type_ = type_of(*values)
        kept = texts if sure.all() else pc.if_else(plain, texts, pa.scalar(None, _STRING))
        found = kept.cast(type_)
        if pa.types.is_integer(type_):
            found = _ranged_array(found, *limits)
        odd = ~sure & to_mask(pc.match_substring_regex(texts, maybe))
        if not odd.any():
            return Answer(found)
        rest = one_by_one(tried(record), type_, texts, *limits, where=odd)
        return Answer(pc.if_else(pa.array(odd), rest.array, found), rest.doubt)

    return attempt


def _to_double(value: int | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _decimals_to_doubles(values: Array) -> Array:
    # Arrow multiplies by 10**-scale, which rounds twice; unscaled value over power is exact.
    held = values.cast(pa.decimal128(min(values.type.precision, 18), values.type.scale))
    doubles = unscaled(held) / float(10**values.type.scale)
    return pa.array(doubles, mask=to_mask(values.is_null()) if values.null_count else None)


def _exactly(args: tuple[Expression, ...]) -> None:
    if args[0].type.precision > _EXACT_DOUBLE_DIGITS:
        raise Unsupported("a decimal of more than 15 digits as a double")


def _integer_as_decimal(args: tuple[Expression, ...]) -> SqlType:
    return SqlType(Kind.DECIMAL, max(args[0].type.precision, 1))


def _integers_as_decimals(values: Array) -> Array:
    return values.cast(pa.decimal128(20, 0))


def _date_text(days: int) -> str:
    if not _FIRST <= days <= _LAST:
        raise Undefined("a day outside the years 1 to 9999 as text")
    return (_EPOCH + timedelta(days=days)).isoformat()


def _dates_text(days: Array) -> Array | Answer:
    outside = to_mask(pc.or_(pc.less(days, _FIRST), pc.greater(days, _LAST)))
    if outside.any():
        return one_by_one(_date_text, _STRING, days)
    return days.cast(pa.int32()).cast(pa.date32()).cast(_STRING)


def _decimal_text(value: Decimal, scale: int) -> str:
    return format(EXACT.quantize(value, Decimal(1).scaleb(-scale)), "f")


def _decimals_text(values: Array, scale: Array) -> Array | Answer:
    if values.type.scale > 6:  # Arrow would write an exponent
        return one_by_one(_decimal_text, _STRING, values, scale)
    return values.cast(_STRING)


def _bool_text(values: Array) -> Array:
    return pc.if_else(values, "true", "false")


def _as_is(value: Any) -> Any:
    return value


def _first(args: tuple[Expression, ...]) -> SqlType:
    return args[0].type


def _not_zero(value: Any) -> bool:
    return bool(value != 0)


def _booleans(texts: Array) -> Array | Answer:
    return one_by_one(tried(boolean_of), _BOOLEAN, texts)


_NUMBER_LIKE = (
    r"^[ \t\n\v\f\r]*(?:[+-]?[0-9_.]*(?:[eE][+-]?[0-9_.]*)?|0[xX][0-9a-fA-F_]+|0[bB][01_]+)"
    r"[ \t\n\v\f\r]*$"
)
_DOUBLE_LIKE = "[0-9nN]"
_DECIMAL_TEXT = "integer!, integer! -> decimal"
FUNCTIONS = (
    Function("to double", "integer -> double", _to_double,
             lambda values: values.cast(_DOUBLE, safe=False)),
    Function("to double", "decimal -> double", _to_double, _decimals_to_doubles, check=_exactly),
    Function("to double", "double -> double", _as_is, _as_is),
    Function("to double", "boolean -> double", float, lambda values: values.cast(_DOUBLE)),
    Function("to decimal", "integer -> decimal", Decimal, _integers_as_decimals,
             result=_integer_as_decimal),
    Function("to timestamp", "date -> timestamp", lambda days: days * _DAY_US,
             lambda days: pc.multiply(days, _DAY_US)),
    Function("to timestamp", "timestamp -> timestamp", _as_is, _as_is),
    Function("to date", "date -> date", _as_is, _as_is),
    Function("to date", "timestamp -> date", lambda micros: micros // _DAY_US,
             lift(lambda micros: micros // _DAY_US)),
    Function("to text", "string -> string", _as_is, _as_is),
    Function("to text", "integer -> string", str, lambda values: values.cast(_STRING)),
    Function("to text", "decimal, integer! -> string", _decimal_text, _decimals_text),
    Function("to text", "boolean -> string", lambda value: "true" if value else "false",
             _bool_text),
    Function("to text", "date -> string", _date_text, _dates_text),
    Function("to boolean", "boolean -> boolean", _as_is, _as_is),
    Function("to boolean", "integer -> boolean", _not_zero,
             lambda values: pc.not_equal(values, 0)),
    Function("to boolean", "double -> boolean", _not_zero,
             lambda values: pc.not_equal(values, 0.0)),
    *_pair("boolean", "string -> boolean", boolean_of, _booleans),
    *_pair("integer", "integer, integer!, integer! -> integer", _ranged, _ranged_array),
    *_pair("integer", "decimal, integer!, integer! -> integer", _decimal_to_integer,
           _decimals_to_integers),
    *_pair("integer", "double, integer!, integer! -> integer", _double_to_integer,
           _doubles_to_integers),
    *_pair("integer", "boolean, integer!, integer! -> integer",
           lambda value, _low, _high: int(value),
           lambda values, _low, _high: values.cast(_INTEGER)),
    *_pair("integer", "string, integer!, integer! -> integer", integer_of,
           _same_text(integer_of, lambda _low, _high: "^-?[0-9]{1,18}$",
                      lambda _low, _high: _INTEGER, _NUMBER_LIKE)),
    *_pair("decimal", f"decimal, {_DECIMAL_TEXT}", _to_decimal, _to_decimals,
           result=_decimal_type),
    *_pair("decimal", f"integer, {_DECIMAL_TEXT}", _to_decimal, _to_decimals,
           result=_decimal_type),
    *_pair("decimal", f"double, {_DECIMAL_TEXT}", _double_to_decimal, _doubles_to_decimals,
           result=_decimal_type),
    *_pair("decimal", f"string, {_DECIMAL_TEXT}", decimal_of,
           _same_text(
               decimal_of,
               lambda p, s: f"^-?[0-9]{{1,{p - s}}}(?:\\.[0-9]{{1,{s}}})?$" if p > s > 0
               else f"^-?[0-9]{{1,{p}}}$" if p > s else "^-?0$",
               pa.decimal128, _NUMBER_LIKE),
           result=_decimal_type),
    *_pair("double", "string -> double", double_of,
           _same_text(double_of, lambda: "^-?[0-9]{1,15}(?:\\.[0-9]{1,10})?$", lambda: _DOUBLE,
                      _DOUBLE_LIKE)),
    *_pair("date", "string -> date", date_of, dates_of),
    *_pair("timestamp", "string -> timestamp", timestamp_of, moments_of(timestamp_of)),
    *_pair("timestamptz", "string -> timestamp", zoned_of, moments_of(zoned_of)),
)  # fmt: skip

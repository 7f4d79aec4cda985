"""From a JSON value to the value of a contract type: what each type accepts, read exactly.

A reader takes a JSON value that is not null and returns the value its Arrow column is built from:
str, int, float, Decimal, bool, ``date``; int microseconds of the day for a time; int UTC
microseconds for a timestamp; JSON text for ``AnyType``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from decimal import Context, Decimal
from functools import partial
from typing import Any

from lakegate.contract.temporal import (
    TemporalError,
    parse_date,
    parse_local_timestamp,
    parse_time,
    parse_timestamp,
)
from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import (
    AnyType,
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.json_text import Float, Integer, Json, canonical

__all__ = ["Mismatch", "Reader", "integer_range", "reader"]

Reader = Callable[[Any], Any]
_LONGEST_INTEGER = 21  # a sign and 20 digits: longer tokens are out of any range of 64 bits
_EXACT = Context(prec=80)


class Mismatch(ValueError):
    """A value that is not of its type; ``rule`` is the code, ``expected`` says what would be."""

    def __init__(self, rule: str, expected: str) -> None:
        self.rule = rule
        self.expected = expected
        super().__init__(rule)


def integer_range(type_: IntegerType) -> tuple[int, int]:
    """The least and the greatest value."""
    if type_.signed:
        return -(1 << (type_.bits - 1)), (1 << (type_.bits - 1)) - 1
    return 0, (1 << type_.bits) - 1


def reader(type_: Type) -> Reader:
    """The reader of a scalar type; it raises :class:`Mismatch` for what the type does not accept.

    Arrays and objects are read by :mod:`lakegate.gate.reference`, value by value.
    """
    match type_:
        case StringType():
            return _string
        case IntegerType():
            return partial(_integer, *integer_range(type_), type_.bits == 64 and not type_.signed)
        case NumberType():
            return _number
        case DecimalType(precision=precision, scale=scale):
            return partial(_decimal, precision, scale, Decimal(1).scaleb(-scale))
        case BooleanType():
            return _boolean
        case DateType() | TimeType() | TimestampType():
            return partial(_temporal, _temporal_kind(type_), _temporal_parser(type_))
        case AnyType():
            return canonical
        case _:
            raise TypeError(f"{type_!r} has no reader of its own")


def _string(value: Json) -> str:
    if type(value) is not str:
        raise Mismatch("type", "a string")
    return value


def _boolean(value: Json) -> bool:
    if value is not True and value is not False:
        raise Mismatch("type", "a boolean")
    return value


def _integer(low: int, high: int, as_decimal: bool, value: Json) -> int | Decimal:
    if type(value) is not Integer:
        raise Mismatch("type", "an integer")
    if len(value) <= _LONGEST_INTEGER:
        number = int(value)
        if low <= number <= high:
            return Decimal(number) if as_decimal else number
    raise Mismatch("integer.range", f"an integer from {low} to {high}")


def _number(value: Json) -> float:
    if type(value) is not Integer and type(value) is not Float:
        raise Mismatch("type", "a number")
    number = float(value)  # correctly rounded; an overflow is infinite
    if math.isinf(number):
        raise Mismatch("number.range", "a number within the range of a double")
    return number + 0.0  # -0 is 0


def _decimal(precision: int, scale: int, quantum: Decimal, value: Json) -> Decimal:
    if type(value) is not Integer and type(value) is not Float:
        raise Mismatch("type", f"a decimal({precision},{scale})")
    digits, exponent = _significant(value)
    if not digits:
        return Decimal(0).quantize(quantum)
    if -exponent > scale:
        raise Mismatch("decimal.scale", f"at most {scale} digits after the point")
    if len(digits) + exponent > precision - scale:
        raise Mismatch("decimal.precision", f"at most {precision - scale} digits before the point")
    sign = "-" if value.startswith("-") else ""
    return Decimal(f"{sign}{digits}E{exponent}").quantize(quantum, context=_EXACT)


def _significant(token: str) -> tuple[str, int]:
    """The significant digits of a number token (none for zero) and the last one's power of ten."""
    mantissa, _, power = token.lower().lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    if not stripped:
        return "", 0
    # A power of more digits than this is beyond any decimal either way, and int() would be slow.
    sign = -1 if power.startswith("-") else 1
    magnitude = power.lstrip("+-").lstrip("0")
    exponent = sign * int(magnitude[:18] or "0") * (1 if len(magnitude) <= 18 else 10)
    return stripped, exponent - len(fraction) + len(digits) - len(stripped)


def _temporal_kind(type_: DateType | TimeType | TimestampType) -> str:
    if isinstance(type_, DateType):
        return "date"
    return "time" if isinstance(type_, TimeType) else "timestamp"


def _temporal_parser(
    type_: DateType | TimeType | TimestampType,
) -> Callable[[str], date | int]:
    kind = _temporal_kind(type_)
    zone = None
    if isinstance(type_, TimestampType) and not type_.zoned:
        zone = type_.default_timezone
    if type_.format is not None:
        compiled = compile_format(type_.format, kind)
        return lambda text: compiled.parse(text, zone)
    if kind == "date":
        return parse_date
    if kind == "time":
        return parse_time
    if zone is not None:
        return lambda text: parse_local_timestamp(text, zone)
    return parse_timestamp


def _temporal(kind: str, parse: Callable[[str], date | int], value: Json) -> date | int:
    if type(value) is not str:
        raise Mismatch("type", f"a {kind} in a string")
    try:
        return parse(value)
    except TemporalError as error:
        raise Mismatch(error.rule, error.expected) from None

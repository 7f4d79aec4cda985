"""Types and bounds as the native path takes them: plain data that means what the rules mean.

Every bound goes through the rule's own ``prepare``, so that a text of the contract is read once, in
one place; here it is only written down in the unit a column stores (days, microseconds, units of a
decimal, the bits of a double). What depends on tables is handed over as data, so that both paths
have the same: the file of a time zone, and the code points of a Unicode property.
"""

from __future__ import annotations

import re
import struct
import zoneinfo
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import re2

from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.rules import RULES
from lakegate.gate.value import integer_range

__all__ = ["check_plan", "miss_texts", "reader_plan"]

_EPOCH = date(1970, 1, 1)
_UNITS = 10**38  # beyond any value of a column, within 128 bits
_LONGEST = 1 << 62
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def reader_plan(type_: Type) -> dict[str, Any] | None:
    """What a native reader of a scalar type is made of; None for types that need no reader.

    ``tzif`` is the file of the zone a timestamp is local to, in hexadecimal digits; empty when
    there is no such file, and then the type is not covered.
    """
    match type_:
        case IntegerType():
            low, high = integer_range(type_)
            return {"type": "integer", "low": str(low), "high": str(high)}
        case NumberType():
            return {"type": "number"}
        case DecimalType(precision=precision, scale=scale):
            return {"type": "decimal", "precision": precision, "scale": scale}
        case DateType(format=form):
            return {"type": "date", "format": form}
        case TimeType(format=form):
            return {"type": "time", "format": form}
        case TimestampType(format=form) if _is_local(type_):
            return {"type": "timestamp", "format": form, "tzif": _tzif(type_.default_timezone)}
        case TimestampType(format=form):
            return {"type": "timestamp", "format": form}
        case _:
            return None


def _is_local(type_: TimestampType) -> bool:
    if type_.zoned:
        return False
    return type_.format is None or not compile_format(type_.format, "timestamp").zoned


@lru_cache(maxsize=64)
def _tzif(name: str) -> str:
    """The bytes that ``ZoneInfo(name)`` reads: of the system, or else of the package tzdata."""
    for folder in zoneinfo.TZPATH:
        file = Path(folder, name)
        if file.is_file():
            return file.read_bytes().hex()
    *folders, last = name.split("/")
    try:
        package = resources.files(".".join(("tzdata.zoneinfo", *folders)))
        return package.joinpath(last).read_bytes().hex()
    except (ImportError, OSError):
        return ""


def miss_texts(type_: Type) -> tuple[tuple[str, str], ...]:
    """Rule and expected text for each way in which a value is not of its type.

    In the order of the native ``Miss``; those that the type cannot have repeat the first, and the
    last ones may be left out. Empty for a type that every value has.
    """
    match type_:
        case AnyType():
            return ()
        case IntegerType():
            low, high = integer_range(type_)
            return (
                ("type", "an integer"),
                ("integer.range", f"an integer from {low} to {high}"),
            )
        case NumberType():
            wrong = ("type", "a number")
            return (wrong, wrong, ("number.range", "a number within the range of a double"))
        case DecimalType(precision=precision, scale=scale):
            wrong = ("type", f"a decimal({precision},{scale})")
            return (
                *[wrong] * 3,
                ("decimal.scale", f"at most {scale} digits after the point"),
                ("decimal.precision", f"at most {precision - scale} digits before the point"),
            )
        case DateType(format=form):
            return _temporal_texts("date", form or "YYYY-MM-DD", form, None)
        case TimeType(format=form):
            return _temporal_texts("time", form or "HH:MM:SS[.f]", form, None)
        case TimestampType(format=form):
            zone = type_.default_timezone if _is_local(type_) else None
            written = f"YYYY-MM-DDTHH:MM:SS[.f] {'with' if zone is None else 'without'} a zone"
            return _temporal_texts("timestamp", form or written, form, zone)
        case _:
            return (("type", _NAMES[type(type_)]),)


_NAMES: dict[type, str] = {
    StringType: "a string",
    BooleanType: "a boolean",
    ArrayType: "an array",
    MapType: "an object",
    ObjectType: "an object",
}


def _temporal_texts(
    kind: str, written: str, form: str | None, zone: str | None
) -> tuple[tuple[str, str], ...]:
    wrong = ("type", f"a {kind} in a string")
    unclear = f"in {zone or 'UTC'}"
    wanted = "a zone after the time: Z or an offset like +02:00"
    return (
        *[wrong] * 5,
        (f"{kind}.format", f"a {kind} {written}" if form is None else f"a {kind} as `{form}`"),
        ("timestamp.zone", wanted if zone is None else f"no zone: the time is local to {zone}"),
        ("timestamp.zone", "an offset of at most 23:59"),
        (f"{kind}.range", "a day of the calendar, years 0001 to 9999"),
        (f"{kind}.range", "hours 00-23, minutes and seconds 00-59"),
        (f"{kind}.leapSecond", "seconds 00-59: a leap second has no UTC value"),
        ("timestamp.range", "a time in the years 0001 to 9999 of UTC"),
        ("timestamp.local", f"a local time that is clear: this one does not exist {unclear}"),
        ("timestamp.local", f"a local time that is clear: this one exists twice {unclear}"),
        (f"{kind}.range", "hours 1-12 with AM or PM"),
        *((f"{kind}.range", f"{weekday}, as the date is") for weekday in _WEEKDAYS),
    )


def check_plan(rule: str, bound: Any, type_: Type) -> Any:
    """The bound of a constraint as the native check takes it; None when it is not covered.

    ``bound`` is as the contract has it. Plain data, ready for JSON.

    Raises:
        ContractError: as the rule's own ``prepare``.
    """
    plan = _PLANS.get(rule)
    return None if plan is None else plan(rule, RULES[rule].prepare(bound, type_), type_)


def _length(_rule: str, bound: Any, _type: Type) -> Any:
    return min(bound, _LONGEST)


def _as_is(_rule: str, bound: Any, _type: Type) -> Any:
    return bound


def _keys(_rule: str, bound: Any, _type: Type) -> Any:
    return None if None in bound else list(bound)


def _format(_rule: str, bound: Any, _type: Type) -> Any:
    return bound.name


_PROPERTY = re.compile(r"\\[pP]\{[^}]*\}")


def _pattern(_rule: str, bound: Any, _type: Type) -> Any:
    return _PROPERTY.sub(lambda found: _code_points(found[0]), bound.re2)


@lru_cache(maxsize=64)
def _code_points(property_: str) -> str:
    """The code points of a Unicode property as RE2 has it, as members of a class."""
    runs = (found[0].decode() for found in re2.finditer(f"[{property_}]+", _every_character()))
    return "".join(f"\\x{{{ord(run[0]):x}}}-\\x{{{ord(run[-1]):x}}}" for run in runs)


def _every_character() -> bytes:
    codes = np.arange(0x110000, dtype="<u4")
    return codes[(codes < 0xD800) | (codes > 0xDFFF)].tobytes().decode("utf-32-le").encode()


def _bits(value: float) -> str:
    return str(struct.unpack("<Q", struct.pack("<d", value + 0.0))[0])


def _scale(type_: Type) -> int:
    return type_.scale if isinstance(type_, DecimalType) else 0


def _range(rule: str, bound: Any, type_: Type) -> Any:
    value = bound.value
    if isinstance(type_, NumberType):
        return {"bits": _bits(value)}
    units = _units(value, type_)
    if units is None:
        return None
    low = high = None
    match rule:
        case "minimum":
            low = ceil(units)
        case "exclusiveMinimum":
            low = floor(units) + 1
        case "maximum":
            high = floor(units)
        case _:
            high = ceil(units) - 1
    is_wide = isinstance(type_, IntegerType) and type_.bits == 64 and not type_.signed
    return {"low": _end(low), "high": _end(high), "wide": is_wide}


def _end(units: int | None) -> str | None:
    return None if units is None else str(max(-_UNITS, min(units, _UNITS)))


def _units(value: Any, type_: Type) -> Fraction | int | None:
    """A bound in the unit the column stores; None for a bound of another kind."""
    match type_:
        case DateType() if isinstance(value, date):
            return (value - _EPOCH).days
        case TimeType() | TimestampType() if isinstance(value, int):
            return value
        case IntegerType() | DecimalType() if isinstance(value, Decimal) and value.is_finite():
            if value and value.adjusted() > 60:
                return _UNITS if value > 0 else -_UNITS
            if value and value.adjusted() < -60:
                return Fraction(1 if value > 0 else -1, 2)
            return Fraction(value) * Fraction(10) ** _scale(type_)
        case _:
            return None


def _multiple(_rule: str, bound: Any, type_: Type) -> Any:
    if not bound.is_finite() or not isinstance(type_, IntegerType | NumberType | DecimalType):
        return None
    _, digits, exponent = bound.as_tuple()
    return {"step": "".join(map(str, digits)), "power": exponent, "scale": _scale(type_)}


def _values(_rule: str, bound: Any, type_: Type) -> Any:
    texts: list[str | None]
    match type_:
        case StringType() | AnyType():
            texts = sorted(bound.values)
        case NumberType():
            texts = [_bits(value) for value in bound.values]
        case BooleanType() | IntegerType():
            texts = [str(int(value)) for value in bound.values if abs(value) < _UNITS]
        case DecimalType():
            texts = [_whole(value, type_) for value in bound.values]
        case DateType() | TimeType() | TimestampType():
            texts = [str(_units(value, type_)) for value in bound.values]
        case _:
            return None
    return {"values": [text for text in texts if text is not None], "null": bound.has_null}


def _whole(value: Decimal, type_: DecimalType) -> str | None:
    """A decimal as a count of the column's units; None when no value of the column is equal."""
    units = _units(value, type_)
    if units is None or units != floor(units):
        return None
    whole = floor(units)
    return str(whole) if -_UNITS < whole < _UNITS else None


_PLANS: dict[str, Callable[[str, Any, Type], Any]] = {
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _length),
    **dict.fromkeys(("minProperties", "maxProperties"), _length),
    **dict.fromkeys(("pattern", "invalidPattern"), _pattern),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _range),
    **dict.fromkeys(("missingValues", "invalidValues"), _values),
    **dict.fromkeys(("uniqueItems", "nullValues"), _as_is),
    "format": _format,
    "multipleOf": _multiple,
    "requiredKeys": _keys,
}

"""Text as numbers, dates and moments, as DuckDB's casts read it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Infinite, Undefined
from lakegate.contract.sql.gregorian import days_from_civil, month_length
from lakegate.contract.sql.number import EXACT
from lakegate.contract.sql.vector import Answer, Array, one_by_one, to_mask

__all__ = [
    "Fails",
    "boolean_of",
    "date_of",
    "dates_of",
    "decimal_of",
    "double_of",
    "integer_of",
    "moments_of",
    "timestamp_of",
    "tried",
    "zoned_of",
]

_SPACES = " \t\n\v\f\r"
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(rf"([+-]?)({_DIGITS})?(\.({_DIGITS})?)?([eE]([+-]?{_DIGITS})\.?)?")
_DOUBLE = re.compile(
    rf"(?:\+?-|\+)?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
)
_BASED = re.compile(r"0(?:[xX]([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)|[bB]([01]+(?:_[01]+)*))")
_OPEN_EXPONENT = re.compile(r"[+-]?[0-9_.]*[0-9][0-9_.]*[eE][+-]?")
_STRANGE = re.compile(r"[+-]*(?:inf|nan)", re.IGNORECASE)
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_DATE = r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?"
_ZONE = r"(Z|[+-][0-9]{2}(?::[0-9]{2})?)?"
_DAY = re.compile(rf"[ \t\n\v\f\r]*{_DATE}(?:[ T]{_TIME}{_ZONE})?[ \t\n\v\f\r]*")
_MOMENT = re.compile(rf"[ \t\n\v\f\r]*{_DATE}(?:[ T]{_TIME}{_ZONE})?")
# What DuckDB may read as a date although it is written otherwise; nothing else is one.
_MAYBE = re.compile(
    r"[ \t\n\v\f\r]*(?:-?[0-9]+([-/\\ ])[0-9]{1,2}\1[0-9]|[+-]?inf|epoch)", re.IGNORECASE
)
_MAYBE_RE2 = r"(?i)^[ \t\n\v\f\r]*(?:-?[0-9]+[-/\\ ][0-9]{1,2}[-/\\ ][0-9]|[+-]?inf|epoch)"
_INFINITE = re.compile(r"[ \t\n\v\f\r]*-?inf(?:inity)?", re.IGNORECASE)
_ISO = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MINUTE_US = 60_000_000


class Fails(Undefined):
    """The cast is an error in DuckDB, and null with TRY_CAST."""


def _number(text: str) -> Decimal:
    found = _NUMBER.fullmatch(text.strip(_SPACES))
    if found is None or (found[2] is None and found[4] is None):
        if _OPEN_EXPONENT.fullmatch(text.strip(_SPACES)):
            raise Undefined("an exponent without digits, which DuckDB's versions read otherwise")
        raise Fails("no number")
    whole, fraction = ((found[at] or "").replace("_", "") for at in (2, 4))
    exponent = int((found[6] or "0").replace("_", ""))
    value = Decimal(whole + fraction or "0")
    if abs(exponent) > 1000:
        if value:
            raise Fails("out of range") if exponent > 0 else Undefined("an exponent below -1000")
        exponent = 0
    return EXACT.scaleb(-value if found[1] == "-" else value, exponent - len(fraction))


def integer_of(text: str, low: int, high: int) -> int:
    """An integer within bounds, rounded half away from zero; also ``0x`` and ``0b``."""
    based = _BASED.fullmatch(text.strip(_SPACES))
    if based is not None:
        digits = (based[1] or based[2]).replace("_", "")
        value = int(digits, 16 if based[1] else 2)
    else:
        value = int(_number(text).to_integral_value(ROUND_HALF_UP, EXACT))
    if not low <= value <= high:
        raise Fails("out of range")
    return value


def decimal_of(text: str, precision: int, scale: int) -> Decimal:
    """A decimal that fits, rounded half away from zero."""
    value = _number(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT)
    if abs(value) >= Decimal(10) ** (precision - scale):
        raise Fails("out of range")
    return value if value else abs(value)


def double_of(text: str) -> float:
    """The nearest double; infinities and NaN by name."""
    stripped = text.strip(_SPACES)
    if _DOUBLE.fullmatch(stripped):
        return float(stripped.replace("_", "").replace("+-", "-"))
    named = _STRANGE.match(stripped)
    if named is None:
        raise Fails("no number")
    word = stripped.lower()
    if word.lstrip("+-") in ("inf", "infinity", "nan") and len(word) - len(word.lstrip("+-")) < 2:
        return math.nan if "nan" in word else float(word)
    raise Undefined("a number whose form is not read")


def boolean_of(text: str) -> bool:
    """``true t yes y 1`` and their opposites, in any case."""
    word = text.lower()
    if word not in _TRUE and word not in _FALSE:
        raise Fails("no boolean")
    return word in _TRUE


def _day(found: re.Match[str]) -> int:
    year, month, day = (int(found[at]) for at in (1, 2, 3))
    if not 1 <= month <= 12 or not 1 <= day <= month_length(year, month):
        raise Fails("no such day")
    return int(days_from_civil(year, month, day))


def _clock(found: re.Match[str]) -> int:
    """Microseconds of the day in UTC."""
    if found[4] is None:
        return 0
    hour, minute, second = (int(found[at]) for at in (4, 5, 6))
    if hour > 23 or minute > 59 or second > 59:
        raise Undefined("a time of day at its limits")
    zone = found[8]
    offset = 0
    if zone not in (None, "Z"):
        hours, _, minutes = zone[1:].partition(":")
        if int(hours) > 15 or int(minutes or 0) > 59:
            raise Undefined("an offset beyond 15:59")
        offset = (int(hours) * 60 + int(minutes or 0)) * (-1 if zone[0] == "-" else 1)
    seconds = (hour * 60 + minute - offset) * 60 + second
    return seconds * 1_000_000 + int((found[7] or "").ljust(6, "0"))


def _match(pattern: re.Pattern[str], text: str, what: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is not None:
        return found
    if _INFINITE.fullmatch(text):
        raise Infinite(f"an infinite {what}")
    raise Undefined(f"a {what} in another form") if _MAYBE.match(text) else Fails(f"no {what}")


def date_of(text: str) -> int:
    """``YYYY-M-D``, a time of day after it left out."""
    found = _match(_DAY, text, "date")
    _clock(found)
    return _day(found)


def timestamp_of(text: str) -> int:
    """``YYYY-M-D[ T]HH:MM:SS[.f][Z]`` or a date; DuckDB leaves an offset out of account."""
    found = _match(_MOMENT, text, "timestamp")
    if found[8] not in (None, "Z"):
        raise Undefined("an offset in a TIMESTAMP; cast to TIMESTAMPTZ")
    return zoned_of(text)


def zoned_of(text: str) -> int:
    """``YYYY-M-D[ T]HH:MM:SS[.f][zone]`` or a date; without a zone in UTC."""
    found = _match(_MOMENT, text, "timestamp")
    return _day(found) * 24 * 60 * _MINUTE_US + _clock(found)


def dates_of(texts: Array) -> Answer:
    """:func:`date_of` of a column, null where it fails."""
    iso = to_mask(pc.match_substring_regex(texts, _ISO))
    plain = pc.if_else(pa.array(iso), texts, "1970-01-01")
    parts = [
        pc.utf8_slice_codeunits(plain, low, high).cast(pa.int64()).to_numpy()
        for low, high in ((0, 4), (5, 7), (8, 10))
    ]
    year, month, day = parts
    real = (month >= 1) & (month <= 12) & (day >= 1)
    real &= day <= month_length(year, np.clip(month, 1, 12))
    days: Any = days_from_civil(year, np.clip(month, 1, 12), day)
    found = pa.array(days, pa.int64(), mask=~(iso & real))
    odd = ~iso & to_mask(pc.match_substring_regex(texts, _MAYBE_RE2))
    if not odd.any():
        return Answer(found)
    rest = one_by_one(tried(date_of), pa.int64(), texts, where=odd)
    return Answer(pc.if_else(pa.array(odd), rest.array, found), rest.doubt)


def moments_of(record: Callable[[str], int]) -> Callable[[Array], Answer]:
    """The column form of :func:`timestamp_of` or :func:`zoned_of`, null where it fails."""

    def attempt(texts: Array) -> Answer:
        odd = to_mask(pc.match_substring_regex(texts, _MAYBE_RE2))
        return one_by_one(tried(record), pa.int64(), texts, where=odd)

    return attempt


def tried(record: Callable[..., Any]) -> Callable[..., Any]:
    """The form that gives None where the cast fails."""

    def attempt(*args: Any) -> Any:
        try:
            return record(*args)
        except Fails:
            return None

    return attempt

"""Dates, times and timestamps as text: the default forms of SEMANTICS, read exactly.

===========  ======================================================  ========================
type         form                                                    value
===========  ======================================================  ========================
date         ``YYYY-MM-DD`` (RFC 3339 full-date)                      ``datetime.date``
time         ``HH:MM:SS[.f]``                                         int, us of the day
timestamp    RFC 3339 date-time with a zone                           int, us since 1970, UTC
local        the same without a zone, read in a named zone            int, us since 1970, UTC
===========  ======================================================  ========================

``T``, ``t``, ``Z``, ``z`` and any offset up to ``23:59`` are read, ``-00:00`` as UTC; a space for
the ``T`` is not. Finer digits than microseconds are truncated. Values lie in the years 0001 to
9999, after conversion to UTC. A leap second (``:60``) has no value in UTC microseconds and is
refused under a code of its own. Other forms: :mod:`lakegate.contract.temporal_format`.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lakegate.errors import ContractError

__all__ = [
    "MAX_TIMESTAMP_US",
    "MIN_TIMESTAMP_US",
    "FormatError",
    "TemporalError",
    "format_date",
    "format_local_timestamp",
    "format_time",
    "format_timestamp",
    "local_to_utc",
    "parse_date",
    "parse_local_timestamp",
    "parse_time",
    "parse_timestamp",
    "time_zone",
    "utc_to_local",
]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic on wall-clock values needs naive ones
_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
MIN_TIMESTAMP_US = (date.min - _EPOCH.date()).days * _DAY_US
MAX_TIMESTAMP_US = (date.max - _EPOCH.date()).days * _DAY_US + _DAY_US - 1

_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
_DATE_FORM = re.compile(_DATE)
_TIME_FORM = re.compile(_TIME)
_LOCAL_FORM = re.compile(f"{_DATE}[Tt]{_TIME}")
_ZONED_FORM = re.compile(f"{_DATE}[Tt]{_TIME}(?:[Zz]|([+-])([0-9]{{2}}):([0-9]{{2}}))")


class TemporalError(ValueError):
    """A text that is not the date, time or timestamp it should be.

    ``rule`` is a stable code: ``date.format date.range time.format time.range time.leapSecond
    timestamp.format timestamp.zone timestamp.range timestamp.local timestamp.leapSecond``.
    ``expected`` says what would do, for a failure's text.
    """

    def __init__(self, rule: str, expected: str) -> None:
        self.rule = rule
        self.expected = expected
        super().__init__(f"{rule}: expected {expected}")


class FormatError(ContractError):
    """A date format or time zone of a contract that cannot be enforced.

    ``letter`` is the piece at fault and ``position`` its index in the format, from 0.
    """

    def __init__(self, message: str, *, letter: str, position: int) -> None:
        self.letter = letter
        self.position = position
        super().__init__(message)


def parse_date(text: str) -> date:
    """A date written ``YYYY-MM-DD``, years 0001 to 9999.

    Raises:
        TemporalError: ``date.format`` or ``date.range`` (no such day).
    """
    match = _DATE_FORM.fullmatch(text)
    if match is None:
        raise TemporalError("date.format", "a date YYYY-MM-DD")
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise TemporalError("date.range", "a day of the calendar, years 0001 to 9999") from None


def parse_time(text: str) -> int:
    """Microseconds of the day of a time written ``HH:MM:SS[.f]``; finer digits are truncated.

    Raises:
        TemporalError: ``time.format``, ``time.range`` or ``time.leapSecond``.
    """
    match = _TIME_FORM.fullmatch(text)
    if match is None:
        raise TemporalError("time.format", "a time HH:MM:SS[.f]")
    return time_of_day("time", int(match[1]), int(match[2]), int(match[3]), match[4])


def time_of_day(kind: str, hour: int, minute: int, second: int, fraction: str | None) -> int:
    """Microseconds of the day; ``fraction`` is the digits after the point.

    Raises:
        TemporalError: ``{kind}.range`` or ``{kind}.leapSecond``.
    """
    if hour > 23 or minute > 59 or second > 60:
        raise TemporalError(f"{kind}.range", "hours 00-23, minutes and seconds 00-59")
    if second == 60:
        raise TemporalError(f"{kind}.leapSecond", "seconds 00-59: a leap second has no UTC value")
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros


def parse_timestamp(text: str) -> int:
    """UTC microseconds since 1970 of an RFC 3339 date-time with a zone.

    Raises:
        TemporalError: ``timestamp.format``, ``timestamp.zone`` (none, or beyond 23:59),
            ``timestamp.range`` or ``timestamp.leapSecond``.
    """
    match = _ZONED_FORM.fullmatch(text)
    if match is None:
        if _LOCAL_FORM.fullmatch(text):
            raise TemporalError(
                "timestamp.zone", "a zone after the time: Z or an offset like +02:00"
            )
        raise TemporalError("timestamp.format", "a timestamp YYYY-MM-DDTHH:MM:SS[.f] with a zone")
    offset = 0 if match[8] is None else offset_us(match[8], int(match[9]), int(match[10]))
    return in_range(_wall_clock(match) - offset)


def parse_local_timestamp(text: str, zone: str) -> int:
    """UTC microseconds since 1970 of a date-time without a zone, read in the IANA ``zone``.

    Raises:
        TemporalError: ``timestamp.format``, ``timestamp.zone`` (the text carries one),
            ``timestamp.local`` (no such local time, or twice), ``timestamp.range`` or
            ``timestamp.leapSecond``.
        FormatError: no such zone.
    """
    match = _LOCAL_FORM.fullmatch(text)
    if match is None:
        if _ZONED_FORM.fullmatch(text):
            raise TemporalError("timestamp.zone", f"no zone: the time is local to {zone}")
        raise TemporalError(
            "timestamp.format", "a timestamp YYYY-MM-DDTHH:MM:SS[.f] without a zone"
        )
    return local_to_utc(_wall_clock(match), zone)


def _wall_clock(match: re.Match[str]) -> int:
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise TemporalError(
            "timestamp.range", "a day of the calendar, years 0001 to 9999"
        ) from None
    micros = time_of_day("timestamp", int(match[4]), int(match[5]), int(match[6]), match[7])
    return day_us(day) + micros


def day_us(day: date) -> int:
    """Microseconds from 1970-01-01 to the start of ``day``, on one clock."""
    return (day - _EPOCH.date()).days * _DAY_US


def offset_us(sign: str, hours: int, minutes: int) -> int:
    """Microseconds east of UTC.

    Raises:
        TemporalError: ``timestamp.zone``, beyond 23:59.
    """
    if hours > 23 or minutes > 59:
        raise TemporalError("timestamp.zone", "an offset of at most 23:59")
    return (hours * 60 + minutes) * (-60_000_000 if sign == "-" else 60_000_000)


def in_range(micros: int) -> int:
    """``micros`` itself.

    Raises:
        TemporalError: ``timestamp.range``, outside the years 0001 to 9999 of UTC.
    """
    if not MIN_TIMESTAMP_US <= micros <= MAX_TIMESTAMP_US:
        raise TemporalError("timestamp.range", "a time in the years 0001 to 9999 of UTC")
    return micros


@lru_cache(maxsize=128)
def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name.

    Raises:
        FormatError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise FormatError(
            f"no time zone `{name}`; use a name of the IANA database, such as Europe/Vienna",
            letter=name,
            position=0,
        ) from cause


def local_to_utc(wall_us: int, zone: str) -> int:
    """UTC microseconds of a wall-clock time (microseconds since 1970 of its own clock) in ``zone``.

    Raises:
        TemporalError: ``timestamp.local`` when the clock never shows that time or shows it twice,
            ``timestamp.range`` when UTC leaves the years 0001 to 9999.
        FormatError: no such zone.
    """
    tz = time_zone(zone)
    wall = _EPOCH + timedelta(microseconds=wall_us)
    candidates = set()
    for fold in (0, 1):
        offset = wall.replace(tzinfo=tz, fold=fold).utcoffset() or timedelta(0)
        candidates.add(wall_us - offset // _MICROSECOND)
    if len(candidates) == 1:
        return in_range(candidates.pop())
    # Around a change of offset the two folds differ: those that read back as the same wall clock
    # are real, so none is a gap and two are an overlap.
    real = [
        utc for utc in candidates if in_range(utc) == utc and utc_to_local(utc, zone) == wall_us
    ]
    if len(real) == 1:
        return real[0]
    what = "exists twice" if real else "does not exist"
    raise TemporalError("timestamp.local", f"a local time that is clear: this one {what} in {zone}")


def utc_to_local(micros: int, zone: str) -> int:
    """The wall clock of ``zone`` (microseconds since 1970 of its own clock) at a UTC time."""
    tz = time_zone(zone)
    utc = (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=ZoneInfo("UTC"))
    return micros + (utc.astimezone(tz).utcoffset() or timedelta(0)) // _MICROSECOND


def format_date(day: date) -> str:
    """``YYYY-MM-DD``; :func:`parse_date` reads it back."""
    return day.isoformat()


def format_time(micros: int) -> str:
    """``HH:MM:SS``, with six digits of fraction unless they are zero."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}" if fraction else text


def format_timestamp(micros: int) -> str:
    """RFC 3339 in UTC, ``...Z``; :func:`parse_timestamp` reads it back."""
    return _format_wall_clock(micros) + "Z"


def format_local_timestamp(micros: int, zone: str) -> str:
    """The wall clock of ``zone``, without a zone; of no use where that clock runs twice.

    Raises:
        TemporalError: ``timestamp.range``, the wall clock leaves the years 0001 to 9999.
        FormatError: no such zone.
    """
    try:
        return _format_wall_clock(utc_to_local(micros, zone))
    except OverflowError:
        raise TemporalError(
            "timestamp.range", f"a time in the years 0001 to 9999 of {zone}"
        ) from None


def _format_wall_clock(micros: int) -> str:
    days, rest = divmod(micros, _DAY_US)
    return f"{(_EPOCH + timedelta(days=days)).date().isoformat()}T{format_time(rest)}"

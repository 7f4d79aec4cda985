"""Dates and times that a type and its bounds allow, drawn at random, and their text."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias

from lakegate.contract.temporal import (
    TemporalError,
    format_date,
    format_local_timestamp,
    format_time,
    format_timestamp,
)
from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import DateType, TimestampType, TimeType
from lakegate.errors import GateError

__all__ = ["draw_moment", "micros", "write_temporal"]

Temporal: TypeAlias = DateType | TimeType | TimestampType
Bounds: TypeAlias = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic in UTC
_DAY_US = 86_400_000_000
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999


def draw_moment(type_: Temporal, bounds: Bounds, source: random.Random) -> str:
    """The text of a date or time within the bounds, if there is one."""
    steps = [_DAY_US, 1_000_000, 1]  # from an exclusive bound: as large as there is room for
    first, last = _FIRST_US, _LAST_US
    usual = (18_262 * _DAY_US, 21_915 * _DAY_US)
    if isinstance(type_, TimeType):
        first, last = usual = (0, _DAY_US - 1)
        steps = steps[1:]
    elif isinstance(type_, DateType):
        steps = steps[:1]
    for step in steps:
        low, high = _span(bounds, step, usual)
        low, high = max(low, first), min(high, last)
        if low <= high:
            break
    moment = min(max(source.randint(low, max(low, high)), first), last)
    if isinstance(type_, DateType):
        return write_temporal((_EPOCH + timedelta(microseconds=moment)).date(), type_)
    return write_temporal(moment, type_)


def _span(bounds: Bounds, step: int, usual: tuple[int, int]) -> tuple[int, int]:
    low, high = usual
    lows = [micros(bounds["minimum"])] if "minimum" in bounds else []
    lows += [micros(bounds["exclusiveMinimum"]) + step] if "exclusiveMinimum" in bounds else []
    highs = [micros(bounds["maximum"])] if "maximum" in bounds else []
    highs += [micros(bounds["exclusiveMaximum"]) - step] if "exclusiveMaximum" in bounds else []
    if lows:
        low = max(lows)
        high = max(high, low)
    if highs:
        high = min(highs)
        low = low if lows else min(low, high)
    return low, high


def micros(value: Any) -> int:
    """A bound or a value of a temporal type in microseconds: since 1970, or of the day."""
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    elif isinstance(value, date):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001
    elif isinstance(value, time):
        value = datetime.combine(_EPOCH, value)
    return (value - _EPOCH) // timedelta(microseconds=1)  # type: ignore[no-any-return]


def write_temporal(value: date | int, type_: Temporal) -> str:
    """The text of a value as the type's format wants it.

    Raises:
        GateError: the clock of the type's zone does not show that moment.
    """
    zone = None
    kind = "date" if isinstance(type_, DateType) else "time"
    if isinstance(type_, TimestampType):
        kind = "timestamp"
        zone = None if type_.zoned else type_.default_timezone
    if type_.format is not None:
        return compile_format(type_.format, kind).write(value, zone)
    if isinstance(value, date):
        return format_date(value)
    if kind == "time":
        return format_time(value)
    try:
        return format_timestamp(value) if zone is None else format_local_timestamp(value, zone)
    except TemporalError as cause:
        raise GateError(f"{value} us has no local time in {zone}") from cause

"""Dates, times, timestamps and intervals of row rules; all moments are in UTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Function
from lakegate.contract.sql.gregorian import (
    civil_from_days,
    days_from_civil,
    iso_week,
    month_length,
)
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import Expression, Literal
from lakegate.contract.sql.vector import Array, constant, lift

__all__ = ["FUNCTIONS", "PARTS", "UNITS_US"]

_DAY_US = 86_400_000_000
UNITS_US = {
    "microsecond": 1, "millisecond": 1_000, "second": 1_000_000, "minute": 60_000_000,
    "hour": 3_600_000_000, "day": _DAY_US, "week": 7 * _DAY_US,
}  # fmt: skip
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_UNIT_NAMES = {
    name: unit
    for unit in (*UNITS_US, *_MONTHS)
    for name in (unit, f"{unit}s")
}  # fmt: skip
_MONDAY_US = 4 * _DAY_US  # 1970-01-05 was one

# Names of a part, what it is of a day, what it is of the microseconds of a day.
_OF_DAY: dict[tuple[str, ...], Callable[[Any], Any]] = {
    ("year", "years", "y"): lambda days: civil_from_days(days)[0],
    ("quarter", "quarters"): lambda days: (civil_from_days(days)[1] + 2) // 3,
    ("month", "months", "mon"): lambda days: civil_from_days(days)[1],
    ("day", "days", "d", "dayofmonth"): lambda days: civil_from_days(days)[2],
    ("dow", "dayofweek", "weekday"): lambda days: (days + 4) % 7,
    ("isodow",): lambda days: (days + 3) % 7 + 1,
    ("doy", "dayofyear"): lambda days: days - days_from_civil(civil_from_days(days)[0], 1, 1) + 1,
    ("week", "weeks", "weekofyear"): lambda days: iso_week(days)[1],
    ("isoyear",): lambda days: iso_week(days)[0],
}
_OF_TIME: dict[tuple[str, ...], Callable[[Any], Any]] = {
    ("hour", "hours", "h"): lambda micros: micros // 3_600_000_000,
    ("minute", "minutes", "m"): lambda micros: micros // 60_000_000 % 60,
    ("second", "seconds", "s"): lambda micros: micros // 1_000_000 % 60,
    ("millisecond", "milliseconds", "ms"): lambda micros: micros // 1_000 % 60_000,
    ("microsecond", "microseconds", "us"): lambda micros: micros % 60_000_000,
}
_CALLED = frozenset({
    "year", "quarter", "month", "day", "dayofmonth", "dayofweek", "weekday", "isodow", "dayofyear",
    "week", "weekofyear", "isoyear", "hour", "minute", "second", "millisecond", "microsecond",
})  # fmt: skip
PARTS = {name: names[0] for names in (*_OF_DAY, *_OF_TIME) for name in names}


def _of_moment(of_day: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda micros: of_day(micros // _DAY_US)


def _of_clock(of_time: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda micros: of_time(micros % _DAY_US)


def _part(names: tuple[str, ...], kind: str, formula: Callable[[Any], Any]) -> Function:
    return Function(
        f"part {names[0]}",
        f"{kind} -> integer",
        lambda value: int(formula(value)),
        lift(formula, of=pa.int64()),
        tuple(name for name in names if name in _CALLED),
    )


def _truncate(unit: str, micros: Any) -> Any:
    unit = _UNIT_NAMES[unit]
    if unit in _MONTHS:
        year, month, _ = civil_from_days(micros // _DAY_US)
        months = year * 12 + month - 1
        months = months // _MONTHS[unit] * _MONTHS[unit]
        return days_from_civil(months // 12, months % 12 + 1, 1) * _DAY_US
    start = _MONDAY_US if unit == "week" else 0
    step = UNITS_US[unit]
    return (micros - start) // step * step + start


def _index(unit: str, micros: Any) -> Any:
    """The number of the period a moment is in."""
    if unit in _MONTHS:
        year, month, _ = civil_from_days(micros // _DAY_US)
        return (year * 12 + month - 1) // _MONTHS[unit]
    return (micros - (_MONDAY_US if unit == "week" else 0)) // UNITS_US[unit]


def _boundaries(unit: str, start: Any, end: Any) -> Any:
    unit = _UNIT_NAMES[unit]
    return _index(unit, end) - _index(unit, start)


def _last_day(days: Any) -> Any:
    year, month, day = civil_from_days(days)
    return days + month_length(year, month) - day


def _add_months(micros: Any, months: int) -> Any:
    days = micros // _DAY_US
    year, month, day = civil_from_days(days)
    counted = year * 12 + month - 1 + months
    year, month = counted // 12, counted % 12 + 1
    length = month_length(year, month)
    last = day + (length - day) * (day > length)
    return days_from_civil(year, month, last) * _DAY_US + micros - days * _DAY_US


def _by_unit(formula: Callable[..., Any]) -> Callable[..., Array]:
    kernel = lift(formula, of=pa.int64())
    return lambda unit, *args: kernel(pa.scalar(constant(unit)), *args)


def _exact(formula: Callable[..., Any]) -> Callable[..., int]:
    return lambda *args: int(formula(*args))


def _known(units: frozenset[str]) -> Callable[[tuple[Expression, ...]], None]:
    def check(args: tuple[Expression, ...]) -> None:
        unit = args[0].value if isinstance(args[0], Literal) else None
        if _UNIT_NAMES.get(str(unit).lower()) not in units or unit != str(unit).lower():
            raise Unsupported(f"the unit '{unit}'; units are {', '.join(sorted(units))}")

    return check


_ANY_UNIT = _known(frozenset({*UNITS_US, *_MONTHS}))
_BOUNDARY_UNIT = _known(frozenset({*UNITS_US, *_MONTHS}) - {"week"})
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August",
                "September", "October", "November", "December")  # fmt: skip


def _named(words: tuple[str, ...], index: Callable[[Any], Any]) -> tuple[Any, Any]:
    kernel = lift(index, of=pa.int64())
    return (
        lambda value: words[int(index(value))],
        lambda values: pa.array(words).take(kernel(values)),
    )


def _weekday(micros: Any) -> Any:
    return (micros // _DAY_US + 3) % 7


def _month(micros: Any) -> Any:
    return civil_from_days(micros // _DAY_US)[1] - 1


_CLOCK = "timestamp, interval -> timestamp"
FUNCTIONS = (
    *(_part(names, "date", formula) for names, formula in _OF_DAY.items()),
    *(_part(names, "timestamp", _of_moment(formula)) for names, formula in _OF_DAY.items()),
    *(_part(names, "time", formula) for names, formula in _OF_TIME.items()),
    *(_part(names, "timestamp", _of_clock(formula)) for names, formula in _OF_TIME.items()),
    Function("date_trunc", "string!, timestamp -> timestamp", _exact(_truncate),
             _by_unit(_truncate), ("datetrunc",), check=_ANY_UNIT),
    Function("date_diff", "string!, timestamp, timestamp -> integer", _exact(_boundaries),
             _by_unit(_boundaries), ("datediff",), check=_BOUNDARY_UNIT),
    Function("last_day", "date -> date", _exact(_last_day), lift(_last_day, of=pa.int64())),
    Function("last_day", "timestamp -> date", _exact(lambda at: _last_day(at // _DAY_US)),
             lift(lambda at: _last_day(at // _DAY_US), of=pa.int64())),
    Function("dayname", "timestamp -> string", *_named(_WEEKDAYS, _weekday)),
    Function("monthname", "timestamp -> string", *_named(_MONTH_NAMES, _month)),
    Function("epoch_us", "timestamp -> integer", lambda at: at, lambda at: at),
    Function("+", "date, integer -> date", lambda day, count: day + count, pc.add),
    Function("+", "integer, date -> date", lambda count, day: day + count, pc.add),
    Function("-", "date, integer -> date", lambda day, count: day - count, pc.subtract),
    Function("-", "date, date -> integer", lambda end, start: end - start, pc.subtract),
    Function("-", "timestamp, timestamp -> interval", lambda end, start: end - start,
             pc.subtract),
    Function("+", _CLOCK, lambda at, span: at + span, pc.add, ("date_add",)),
    Function("-", _CLOCK, lambda at, span: at - span, pc.subtract),
    Function("+ months", "timestamp, integer! -> timestamp", _exact(_add_months),
             lift(_add_months, of=pa.int64())),
    Function("interval", "integer, integer! -> interval", lambda count, unit: count * unit,
             pc.multiply_checked),
)  # fmt: skip

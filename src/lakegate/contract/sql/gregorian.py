"""The proleptic Gregorian calendar by arithmetic, alike for ints and for numpy arrays of them.

Days count from 1970-01-01, years are astronomical (0 is 1 BC), as DuckDB has them. The formulas are
Howard Hinnant's "chrono-compatible low-level date algorithms".
"""

from __future__ import annotations

from typing import Any

__all__ = ["civil_from_days", "days_from_civil", "iso_week", "month_length"]

_ERA_DAYS = 146_097
_TO_MARCH_0000 = 719_468


def days_from_civil(year: Any, month: Any, day: Any) -> Any:
    """The day of a year, month and day of the month."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _TO_MARCH_0000


def civil_from_days(days: Any) -> tuple[Any, Any, Any]:
    """Year, month and day of the month."""
    days = days + _TO_MARCH_0000
    era = days // _ERA_DAYS
    of_era = days - era * _ERA_DAYS
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march = (5 * of_year + 2) // 153
    month = (march + 2) % 12 + 1
    return year + era * 400 + (month <= 2), month, of_year - (153 * march + 2) // 5 + 1


def month_length(year: Any, month: Any) -> Any:
    """The number of days of a month."""
    following = days_from_civil(year + (month == 12), month % 12 + 1, 1)
    return following - days_from_civil(year, month, 1)


def iso_week(days: Any) -> tuple[Any, Any]:
    """ISO year and week."""
    thursday = days - (days + 3) % 7 + 3
    year = civil_from_days(thursday)[0]
    return year, (thursday - days_from_civil(year, 1, 1)) // 7 + 1

"""Durations, sizes and schedules as contracts write them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

__all__ = ["UNITS", "is_cron", "parse_duration", "parse_size", "unit_of"]

_WORDS: dict[str, tuple[str, timedelta]] = {
    "ms": ("ms millisecond milliseconds", timedelta(milliseconds=1)),
    "s": ("s sec secs second seconds", timedelta(seconds=1)),
    "m": ("m min mins minute minutes", timedelta(minutes=1)),
    "h": ("h hr hrs hour hours", timedelta(hours=1)),
    "d": ("d day days", timedelta(days=1)),
    "w": ("w wk week weeks", timedelta(weeks=1)),
    "mo": ("mo mon month months", timedelta(days=30)),
    "y": ("y yr yrs year years a", timedelta(days=365)),
}
# Every spelling of a unit of time, with its length; a month has 30 days and a year 365.
UNITS: dict[str, timedelta] = {
    word: length for words, length in _WORDS.values() for word in words.split()
}
_SHORT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*\Z")
_ISO = re.compile(
    r"P(?!\Z)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?!\Z)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z"
)
_ISO_UNITS = ("y", "mo", "w", "d", "h", "m", "s")
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SIZES |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"\s*([0-9]{1,12})\s*([A-Za-z]*)\s*\Z")
_CRON = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, (["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])),
    (0, 7, (["sun", "mon", "tue", "wed", "thu", "fri", "sat"])),
)
_CRON_PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]{1,3}))?\Z")


def unit_of(text: str) -> timedelta | None:
    """The length of a unit of time (case ignored), or None when it is none."""
    return UNITS.get(text.strip().lower())


def parse_duration(text: str) -> timedelta | None:
    """``15m``, ``2 hours``, ``1d`` or ISO 8601 (``PT15M``); None when it is neither."""
    iso = _ISO.match(text.strip())
    if iso is not None:
        parts = zip(iso.groups(), _ISO_UNITS, strict=True)
        pairs = [(Decimal(count), UNITS[unit]) for count, unit in parts if count is not None]
    else:
        short = _SHORT.match(text)
        unit = unit_of(short[2]) if short is not None else None
        if short is None or unit is None:
            return None
        pairs = [(Decimal(short[1]), unit)]
    try:
        return sum((times(count, unit) for count, unit in pairs), timedelta())
    except OverflowError:
        return None


def times(count: Decimal, unit: timedelta) -> timedelta:
    """``count`` units, exact to the microsecond.

    Raises:
        OverflowError: longer than a timedelta can be.
    """
    micros = unit // timedelta(microseconds=1)
    if abs(count.adjusted()) > 20:
        raise OverflowError("longer than a timedelta can be")
    return timedelta(microseconds=int(count * micros))


def parse_size(text: str) -> int | None:
    """Bytes: ``1048576``, ``256 KiB``, ``1MB``; None when it is no size."""
    match = _SIZE.match(text)
    factor = _SIZES.get(match[2].lower()) if match is not None else None
    return None if match is None or factor is None else int(match[1]) * factor


def is_cron(text: str) -> bool:
    """Whether a text is a cron schedule of five fields, each within its range."""
    fields = text.lower().split()
    return len(fields) == 5 and all(
        _cron_field(part, low, high, tuple(names))
        for part, (low, high, names) in zip(fields, _CRON, strict=True)
    )


def _cron_field(text: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    for part in text.split(","):
        match = _CRON_PART.match(part)
        if match is None or (match[1] == "*" and match[2] is not None):
            return False
        if match[3] is not None and not 1 <= int(match[3]) <= high:
            return False
        ends = [
            _cron_value(end, low, names) for end in match.groups()[:2] if end not in (None, "*")
        ]
        if any(end is None or not low <= end <= high for end in ends):
            return False
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
            return False
    return True


def _cron_value(text: str | None, low: int, names: tuple[str, ...]) -> int | None:
    if text is None:
        return None
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdecimal() and len(text) < 4 else None

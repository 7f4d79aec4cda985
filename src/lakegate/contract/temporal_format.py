"""Dates and times in a declared ``format``: a listed subset of the JDK's DateTimeFormatter letters.

==================  ===========================================================================
``yyyy`` ``uuuu``    year, four digits; ``YYYY`` is read as the same
``yy``               year 2000 to 2099, two digits
``MM`` ``M``         month 01-12, 1-12; ``MMM`` Jan, ``MMMM`` January
``dd`` ``d``         day of the month; ``DD`` is read as the same
``EEE`` ``EEEE``     Mon, Monday; must be the date's own
``HH`` ``H``         hour 00-23; ``hh`` ``h`` hour 01-12, with ``a`` (AM, PM in any case)
``mm`` ``ss``        minute, second (``m``, ``s`` without leading zero)
``S`` ... 9 times   exactly so many digits; finer than microseconds is truncated
``X`` ``XX`` ``XXX``  ``Z``, or an offset ±HH[MM], ±HHMM, ±HH:MM; ``x``: the same without ``Z``
``Z`` ``z``          ``Z``, ±HHMM or ±HH:MM; ``z`` reads ``UTC`` and ``GMT`` too
``'text'`` ``''``    text, an apostrophe; a bare ``T`` and what is no letter: themselves
==================  ===========================================================================

``YYYY``, ``DD``, the bare ``T`` and a ``Z`` that reads ``Z`` are not what the JDK makes of them,
but what the standard's own examples mean (``YYYY-MM-DDTHH:mm:ss.SSSZ``). For the same reason a
quoted ``'Z'`` after the time means UTC. Names are English. Everything else is a lint error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from lakegate.contract.temporal import (
    FormatError,
    TemporalError,
    day_us,
    in_range,
    local_to_utc,
    offset_us,
    time_of_day,
    utc_to_local,
)

__all__ = ["TemporalFormat", "compile_format"]

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _names(names: tuple[str, ...], length: int | None = None) -> str:
    return "|".join(name[:length] for name in names)


# What each run of letters reads: the name of the group and its expression.
_LETTERS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("yyyy", "uuuu", "YYYY"), ("year", "[0-9]{4}")),
    "yy": ("year2", "[0-9]{2}"),
    "MM": ("month", "[0-9]{2}"),
    "M": ("month", "[1-9][0-9]?"),
    "MMM": ("month_name", _names(_MONTHS, 3)),
    "MMMM": ("month_name", _names(_MONTHS)),
    **dict.fromkeys(("dd", "DD"), ("day", "[0-9]{2}")),
    "d": ("day", "[1-9][0-9]?"),
    **dict.fromkeys(("E", "EE", "EEE"), ("weekday", _names(_WEEKDAYS, 3))),
    "EEEE": ("weekday", _names(_WEEKDAYS)),
    "HH": ("hour", "[0-9]{2}"),
    "H": ("hour", "[0-9]|[1-9][0-9]"),
    "hh": ("hour12", "[0-9]{2}"),
    "h": ("hour12", "[1-9][0-9]?"),
    "a": ("half", "[AaPp][Mm]"),
    "mm": ("minute", "[0-9]{2}"),
    "m": ("minute", "[0-9]|[1-9][0-9]"),
    "ss": ("second", "[0-9]{2}"),
    "s": ("second", "[0-9]|[1-9][0-9]"),
    **{"S" * n: ("fraction", f"[0-9]{{{n}}}") for n in range(1, 10)},
    "X": ("zone", "Z|[+-][0-9]{2}(?:[0-9]{2})?"),
    "XX": ("zone", "Z|[+-][0-9]{4}"),
    "XXX": ("zone", "Z|[+-][0-9]{2}:[0-9]{2}"),
    "x": ("zone", "[+-][0-9]{2}(?:[0-9]{2})?"),
    "xx": ("zone", "[+-][0-9]{4}"),
    "xxx": ("zone", "[+-][0-9]{2}:[0-9]{2}"),
    "Z": ("zone", "Z|[+-][0-9]{2}:?[0-9]{2}"),
    "z": ("zone", "Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}"),
}
_VARIABLE = frozenset({"M", "d", "H", "h", "m", "s"})
_NUMERIC = frozenset(
    {"year", "year2", "month", "day", "hour", "hour12", "minute", "second", "fraction"}
)
_DATE_PARTS = frozenset({"year", "year2", "month", "month_name", "day", "weekday"})
_ADVICE = {
    "D": "write dd for the day of the month",
    "Y": "write yyyy for the year",
    "y": "write yyyy for the year",
    "u": "write uuuu or yyyy for the year",
    "K": "write hh with a, or HH",
    "k": "write HH for the hour 00-23",
    "V": "write XXX for an offset; names of zones are not read",
    "O": "write XXX for an offset",
    "n": "write SSSSSSSSS for nanoseconds",
    "[": "optional sections are not read; declare the one form that is sent",
    "L": "write MM or MMM for the month",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of letters, or literal text (``group`` is then empty)."""

    text: str
    position: int
    group: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class TemporalFormat:
    """A compiled format of one ``kind``: ``date``, ``time`` or ``timestamp``.

    ``zoned``: the text itself fixes UTC. A timestamp format that is not zoned needs a zone to be
    read in.
    """

    source: str
    kind: str
    zoned: bool
    _parts: tuple[_Part, ...]
    _regex: re.Pattern[str]

    def parse(self, text: str, zone: str | None = None) -> date | int:
        """The value: a date, microseconds of the day, or UTC microseconds since 1970.

        ``zone`` is the IANA zone of a timestamp whose format is not zoned; None means UTC.

        Raises:
            TemporalError: ``{kind}.format``, ``{kind}.range``, ``{kind}.leapSecond``,
                ``timestamp.zone`` or ``timestamp.local``.
            FormatError: no such zone.
        """
        match = self._regex.fullmatch(text)
        if match is None:
            raise TemporalError(f"{self.kind}.format", f"a {self.kind} as `{self.source}`")
        found = match.groupdict()
        if self.kind == "date":
            return self._day(found)
        micros = self._time(found)
        if self.kind == "time":
            return micros
        wall = day_us(self._day(found)) + micros
        if not self.zoned:
            return local_to_utc(wall, zone or "UTC")
        return in_range(wall - _offset(found.get("zone") or "Z"))

    def write(self, value: date | int, zone: str | None = None) -> str:
        """The text of a value; zoned formats are written in UTC.

        Raises:
            FormatError: no such zone.
        """
        micros = day_us(value) if isinstance(value, date) else value
        if self.kind == "timestamp" and not self.zoned:
            micros = utc_to_local(micros, zone or "UTC")
        days, rest = divmod(micros, _DAY_US)
        day = _EPOCH + timedelta(days=days)
        return "".join(
            _write(part, day, rest) if part.group else part.expression for part in self._parts
        )

    def _day(self, found: Mapping[str, str | None]) -> date:
        year = int(found.get("year") or 2000 + int(found.get("year2") or 0))
        name = found.get("month_name")
        month = int(found.get("month") or 0)
        if name is not None:
            month = 1 + [full[:3] for full in _MONTHS].index(name[:3])
        try:
            day = date(year, month, int(found.get("day") or 0))
        except ValueError:
            raise TemporalError(
                f"{self.kind}.range", "a day of the calendar, years 0001 to 9999"
            ) from None
        weekday = found.get("weekday")
        if weekday is not None and not _WEEKDAYS[day.weekday()].startswith(weekday):
            raise TemporalError(f"{self.kind}.range", f"{_WEEKDAYS[day.weekday()]}, as the date is")
        return day

    def _time(self, found: Mapping[str, str | None]) -> int:
        hour = int(found.get("hour") or 0)
        half = found.get("half")
        if half is not None:
            twelfth = int(found.get("hour12") or 0)
            if not 1 <= twelfth <= 12:
                raise TemporalError(f"{self.kind}.range", "hours 1-12 with AM or PM")
            hour = twelfth % 12 + (12 if half in ("PM", "pm", "Pm", "pM") else 0)
        return time_of_day(
            self.kind,
            hour,
            int(found.get("minute") or 0),
            int(found.get("second") or 0),
            found.get("fraction"),
        )


def _offset(text: str) -> int:
    if text in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    return offset_us(text[0], int(digits[:2]), int(digits[2:]))


def _write(part: _Part, day: date, micros: int) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    width = 2 if len(part.text) == 2 else 1
    name_length = None if len(part.text) == 4 else 3
    numbers = {
        "month": day.month, "day": day.day, "hour": hour, "hour12": (hour + 11) % 12 + 1,
        "minute": minute, "second": second,
    }  # fmt: skip
    if part.group in numbers:
        return str(numbers[part.group]).zfill(width)
    return {
        "year": f"{day.year:04}",
        "year2": f"{day.year % 100:02}",
        "month_name": _MONTHS[day.month - 1][:name_length],
        "weekday": _WEEKDAYS[day.weekday()][:name_length],
        "half": "AM" if hour < 12 else "PM",
        "fraction": f"{fraction:06}000"[: len(part.text)],
        "zone": {"x": "+00", "xx": "+0000", "xxx": "+00:00"}.get(part.text, "Z"),
    }[part.group]


@lru_cache(maxsize=256)
def compile_format(source: str, kind: str) -> TemporalFormat:
    """Compile a ``format`` for a ``kind`` of ``date``, ``time`` or ``timestamp``.

    Raises:
        FormatError: names the letter and its position, and what to write instead.
    """
    parts = tuple(_tokenize(source))
    _check(parts, source, kind)
    groups = {part.group for part in parts}
    expression = "".join(
        f"(?P<{part.group}>{part.expression})" if part.group else re.escape(part.expression)
        for part in parts
    )
    zoned = "zone" in groups or _ends_in_quoted_z(parts)
    return TemporalFormat(
        source=source,
        kind=kind,
        zoned=zoned and kind == "timestamp",
        _parts=parts,
        _regex=re.compile(expression),
    )


def _ends_in_quoted_z(parts: tuple[_Part, ...]) -> bool:
    return parts[-1].text == "'Z'" and len(parts) > 1 and parts[-2].group in ("second", "fraction")


def _error(source: str, part: str, position: int, advice: str) -> FormatError:
    return FormatError(
        f"format `{source}`: `{part}` at character {position} is not read; {advice}",
        letter=part,
        position=position,
    )


def _tokenize(source: str) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    while at < len(source):
        char = source[at]
        if char == "'":
            part = _quoted(source, at)
        elif char.isascii() and char.isalpha() and char != "T":
            text = source[at : at + len(source[at:]) - len(source[at:].lstrip(char))]
            if text not in _LETTERS:
                raise _error(source, text, at, _ADVICE.get(char, "put literal text in apostrophes"))
            group, expression = _LETTERS[text]
            part = _Part(text, at, group, expression)
        elif char in "[]{}#":
            raise _error(source, char, at, _ADVICE.get(char, "put literal text in apostrophes"))
        else:
            part = _Part(char, at, "", char)
        parts.append(part)
        at += len(part.text)
    return parts


def _quoted(source: str, at: int) -> _Part:
    if source.startswith("''", at):
        return _Part("''", at, "", "'")
    match = re.compile(r"'((?:[^']|'')*)'").match(source, at)
    if match is None:
        raise _error(source, "'", at, "close the apostrophe, or write '' for one")
    return _Part(match[0], at, "", match[1].replace("''", "'"))


def _check(parts: tuple[_Part, ...], source: str, kind: str) -> None:
    seen: dict[str, _Part] = {}
    for part in parts:
        if part.group and part.group in seen:
            raise _error(source, part.text, part.position, "each field may stand once")
        seen[part.group] = part
        _check_kind(part, source, kind)
    for first, second in pairwise(parts):
        both = first.group in _NUMERIC and second.group in _NUMERIC
        if both and (first.text in _VARIABLE or second.text in _VARIABLE):
            loose = first if first.text in _VARIABLE else second
            raise _error(source, loose.text, loose.position, "beside digits, write two letters")
    _check_whole(set(seen), source, kind)


def _check_kind(part: _Part, source: str, kind: str) -> None:
    if kind == "date" and part.group and part.group not in _DATE_PARTS:
        raise _error(source, part.text, part.position, "a date has no time of day")
    if kind == "time" and part.group in _DATE_PARTS | {"zone"}:
        raise _error(source, part.text, part.position, "a time has neither date nor zone")


def _check_whole(groups: set[str], source: str, kind: str) -> None:
    """Every field the value needs is there, and none that says the same twice."""

    def has(*names: str) -> int:
        return sum(name in groups for name in names)

    problem = None
    if kind != "time":
        if has("year", "year2") != 1:
            problem = "it needs one year: yyyy"
        elif has("month", "month_name") != 1:
            problem = "it needs one month: MM"
        elif not has("day"):
            problem = "it needs a day: dd"
    if kind != "date" and problem is None:
        if has("hour", "hour12") != 1:
            problem = "it needs one hour: HH, or hh with a"
        elif has("hour12") != has("half"):
            problem = "hh and a (AM, PM) go together"
        elif has("second") > has("minute") or has("fraction") > has("second"):
            problem = "seconds need minutes, and a fraction needs seconds"
    if problem is not None:
        raise FormatError(f"format `{source}`: {problem}", letter="", position=0)

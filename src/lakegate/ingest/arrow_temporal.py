"""Dates, times, moments and durations of Arrow as JSON text, whatever number a column holds.

Arrow's columns hold more than a calendar does: years beyond 9999, and times beyond a day. Such a
value is written with all its digits, for the gate to refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import DateType, TimestampType, TimeType, Type
from lakegate.gate.json_text import canonical

__all__ = ["date_texts", "duration_text", "duration_texts", "time_texts", "timestamp_texts"]

Array: TypeAlias = Any  # pyarrow has no types
_Integers: TypeAlias = npt.NDArray[np.int64]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_S = 86_400
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # years 1 to 9999, from 1970
# A zone moves a moment by less than this.
_MARGIN_DAYS = 2


def date_texts(array: Array, type_: Type | None) -> list[str]:
    """JSON text of each day of a ``date32`` or ``date64``."""
    numbers = _numbers(array)
    days = numbers if pa.types.is_date32(array.type) else numbers // (_DAY_S * 1_000)
    odd = (days < _FIRST_DAY) | (days > _LAST_DAY)
    usual = pa.array(np.where(odd, 0, days), pa.int64(), mask=odd | _absent(array))
    usual = usual.cast(pa.int32()).cast(pa.date32())
    if isinstance(type_, DateType) and type_.format is not None:
        write = compile_format(type_.format, "date").write
        texts = [None if day is None else write(day) for day in usual.to_pylist()]
    else:
        texts = usual.cast(pa.string()).to_pylist()
    return _quoted(array, texts, lambda row: _day(int(days[row])))


def time_texts(array: Array, type_: Type | None) -> list[str]:
    """JSON text of each time of day, with as many digits as its unit has."""
    numbers, unit = _numbers(array), array.type.unit
    odd = (numbers < 0) | (numbers >= _DAY_S * _PER_SECOND[unit])
    usual = _without(array, odd)
    texts: list[str | None]
    if isinstance(type_, TimeType) and type_.format is not None:
        write = compile_format(type_.format, "time").write
        micros = usual.cast(pa.time64("us"), safe=False).cast(pa.int64()).to_pylist()
        texts = [None if value is None else write(value) for value in micros]
    else:
        texts = usual.cast(pa.string()).to_pylist()
    return _quoted(array, texts, lambda row: _clock(int(numbers[row]), unit))


def timestamp_texts(array: Array, type_: Type | None) -> list[str]:
    """JSON text of each moment: with Z if the column is of moments, without if it is local."""
    kind = array.type
    numbers, unit = _numbers(array), kind.unit
    days = numbers // (_DAY_S * _PER_SECOND[unit])
    odd = (days < _FIRST_DAY - _MARGIN_DAYS) | (days > _LAST_DAY + _MARGIN_DAYS)
    usual = _without(array, odd)
    is_local = kind.tz is None or (isinstance(type_, TimestampType) and not type_.zoned)
    texts: list[str | None]
    if _has_moment_format(kind, type_):
        texts = _formatted(usual, type_)
    else:
        if kind.tz is not None and is_local:
            usual = pc.local_timestamp(usual.cast(pa.timestamp(unit, tz=_zone(type_))))
        elif kind.tz is not None:
            usual = usual.cast(pa.timestamp(unit, tz="UTC"))
        texts = pc.strftime(usual, format="%Y-%m-%dT%H:%M:%S", locale="C").to_pylist()
        if not is_local:
            texts = [None if text is None else f"{text}Z" for text in texts]

    def plainly(row: int) -> str:
        day, rest = divmod(int(numbers[row]), _DAY_S * _PER_SECOND[unit])
        return f"{_day(day)}T{_clock(rest, unit)}{'' if is_local else 'Z'}"

    return _quoted(array, texts, plainly)


def duration_texts(array: Array) -> list[str]:
    """JSON text of each, ISO 8601 in seconds."""
    scale = 1_000_000_000 // _PER_SECOND[array.type.unit]
    return [
        "null" if value is None else f'"{duration_text(0, 0, value * scale)}"'
        for value in array.cast(pa.int64()).to_pylist()
    ]


def duration_text(months: int, days: int, nanoseconds: int) -> str:
    """ISO 8601; the parts stay apart, because a month is no number of days."""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    text = "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if nanoseconds or text == "P":
        text += f"T{sign}{seconds}{fraction}S"
    return text


def _numbers(array: Array) -> _Integers:
    """What the column holds, 0 for null."""
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    held = array.view(width).fill_null(0).to_numpy(zero_copy_only=False)
    return held.astype(np.int64)  # type: ignore[no-any-return]


def _absent(array: Array) -> npt.NDArray[np.bool_]:
    return array.is_null().to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _without(array: Array, odd: npt.NDArray[np.bool_]) -> Array:
    return pc.if_else(pa.array(odd), None, array) if odd.any() else array


def _quoted(array: Array, texts: list[str | None], plainly: Callable[[int], str]) -> list[str]:
    """The texts as JSON; of a value without one, what ``plainly`` makes of its row."""
    is_there = array.is_valid().to_pylist()
    return [
        canonical(plainly(row) if text is None else text) if there else "null"
        for row, (text, there) in enumerate(zip(texts, is_there, strict=True))
    ]


def _has_moment_format(kind: Any, type_: Type | None) -> bool:
    """Whether there is a format, and it is known which moment a value is: a local time where a zone
    is wanted is not.
    """
    if not isinstance(type_, TimestampType) or type_.format is None:
        return False
    return kind.tz is not None or not type_.zoned


def _zone(type_: Type | None) -> str | None:
    return type_.default_timezone if isinstance(type_, TimestampType) else None


def _formatted(array: Array, type_: Any) -> list[str | None]:
    """Each value as the contract's format writes it: a value has no format, its text has."""
    zone = "UTC" if array.type.tz is None else type_.default_timezone
    array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)
    write = compile_format(type_.format, "timestamp").write
    texts: list[str | None] = []
    for value in array.cast(pa.int64()).to_pylist():
        try:
            texts.append(None if value is None else write(value, zone))
        except OverflowError:  # the zone's clock shows no year from 1 to 9999
            texts.append(None)
    return texts


def _day(days: int) -> str:
    """ISO 8601 of any day from 1970; see Howard Hinnant, "chrono-compatible date algorithms"."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (month <= 2)
    return f"{'-' if year < 0 else ''}{abs(year):04}-{month:02}-{day:02}"


def _clock(number: int, unit: str) -> str:
    per_second = _PER_SECOND[unit]
    seconds, fraction = divmod(abs(number), per_second)
    digits = f".{fraction:0{len(str(per_second)) - 1}}" if per_second > 1 else ""
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    return f"{'-' if number < 0 else ''}{hours:02}:{minutes:02}:{seconds % 60:02}{digits}"
